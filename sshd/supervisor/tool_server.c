#include "sshd/supervisor/tool_server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "sshd/supervisor/cgroup.h"
#include "sshd/supervisor/launch.h"
#include "sshd/supervisor/policy.h"
#include "sshd/supervisor/server.h"
#include "sshd/supervisor/store.h"
#include "sshd/supervisor/tool_client.h"
#include "sshd/supervisor/tool_plan.h"
#include "sshd/supervisor/tool_power.h"
#include "sshd/supervisor/usage.h"

enum { FREEZE_TICK = 10, FREEZE_WAIT = 5000 };

/* "" without a network. */
static const char *dotted(uint32_t a, char text[INET_ADDRSTRLEN])
{
    text[0] = '\0';
    if (a)
        snprintf(text, INET_ADDRSTRLEN, "%u.%u.%u.%u", a >> 24, a >> 16 & 255, a >> 8 & 255, a & 255);
    return text;
}

static void put(struct buf *b, const char *key, const char *text, bool json)
{
    if (text[0] && json)
        json_str(b, key, text);
    else if (text[0])
        buf_put_fmt(b, "%s %s\n", key, text);
}

static void put_addresses(const struct server *v, struct buf *b, bool json)
{
    char text[INET_ADDRSTRLEN], six[INET6_ADDRSTRLEN];
    put(b, "address", dotted(server_inside_address(v), text), json);
    put(b, "gateway", dotted(server_host_address(v), text), json);
    server_inside6_address(v, six);
    put(b, "address6", six, json);
}

static void put_folders(const struct server *v, struct buf *b, bool json)
{
    const struct super *s = v->super;
    FREE_MEM char *files = mem_fmt("%s/servers/%s", s->conf.paths.state, v->name);
    FREE_MEM char *group = s->cgroup ? mem_fmt("%s/%s", s->cgroup, v->name) : mem_str("");
    put(b, "cgroup", group, json);
    put(b, "files", files, json);
}

static const char *const wanted_words[WISH_COUNT] = {
    [WISH_NONE] = "as autostart says", [WISH_UP] = "to run", [WISH_DOWN] = "to be down", [WISH_ENDED] = "ended by itself", [WISH_FAILED] = "failed",
};

static void show_json(const struct server *v, struct buf *b)
{
    char why[sizeof v->reason];
    json_begin(b, NULL);
    json_str(b, "server", v->name);
    json_str(b, "state", server_word(v));
    json_i64(b, "pid", v->pid);
    json_str(b, "reason", server_reason(v, why, sizeof why));
    json_str(b, "wanted", wanted_words[v->life.wish]);
    json_u64(b, "shim_version", v->life.version);
    json_u64(b, "uids_first", server_uid_base(v));
    json_u64(b, "uids_last", server_uid_base(v) + 65535);
    put_addresses(v, b, true);
    put_folders(v, b, true);
    usage_put(v, true, b);
    json_end(b);
    json_line(b);
}

static void show_text(const struct server *v, struct buf *b)
{
    char why[sizeof v->reason];
    put(b, "server", v->name, false);
    put(b, "state", server_word(v), false);
    if (v->pid)
        buf_put_fmt(b, "pid %d\n", (int)v->pid);
    put(b, "reason", server_reason(v, why, sizeof why), false);
    put(b, "wanted", wanted_words[v->life.wish], false);
    if (server_alive(v))
        buf_put_fmt(b, "shim version %u\n", v->life.version);
    buf_put_fmt(b, "uids %u to %u\n", server_uid_base(v), server_uid_base(v) + 65535);
    put_addresses(v, b, false);
    put_folders(v, b, false);
    usage_put(v, false, b);
}

static void show(struct client *c, struct server *v)
{
    struct buf b BUF_FREE = BUF(65536);
    if (c->json)
        show_json(v, &b);
    else
        show_text(v, &b);
    client_put(c, (const char *)buf_head(&b), buf_size(&b));
    client_done(c, 0, "");
}

/* ---- seccomp ---- */

struct shown { struct client *client; struct server *server; };

/* What it runs behind is what it was started with. */
static void put_note(struct client *c, const struct server *v)
{
    const struct conf_server *conf = conf_server(&c->super->conf, v->name);
    FREE_MEM char *changes = conf ? policy_changes(conf) : mem_str("");
    FREE_MEM char *line = mem_fmt("# changes by the ini files: %s\n", changes[0] ? changes : "none");
    FREE_MEM char *note = NULL;
    if (server_alive(v) && v->changes == NULL)
        note = mem_str("# it runs and was started by an earlier daemon, perhaps with other changes\n");
    else if (server_alive(v) && strcmp(v->changes, changes) != 0)
        note = mem_fmt("# it runs with other changes until it is restarted: %s\n", v->changes[0] ? v->changes : "none");
    if (c->json)
        return;
    client_put(c, line, strlen(line));
    if (note)
        client_put(c, note, strlen(note));
}

