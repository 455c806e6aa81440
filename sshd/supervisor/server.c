#include "sshd/supervisor/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/die.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/net.h"
#include "sandbox/proto.h"
#include "sshd/supervisor/cgroup.h"
#include "sshd/supervisor/disk.h"
#include "sshd/supervisor/forward.h"
#include "sshd/supervisor/adopt.h"
#include "sshd/supervisor/launch.h"
#include "sshd/supervisor/news.h"
#include "sshd/supervisor/usage.h"
#include "sshd/supervisor/turn.h"
#include "sshd/supervisor/wait.h"

/* From the first of its ids: as sandbox/launch/plan.h has them. */
enum { INSIDE_UID = 1000, OWNER_UID = CONF_RANGE - 1 };
const char *server_word(const struct server *v)
{
    bool could = v->launched && (v->state == STATE_STARTING || v->state == STATE_RUNNING);
    if (could && cgroup_frozen(v))
        return "frozen";
    return state_word(v->state == STATE_RUNNING && v->life.says_stopping ? STATE_STOPPING : v->state);
}

bool server_alive(const struct server *v)
{
    return v->state == STATE_STARTING || v->state == STATE_RUNNING || v->state == STATE_STOPPING;
}

struct server *server_find(struct super *s, const char *name)
{
    for (struct server *v = s->servers; v; v = v->next)
        if (strcmp(v->name, name) == 0)
            return v;
    return NULL;
}

uid_t server_uid_base(const struct server *v)
{
    return v->super->conf.ids.servers + v->number * CONF_RANGE;
}

uid_t server_uid(const struct server *v)
{
    return server_uid_base(v) + INSIDE_UID;
}

uid_t server_owner_uid(const struct server *v)
{
    return server_uid_base(v) + OWNER_UID;
}

static const struct conf_server *conf_of(const struct server *v)
{
    return conf_server(&v->super->conf, v->name);
}

void server_set(struct server *v, enum state state)
{
    if (v->state == state)
        return;
    v->state = state;
    v->since = wall_ms();
    char why[sizeof v->reason];
    server_reason(v, why, sizeof why);
    log_info("server.state", "server=%s state=%s reason=\"%s\"", v->name, state_word(state), esc_text(why));
    news_put(v->super, state_word(state), v->name, "", "%s", why);
    wait_check(v);
    server_tidy(v);
}

/* ---- the list ---- */

void server_number(struct super *s, const char *name, uint32_t number)
{
    if (!name_ok(name) || number >= conf_ranges(&s->conf))
        die("the store broke a rule: server %s number %u", esc(name), number);
    struct server *v = server_find(s, name);
    if (v == NULL) {
        v = mem_new(sizeof *v);
        v->super = s;
        v->gate_fd = v->usage_fd = v->life.pidfd = v->life.shim_pidfd = -1;
        v->since = wall_ms();
        snprintf(v->name, sizeof v->name, "%s", name);
        struct server **at = &s->servers;
        while (*at && strcmp((*at)->name, name) < 0)
            at = &(*at)->next;
        v->next = *at;
        *at = v;
    }
    if (v->numbered && v->number != number)
        die("the store broke a rule: server %s changed its number", name);
    v->number = number;
    v->numbered = true;
}

const char *servers_refuse(struct super *s, const struct conf *conf, char *buf, size_t size)
{
    buf[0] = '\0';
    for (struct server *v = s->servers; v; v = v->next)
        if (server_alive(v) && conf_server(conf, v->name) == NULL)
            snprintf(buf, size, "server %s is %s and cannot be removed: stop it first", v->name, state_word(v->state));
    return buf;
}

void server_tidy(struct server *v)
{
    if (conf_of(v) == NULL && v->disk == DISK_UP && v->workers == 0 && !v->backing_up && !server_alive(v))
        disk_down(v, NULL, NULL);
}

/* A server that is named no more stays in the list, as orders, workers and jobs may still point at it; without a configuration nobody can
   ask for it, and its disk goes as soon as nothing uses it. */
void servers_apply(struct super *s, struct buf *told)
{
    cgroup_share(s);
    for (struct server *v = s->servers; v; v = v->next) {
        const struct conf_server *c = conf_of(v);
        if (c && server_alive(v))
            cgroup_limits(v, c, told);
        if (c)
            disk_apply(v, told);
        if (c == NULL && v->state == STATE_BACKOFF)
            server_force(v, EVENT_STOP, "the daemon, as it is no longer configured");
        /* Started after the reload was found to be possible: nobody could stop it any more. */
        if (c == NULL && server_alive(v))
            server_force(v, EVENT_KILL, "the daemon, as it is no longer configured");
        server_tidy(v);
    }
}

