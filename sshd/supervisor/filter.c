#include "sshd/supervisor/filter.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/die.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/net.h"
#include "sandbox/proto.h"
#include "sshd/supervisor/child.h"
#include "sshd/supervisor/forward.h"
#include "sshd/supervisor/launch.h"

enum { LEAVE_MS = 10000, STABLE_MS = 60000 };

struct filter {
    pid_t pid;
    struct link *link;
    bool in_force;              /* the last START was answered well, and nothing broke since */
    bool failed;                /* the last try came to nothing: who asks now is refused */
    bool ending;
    char error[400];            /* why it is not in force, "" if it is only not yet */
    uint32_t ids, start_id, end_id;
    unsigned deaths;
    uint64_t started;           /* ms */
    struct timer *respawn, *late;
    struct forward forward;
    filter_left_fn *left;
};

static void spawn(void *data);

/* ---- what is told ---- */

static void put_list(struct msg *m, const struct conf_list *l)
{
    msg_put_u32(m, (uint32_t)l->n);
    for (size_t i = 0; i < l->n; i++)
        msg_put_str(m, l->v[i]);
}

static void put_family(struct msg *m, const struct forward_family *f)
{
    msg_put_u32(m, f->routed);
    msg_put_u32(m, f->ours);
}

static void put_links(const struct server *v, const struct conf_server *c, struct msg *m)
{
    struct server_net net;
    uint32_t n = 0;
    FREE_MEM struct server_net *to = mem_array(c->link.n, sizeof *to);
    for (size_t i = 0; i < c->link.n; i++) {
        const struct server *other = server_find(v->super, c->link.v[i]);
        if (other && server_net(other, &net))
            to[n++] = net;
    }
    msg_put_u32(m, n);
    for (uint32_t i = 0; i < n; i++)
        msg_put_str(m, to[i].interface);
}

static void put_egress(const struct conf_server *c, struct msg *m)
{
    msg_put_u32(m, (uint32_t)c->egress.n);
    for (size_t i = 0; i < c->egress.n; i++) {
        struct egress r;
        char text[NET_TEXT];
        if (egress_parse(c->egress.v[i], &r, NULL) < 0)
            bug("egress of %s: %s", c->name, c->egress.v[i]);
        msg_put_u32(m, r.allow);
        msg_put_str(m, net_text(&r.net, text));
        msg_put_u32(m, r.low);
        msg_put_u32(m, r.high);
        msg_put_u32(m, r.protocol);
    }
}

static void send_set(struct server *v, uint32_t id)
{
    const struct conf_server *c = conf_server(&v->super->conf, v->name);
    struct server_net net;
    struct msg m;
    if (c == NULL || !server_net(v, &net))
        bug("rules of server %s", v->name);
    msg_begin(&m, FILTER_SET, id);
    msg_put_str(&m, v->name);
    msg_put_str(&m, net.interface);
    msg_put_str(&m, net.inside_text);
    msg_put_str(&m, net.inside6);
    msg_put_u32(&m, (uint32_t)c->port.n);
    for (size_t i = 0; i < c->port.n; i++) {
        msg_put_u32(&m, c->port.v[i].port);
        msg_put_u32(&m, c->port.v[i].udp);
    }
    put_links(v, c, &m);
    put_egress(c, &m);
    msg_put_u64(&m, c->net_up);
    msg_put_u64(&m, c->net_down);
    link_send(v->super->filter->link, &m);
}

static void put_control(const struct conf *conf, struct msg *m)
{
    msg_put_u32(m, (uint32_t)conf->listen.address.n);
    for (size_t i = 0; i < conf->listen.address.n; i++)
        msg_put_u32(m, (uint32_t)strtoul(strrchr(conf->listen.address.v[i], ':') + 1, NULL, 10));
}

static bool has_rules(const struct server *v)
{
    struct server_net net;
    return v->filtered && conf_server(&v->super->conf, v->name) && server_net(v, &net);
}

/* Whoever waits for rules has them in this one as well. */
static void send_start(struct super *s)
{
    struct filter *f = s->filter;
    const struct conf *conf = &s->conf;
    uint32_t n = 0;
    struct msg m;
    for (const struct server *v = s->servers; v; v = v->next)
        n += has_rules(v);
    forward_plan(conf, &f->forward);
    f->start_id = ++f->ids;
    msg_begin(&m, FILTER_START, f->start_id);
    msg_put_u32(&m, (uint32_t)conf->log.level);
    msg_put_str(&m, conf->network.table);
    msg_put_str(&m, conf->network.pool);
    msg_put_str(&m, forward_has_ipv6() ? conf->network.pool6 : "");
    put_list(&m, &conf->network.dns);
    put_list(&m, &conf->network.publish);
    put_control(conf, &m);
    put_family(&m, &f->forward.v4);
    put_family(&m, &f->forward.v6);
    msg_put_u32(&m, n);
    link_send(f->link, &m);
    for (struct server *v = s->servers; v; v = v->next)
        if (has_rules(v)) {
            send_set(v, f->start_id);
            if (v->filter_fn)
                v->filter_id = f->start_id;
        }
}