static void put_file(struct client *c, int fd)
{
    char part[16384];
    off_t at = 0;
    for (ssize_t n; (n = pread(fd, part, sizeof part, at)) > 0; at += n)
        client_put(c, part, (size_t)n);
}

static void show_filter(void *data, int fd, const char *error)
{
    struct shown *shown = data;
    struct client *c = shown->client;
    if (error == NULL) {
        put_note(c, shown->server);
        put_file(c, fd);
    }
    client_done(c, error ? CODE_FAILED : 0, error ? error : "");
    client_release(c);
    free(shown);
}

static void seccomp(struct client *c, struct server *v)
{
    const struct conf_server *conf = conf_server(&c->super->conf, v->name);
    if (conf == NULL) {
        client_done(c, CODE_FAILED, "it is no longer configured");
        return;
    }
    struct shown *shown = mem_new(sizeof *shown);
    *shown = (struct shown){ c, v };
    client_hold(c);
    policy_show(c->super, conf, c->json, show_filter, shown);
}

/* ---- freeze and thaw ---- */

/* Servers are never freed. */
struct wait {
    struct client *client;
    struct server *server;
    bool freeze;
    uint64_t until;
};

static void look(void *data)
{
    struct wait *w = data;
    struct server *v = w->server;
    bool done = cgroup_frozen(v) == w->freeze;
    if (!done && now_ms() < w->until && v->launched) {
        loop_timer(v->super->loop, FREEZE_TICK, look, w);
        return;
    }
    FREE_MEM char *why = mem_fmt("%s: not all of its processes have %s yet", v->name, w->freeze ? "stopped" : "gone on");
    client_done(w->client, done ? 0 : CODE_FAILED, done ? "" : why);
    client_release(w->client);
    free(w);
}

static void set_frozen(struct client *c, struct server *v, bool freeze)
{
    struct err e;
    char line[400];
    FREE_MEM char *why = NULL;
    if (!v->launched || (v->state != STATE_RUNNING && v->state != STATE_STARTING))
        why = mem_fmt("%s is %s; allowed: one that runs", v->name, server_word(v));
    else if (cgroup_freeze(v, freeze, &e) < 0)
        why = mem_fmt("%s: %s", v->name, err_text(&e, line, sizeof line));
    if (why == NULL)
        launch_watch(v, !freeze);
    log_info(freeze ? "server.freeze" : "server.thaw", "server=%s refused=\"%s\"", v->name, why ? why : "");
    if (why) {
        client_done(c, CODE_STATE, why);
        return;
    }
    struct wait *w = mem_new(sizeof *w);
    *w = (struct wait){ .client = c, .server = v, .freeze = freeze, .until = now_ms() + FREEZE_WAIT };
    client_hold(c);
    look(w);
}

static void freeze(struct client *c, struct server *v)
{
    set_frozen(c, v, true);
}

static void thaw(struct client *c, struct server *v)
{
    set_frozen(c, v, false);
}

static const struct { const char *name; void (*run)(struct client *c, struct server *v); } words[] = {
    { "show", show }, { "plan", tool_plan }, { "seccomp", seccomp }, { "freeze", freeze }, { "thaw", thaw },
    { "start", tool_power }, { "stop", tool_power }, { "restart", tool_power }, { "kill", tool_power }, { "lock", tool_lock }, { "unlock", tool_unlock },
};

void tool_server(struct client *c)
{
    struct server *v = server_find(c->super, c->argv[1]);
    if (v == NULL || !v->numbered) {
        client_done(c, CODE_FAILED, "no such server; see 'holdfast status'");
        return;
    }
    struct buf allowed BUF_FREE = BUF(4096);
    for (size_t i = 0; i < countof(words); i++) {
        if (strcmp(words[i].name, c->argv[0]) == 0) {
            if (c->argc > 2 && words[i].run != tool_lock) {
                client_done(c, CODE_USAGE, "too many words");
                return;
            }
            words[i].run(c, v);
            return;
        }
        buf_put_fmt(&allowed, " %s", words[i].name);
    }
    FREE_MEM char *why = mem_fmt("unknown word; allowed:%.*s", (int)buf_size(&allowed), (const char *)buf_head(&allowed));
    client_done(c, CODE_USAGE, why);
}
