#include "sshd/supervisor/tool_server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "sshd/supervisor/cgroup.h"
#include "sshd/supervisor/policy.h"
#include "sshd/supervisor/server.h"
#include "sshd/supervisor/store.h"
#include "sshd/supervisor/tool_client.h"
#include "sshd/supervisor/tool_plan.h"
#include "sshd/supervisor/usage.h"

enum { FREEZE_TICK = 10, FREEZE_WAIT = 5000 };

static void put_address(struct buf *b, const char *key, uint32_t a, bool json)
{
    if (a)
        buf_put_fmt(b, json ? ",\"%s\":\"%u.%u.%u.%u\"" : "%s %u.%u.%u.%u\n", key, a >> 24, a >> 16 & 255, a >> 8 & 255, a & 255);
}

/* What a path or a reason may hold. */
static void put_string(struct buf *b, const char *key, const char *text)
{
    buf_put_fmt(b, ",\"%s\":\"", key);
    for (; *text; text++)
        if (*text == '"' || *text == '\\' || (unsigned char)*text < ' ')
            buf_put_fmt(b, "\\u%04x", (unsigned char)*text);
        else
            buf_put_u8(b, (uint8_t)*text);
    buf_put_fmt(b, "\"");
}

static void show_json(const struct server *v, struct buf *b)
{
    const struct super *s = v->super;
    char six[INET6_ADDRSTRLEN];
    FREE_MEM char *files = mem_fmt("%s/servers/%s", s->conf.paths.state, v->name);
    FREE_MEM char *group = s->cgroup ? mem_fmt("%s/%s", s->cgroup, v->name) : NULL;
    buf_put_fmt(b, "{\"server\":\"%s\",\"state\":\"%s\",\"pid\":%d", v->name, server_word(v), (int)v->pid);
    put_string(b, "reason", v->reason);
    buf_put_fmt(b, ",\"uids_first\":%u,\"uids_last\":%u", server_uid_base(v), server_uid_base(v) + 65535);
    put_address(b, "address", server_inside_address(v), true);
    put_address(b, "gateway", server_host_address(v), true);
    server_inside6_address(v, six);
    if (six[0])
        put_string(b, "address6", six);
    if (group)
        put_string(b, "cgroup", group);
    put_string(b, "files", files);
    usage_put(v, true, b);
    buf_put_fmt(b, "}\n");
}

static void show_text(const struct server *v, struct buf *b)
{
    char six[INET6_ADDRSTRLEN];
    buf_put_fmt(b, "server %s\nstate %s\n", v->name, server_word(v));
    if (v->pid)
        buf_put_fmt(b, "pid %d\n", (int)v->pid);
    if (v->reason[0])
        buf_put_fmt(b, "reason %s\n", v->reason);
    buf_put_fmt(b, "uids %u to %u\n", server_uid_base(v), server_uid_base(v) + 65535);
    put_address(b, "address", server_inside_address(v), false);
    put_address(b, "gateway", server_host_address(v), false);
    server_inside6_address(v, six);
    if (six[0])
        buf_put_fmt(b, "address6 %s\n", six);
    if (v->super->cgroup)
        buf_put_fmt(b, "cgroup %s/%s\n", v->super->cgroup, v->name);
    buf_put_fmt(b, "files %s/servers/%s\n", v->super->conf.paths.state, v->name);
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
            words[i].run(c, v);
            return;
        }
        buf_put_fmt(&allowed, " %s", words[i].name);
    }
    FREE_MEM char *why = mem_fmt("unknown word; allowed:%.*s", (int)buf_size(&allowed), (const char *)buf_head(&allowed));
    client_done(c, CODE_USAGE, why);
}