/* ---- what comes back ---- */

static void tell(struct server *v, const char *error)
{
    filter_fn *fn = v->filter_fn;
    v->filter_fn = NULL;
    v->filter_id = 0;
    if (error)
        v->filtered = false;
    if (fn)
        fn(v, error);
}

/* ID 0: all that wait. */
static void tell_all(struct super *s, uint32_t id, const char *error)
{
    for (struct server *v = s->servers; v; v = v->next)
        if (v->filter_fn && (id == 0 || v->filter_id == id))
            tell(v, error);
}

static void broken(struct super *s, const char *error)
{
    struct filter *f = s->filter;
    snprintf(f->error, sizeof f->error, "%s", error);
    f->in_force = false;
    f->failed = true;
    log_error("filter.failed", "error=\"%s\"", f->error);
}

static void started(struct super *s, bool ok, struct err *e)
{
    struct filter *f = s->filter;
    char line[400];
    /* Only now: before there was a filter a machine that forwards would have forwarded for everybody. */
    if (ok && !f->ending && forward_on(&s->conf, &f->forward, e) < 0)
        ok = err_wrap(e, "forwarding") == 0;
    f->start_id = 0;
    if (!ok) {
        broken(s, err_text(e, line, sizeof line));
        tell_all(s, 0, f->error);
        kill(f->pid, SIGKILL);
        return;
    }
    if (f->deaths || f->failed)
        log_info("filter.rebuilt", "table=%s", s->conf.network.table);
    f->in_force = true;
    f->failed = false;
    f->error[0] = '\0';
}

static void finish_leave(struct super *s, const char *error)
{
    struct filter *f = s->filter;
    filter_left_fn *fn = f->left;
    timer_free(f->late);
    f->late = NULL;
    f->left = NULL;
    if (fn)
        fn(s, error);
}

static void take_done(struct super *s, struct msg *m)
{
    struct filter *f = s->filter;
    struct err e;
    char line[400];
    uint32_t id = m->id;
    bool ok = launch_answer(m, &e), start = id == f->start_id;
    if (!msg_end(m))
        return;
    if (start)
        started(s, ok, &e);
    err_text(&e, line, sizeof line);
    if (id == f->end_id) {
        finish_leave(s, ok ? "" : line);
        return;
    }
    if (!ok && !start)
        log_error("filter.refused", "error=\"%s\"", line);
    if (!start || f->in_force)
        tell_all(s, id, ok ? NULL : line);
}

static void take_mended(struct super *s, struct msg *m)
{
    struct err e;
    char line[400];
    bool ok = launch_answer(m, &e);
    FREE_MEM char *by = msg_get_str(m);
    if (!msg_end(m))
        return;
    if (ok) {
        log_warn("filter.mended", "table=%s changed_by=\"%s\"", s->conf.network.table, esc_text(by));
        s->filter->in_force = true;
        s->filter->failed = false;
        s->filter->error[0] = '\0';
    } else
        broken(s, err_text(&e, line, sizeof line));
}

static const struct { uint16_t type; void (*take)(struct super *s, struct msg *m); } table[] = {
    { FILTER_DONE, take_done }, { FILTER_MENDED, take_mended },
};

static void on_msg(void *data, struct link *l UNUSED, struct msg *m)
{
    for (size_t i = 0; i < countof(table); i++)
        if (table[i].type == m->type) {
            table[i].take(data, m);
            return;
        }
    log_warn("filter.message", "type=%u", m->type);
}

/* It cannot be used any more, whatever it still does; its end does the rest. */
static void on_gone(void *data, struct link *l)
{
    struct super *s = data;
    link_free(l);
    s->filter->link = NULL;
    if (s->filter->pid > 0)
        kill(s->filter->pid, SIGKILL);
}

static const struct link_events events = { .msg = on_msg, .gone = on_gone, .client = true, .queue = 65536 };

static void on_end(void *data, pid_t pid UNUSED, int status)
{
    struct super *s = data;
    struct filter *f = s->filter;
    bool was_in_force = f->in_force;
    f->pid = 0;
    link_free(f->link);
    f->link = NULL;
    f->start_id = 0;
    f->in_force = false;
    if (f->left)
        finish_leave(s, "holdfast-filter died");
    if (f->ending)
        return;
    if (now_ms() - f->started > STABLE_MS)
        f->deaths = 0;
    uint64_t ms = f->deaths < 8 ? 100u << f->deaths : 30000;
    f->deaths++;
    log_error("filter.died", "end=\"%s\" rules=\"stay in force\" restart_ms=%llu", status_text(status), (unsigned long long)ms);
    /* It worked until now: who waits may wait for the next. */
    if (!was_in_force) {
        if (!f->failed)
            snprintf(f->error, sizeof f->error, "holdfast-filter ended with %s", status_text(status));
        f->failed = true;
        tell_all(s, 0, f->error);
    }
    f->respawn = loop_timer(s->loop, ms, spawn, s);
}

/* ---- starting ---- */

