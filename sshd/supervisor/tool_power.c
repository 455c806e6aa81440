#include "sshd/supervisor/tool_power.h"

#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/mem.h"
#include "sshd/supervisor/launch.h"
#include "sshd/supervisor/store.h"

enum { TICK = 20, START_WAIT = 60000, SLACK = 15000 };

static const struct { const char *word; enum event event; bool up; } powers[] = {
    { "start", EVENT_START, true }, { "stop", EVENT_STOP, false }, { "restart", EVENT_RESTART, true }, { "kill", EVENT_KILL, false },
};

/* Servers are never freed. */
struct wait {
    struct client *client;
    struct server *server;
    bool up;
    unsigned starts;        /* of a restart: when it was ordered */
    uint64_t until;
};

static void say_state(struct client *c, const struct server *v)
{
    char why[sizeof v->reason];
    server_reason(v, why, sizeof why);
    FREE_MEM char *line = mem_fmt("%s: %s%s%s\n", v->name, server_word(v), why[0] ? ", " : "", why);
    client_put(c, line, strlen(line));
}

static bool at_rest(const struct server *v)
{
    return !server_alive(v) && v->state != STATE_BACKOFF;
}

static void look(void *data)
{
    struct wait *w = data;
    struct server *v = w->server;
    bool up = v->state == STATE_RUNNING && v->life.starts != w->starts;
    bool over = w->up ? up || (at_rest(v) && v->life.starts != w->starts) || v->state == STATE_BACKOFF : at_rest(v);
    if (!over && now_ms() < w->until) {
        loop_timer(v->super->loop, TICK, look, w);
        return;
    }
    bool done = w->up ? up : at_rest(v);
    say_state(w->client, v);
    client_done(w->client, done ? 0 : over ? CODE_FAILED : CODE_LATER, "");
    client_release(w->client);
    free(w);
}

static uint64_t patience(const struct server *v, bool up)
{
    const struct conf_server *c = conf_server(&v->super->conf, v->name);
    return (c ? c->stop_timeout : 0) + (up ? START_WAIT : SLACK);
}

void tool_power(struct client *c, struct server *v)
{
    size_t i = 0;
    while (strcmp(powers[i].word, c->argv[0]) != 0)
        i++;
    /* A restart of one that has not come as far as its launch program is the start that is under way. */
    bool same = v->state == STATE_STARTING && !v->life.queued && launch_none(v);
    unsigned starts = v->life.starts - same;
    const char *why = conf_server(&c->super->conf, v->name) == NULL ? "is no longer configured" : c->super->leaving ? "cannot: the daemon is going down" :
                      server_order(v, powers[i].event, "the admin");
    log_info("order", "by=admin server=%s word=%s refused=\"%s\"", v->name, powers[i].word, why ? esc_text(why) : "");
    if (why) {
        FREE_MEM char *text = mem_fmt("%s %s", v->name, why);
        client_done(c, CODE_STATE, text);
        return;
    }
    struct wait *w = mem_new(sizeof *w);
    *w = (struct wait){ .client = c, .server = v, .up = powers[i].up, .starts = starts, .until = now_ms() + patience(v, powers[i].up) };
    client_hold(c);
    look(w);
}

/* What it shows to users is theirs to read on a terminal. */
static bool good_reason(const char *why)
{
    size_t n = strlen(why);
    for (const char *p = why; *p; p++)
        if ((unsigned char)*p < ' ' || (unsigned char)*p > '~')
            return false;
    return n > 0 && n <= LOCK_MOST;
}

void tool_lock(struct client *c, struct server *v)
{
    if (c->argc != 3 || !good_reason(c->argv[2])) {
        FREE_MEM char *text = mem_fmt("a reason is needed, in one word or quoted: 1 to %d printable ASCII characters", LOCK_MOST);
        client_done(c, CODE_USAGE, text);
        return;
    }
    if (!store_ready(c->super)) {
        client_done(c, CODE_LATER, "the store is not running");
        return;
    }
    server_lock_by_admin(v, c->argv[2]);
    say_state(c, v);
    client_done(c, 0, "");
}

void tool_unlock(struct client *c, struct server *v)
{
    const char *why = store_ready(c->super) ? server_unlock_by_admin(v) : "cannot be unlocked: the store is not running";
    FREE_MEM char *text = mem_fmt("%s %s", v->name, why ? why : "");
    if (why == NULL)
        say_state(c, v);
    client_done(c, why ? CODE_STATE : 0, why ? text : "");
}