void servers_begin(struct super *s)
{
    servers_apply(s, NULL);
    /* A store that was started anew changes nothing about servers: what somebody stopped stays so. */
    if (s->begun)
        return;
    s->begun = true;
    adopt_all(s);
    for (struct server *v = s->servers; v; v = v->next) {
        if (conf_of(v))
            disk_need(v, NULL, NULL);
        if (life_wanted(v) && v->state == STATE_OFFLINE && !s->leaving)
            turn_take(v);
    }
}

/* ---- what is told ---- */

bool server_net(const struct server *v, struct server_net *n)
{
    const struct conf *conf = &v->super->conf;
    struct net six = { 0 };
    uint32_t base, count;
    if (launch_pool(conf, &base, &count) < 0 || v->number >= count)
        return false;
    *n = (struct server_net){ .host = base + v->number * 4 + 1, .inside = base + v->number * 4 + 2 };
    snprintf(n->inside_text, sizeof n->inside_text, "%u.%u.%u.%u", n->inside >> 24, n->inside >> 16 & 255, n->inside >> 8 & 255, n->inside & 255);
    /* Its own address names the interface: unique on the machine whatever other installations run beside us. */
    snprintf(n->interface, sizeof n->interface, "hf%08x", n->inside);
    if (conf->network.pool6[0] == '\0' || !forward_has_ipv6() || net_parse(conf->network.pool6, &six, NULL) < 0)
        return true;
    net_address6(&six, v->number * 4ULL + 1, n->host6);
    net_address6(&six, v->number * 4ULL + 2, n->inside6);
    return n->inside6[0] != '\0';
}

static bool has_net(const struct server *v, struct server_net *n)
{
    const struct conf_server *c = conf_of(v);
    return c && c->network == NETWORK_PRIVATE && server_net(v, n);
}

uint32_t server_host_address(const struct server *v)
{
    struct server_net n;
    return has_net(v, &n) ? n.host : 0;
}

uint32_t server_inside_address(const struct server *v)
{
    struct server_net n;
    return has_net(v, &n) ? n.inside : 0;
}

void server_inside6_address(const struct server *v, char text[INET6_ADDRSTRLEN])
{
    struct server_net n;
    snprintf(text, INET6_ADDRSTRLEN, "%s", has_net(v, &n) ? n.inside6 : "");
}

static void put_address(const struct server *v, struct msg *m)
{
    struct server_net n;
    bool has = has_net(v, &n);
    msg_put_str(m, has ? n.inside_text : "");
    msg_put_str(m, has ? n.inside6 : "");
}

static void put_traffic(const struct server *v, struct msg *m)
{
    uint64_t read = 0, written = 0, received = 0, sent = 0;
    if (server_alive(v)) {
        usage_value(v, "io_read", &read);
        usage_value(v, "io_written", &written);
        usage_net(v, &received, &sent);
    }
    msg_put_u64(m, read);
    msg_put_u64(m, written);
    msg_put_u64(m, received);
    msg_put_u64(m, sent);
}

void server_put_status(struct server *v, struct msg *m)
{
    const struct conf_server *c = conf_of(v);
    struct cgroup_use use = { 0 };
    char why[sizeof v->reason];
    if (server_alive(v))
        cgroup_read(v, &use);
    msg_put_str(m, v->name);
    msg_put_str(m, server_word(v));
    msg_put_u64(m, (uint64_t)v->since);
    msg_put_u32(m, (uint32_t)v->pid);
    msg_put_u32(m, v->ready && server_alive(v));
    msg_put_u32(m, v->has_exit);
    msg_put_u32(m, v->code);
    msg_put_u32(m, v->signal);
    msg_put_str(m, server_reason(v, why, sizeof why));
    msg_put_str(m, server_alive(v) ? v->life.status : "");
    msg_put_u32(m, v->restarts);
    msg_put_u64(m, use.cpu_ms);
    msg_put_u64(m, use.memory);
    msg_put_u64(m, use.memory_peak);
    msg_put_u32(m, use.pids);
    uint64_t inodes;
    msg_put_u64(m, server_disk_used(v, &inodes));
    msg_put_u64(m, v->disk_limit ? v->disk_limit : c ? c->disk : 0);
    msg_put_u32(m, v->full);
    put_address(v, m);
    msg_put_str(m, v->super->limits_missing[0] ? "missing" : "enforced");
    char note[600];
    msg_put_str(m, disk_backend(v));
    msg_put_str(m, disk_note(v, note, sizeof note));
    size_t nports = c ? c->port.n : 0;
    msg_put_u32(m, (uint32_t)nports);
    for (size_t i = 0; i < nports; i++) {
        msg_put_u32(m, c->port.v[i].port);
        msg_put_u32(m, c->port.v[i].udp);
    }
    put_traffic(v, m);
}