static int try_spawn(struct super *s, struct err *e)
{
    struct filter *f = s->filter;
    int pair[2];
    if (io_pair(pair) < 0)
        return err_set(e, errno, "socketpair", "%s", "");
    CLOSE_FD int ours = pair[0], theirs = pair[1];
    pid_t pid = child_start(s, ROLE_FILTER, s->conf.ids.filter, theirs, on_end, s, e);
    if (pid < 0)
        return -1;
    f->pid = pid;
    f->started = now_ms();
    f->link = link_new(s->loop, fd_steal(&ours), &events, s);
    send_start(s);
    return 0;
}

static void spawn(void *data)
{
    struct super *s = data;
    struct filter *f = s->filter;
    struct err e;
    char line[400];
    f->respawn = NULL;
    if (f->ending || try_spawn(s, &e) == 0)
        return;
    broken(s, err_text(&e, line, sizeof line));
    tell_all(s, 0, f->error);
    f->respawn = loop_timer(s->loop, 30000, spawn, s);
}

static char *marker(const struct super *s)
{
    return mem_fmt("%s/filter", s->conf.paths.run);
}

/* Also when only a table of an earlier daemon's is left. */
static bool needed(const struct super *s)
{
    FREE_MEM char *path = marker(s);
    for (size_t i = 0; i < s->conf.nservers; i++)
        if (s->conf.servers[i].network == NETWORK_PRIVATE)
            return true;
    return access(path, F_OK) == 0;
}

static void start(struct super *s)
{
    FREE_MEM char *path = marker(s);
    struct err e;
    char line[400];
    if (io_write_file(path, 0600, "\n", 1, &e) < 0)
        log_error("filter.marker", "error=\"%s\"", err_text(&e, line, sizeof line));
    s->filter = mem_new(sizeof *s->filter);
    spawn(s);
}

void filter_begin(struct super *s)
{
    for (struct server *v = s->servers; v; v = v->next) {
        const struct conf_server *c = conf_server(&s->conf, v->name);
        v->filtered = c && c->network == NETWORK_PRIVATE && server_alive(v);
    }
    if (needed(s))
        start(s);
}

void filter_apply(struct super *s)
{
    struct filter *f = s->filter;
    if (f == NULL) {
        if (s->begun && needed(s))
            start(s);
        return;
    }
    struct forward next;
    if (f->ending)
        return;
    forward_plan(&s->conf, &next);
    if (!next.v4.ours && !next.v6.ours)
        forward_off(&s->conf);
    if (f->link)
        send_start(s);
}

void filter_set(struct server *v, filter_fn *fn)
{
    struct filter *f = v->super->filter;
    if (f == NULL || f->failed || f->ending) {
        FREE_MEM char *why = mem_fmt("packet filter: %s", f && f->error[0] ? f->error : "is not running");
        fn(v, why);
        return;
    }
    v->filter_fn = fn;
    v->filtered = true;
    v->filter_id = 0;
    if (f->link) {
        v->filter_id = ++f->ids;
        send_set(v, v->filter_id);
    }
}

void filter_drop(struct server *v)
{
    struct filter *f = v->super->filter;
    struct msg m;
    if (!v->filtered)
        return;
    v->filtered = false;
    v->filter_fn = NULL;
    if (f == NULL || f->link == NULL)
        return;
    msg_begin(&m, FILTER_DROP, ++f->ids);
    msg_put_str(&m, v->name);
    link_send(f->link, &m);
}

/* ---- the end ---- */

static void on_late(void *data)
{
    struct super *s = data;
    s->filter->late = NULL;
    finish_leave(s, "holdfast-filter does not answer");
}

void filter_leave(struct super *s, filter_left_fn *fn)
{
    struct filter *f = s->filter;
    FREE_MEM char *path = marker(s);
    struct err e;
    struct msg m;
    /* While the table is there: what it drops nobody forwards in between. */
    forward_off(&s->conf);
    if (f == NULL) {
        fn(s, "");
        return;
    }
    f->ending = true;
    timer_free(f->respawn);
    f->respawn = NULL;
    if (f->link == NULL && try_spawn(s, &e) < 0) {
        fn(s, "packet filter: holdfast-filter does not start, its table stays");
        return;
    }
    unlink(path);
    f->left = fn;
    f->end_id = ++f->ids;
    msg_begin(&m, FILTER_END, f->end_id);
    link_send(f->link, &m);
    f->late = loop_timer(s->loop, LEAVE_MS, on_late, s);
}

static const char *forward_words(const struct forward_family *f)
{
    return !f->routed ? "off: servers reach nothing outside, and are reached from this machine only"
           : f->ours  ? "on, switched on for servers alone" : "on";
}

void filter_status(struct super *s, struct buf *out)
{
    const struct filter *f = s->filter;
    if (f == NULL)
        return;
    buf_put_fmt(out, "network: %s%s\n", f->in_force ? "filtered" : "servers are not started: ",
                f->in_force ? "" : f->error[0] ? f->error : "the packet filter is starting");
    buf_put_fmt(out, "forwarding: IPv4 %s; IPv6 %s\n", forward_words(&f->forward.v4),
                s->conf.network.pool6[0] ? forward_words(&f->forward.v6) : "not used");
}
