#include "sandbox/launch/plan.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/name.h"
#include "sandbox/proto.h"

/* More than fits a message, so that a count cannot ask for much memory before its strings are found missing. */
enum { LIST_MOST = MSG_MOST / 5 };

static int get_list(struct plan_list *l, struct msg *m, const char *name, struct err *e)
{
    l->n = msg_get_u32(m);
    if (l->n > LIST_MOST)
        return err_set(e, E2BIG, "plan", "%u %s", l->n, name);
    l->each = mem_array(l->n + 1, sizeof l->each[0]);
    for (uint32_t i = 0; i < l->n; i++)
        l->each[i] = msg_get_str(m);
    return 0;
}

static int get_ports(struct plan *p, struct msg *m, struct err *e)
{
    p->nports = msg_get_u32(m);
    if (p->nports > LIST_MOST)
        return err_set(e, E2BIG, "plan", "%u ports", p->nports);
    p->ports = mem_array(p->nports, sizeof p->ports[0]);
    for (uint32_t i = 0; i < p->nports; i++) {
        p->ports[i].port = msg_get_u32(m);
        p->ports[i].udp = msg_get_u32(m) != 0;
    }
    return 0;
}

static int get_what_runs(struct plan *p, struct msg *m, struct err *e)
{
    p->server = msg_get_str(m);
    p->base = msg_get_u32(m);
    p->shim_uid = msg_get_u32(m);
    p->log_level = msg_get_u32(m);
    if (get_list(&p->argv, m, "arguments", e) < 0)
        return -1;
    p->directory = msg_get_str(m);
    if (get_list(&p->env, m, "variables", e) < 0)
        return -1;
    p->tty = msg_get_u32(m) != 0;
    p->tmp = msg_get_u64(m);
    p->memory = msg_get_u64(m);
    p->nofile = msg_get_u32(m);
    p->pids = msg_get_u32(m);
    p->profile = msg_get_u32(m);
    p->has_filter = msg_get_u32(m) != 0;
    return 0;
}

static int get_network(struct plan *p, struct msg *m, struct err *e)
{
    p->network = msg_get_u32(m);
    p->host = msg_get_u32(m);
    p->inside = msg_get_u32(m);
    p->host6 = msg_get_str(m);
    p->inside6 = msg_get_str(m);
    p->interface = msg_get_str(m);
    if (get_ports(p, m, e) < 0)
        return -1;
    return get_list(&p->dns, m, "resolvers", e);
}

static int get_fields(struct plan *p, struct msg *m, struct err *e)
{
    if (get_what_runs(p, m, e) < 0 || get_network(p, m, e) < 0)
        return -1;
    p->has_image = msg_get_u32(m) != 0;
    p->init = msg_get_str(m);
    p->shim = msg_get_str(m);
    p->ready_kind = msg_get_u32(m);
    p->ready_number = msg_get_u32(m);
    p->ready_text = msg_get_str(m);
    p->notify = msg_get_u32(m) != 0;
    p->watchdog = msg_get_u64(m);
    p->has_cgroup = msg_get_u32(m) != 0;
    if (p->errand) {
        p->read_only = msg_get_u32(m) == 0;
        p->wall = msg_get_u32(m);
    }
    if (p->shell) {
        p->columns = msg_get_u32(m);
        p->rows = msg_get_u32(m);
    }
    return 0;
}

static void get_fds(struct plan *p, struct msg *m)
{
    p->root = msg_get_fd(m);
    if (p->errand) {
        for (size_t i = 0; i < countof(p->stdio) && !p->tty; i++)
            p->stdio[i] = msg_get_fd(m);
    } else {
        p->logs = msg_get_fd(m);
        p->listener = msg_get_fd(m);
    }
    p->image = p->has_image ? msg_get_fd(m) : -1;
    p->cgroup = p->has_cgroup ? msg_get_fd(m) : -1;
    p->filter = p->has_filter ? msg_get_fd(m) : -1;
}

static int check_ipv6(const struct plan *p)
{
    struct in6_addr host, inside;
    if (p->host6[0] == '\0' && p->inside6[0] == '\0')
        return 0;
    if (inet_pton(AF_INET6, p->host6, &host) != 1 || inet_pton(AF_INET6, p->inside6, &inside) != 1)
        return -1;
    return memcmp(&host, &inside, 15) == 0 && host.s6_addr[15] >> 2 == inside.s6_addr[15] >> 2 && host.s6_addr[15] != inside.s6_addr[15] ? 0 : -1;
}

static int check_network(const struct plan *p, struct err *e)
{
    if (p->network != NETWORK_PRIVATE && p->network != NETWORK_NONE)
        return err_set(e, EINVAL, "plan", "network %d", (int)p->network);
    size_t n = strlen(p->interface);
    if (p->network == NETWORK_PRIVATE && (n == 0 || n >= IFNAMSIZ || !name_ok(p->interface)))
        return err_set(e, EINVAL, "plan", "interface %s", esc(p->interface));
    if (p->network == NETWORK_PRIVATE && (p->host == p->inside || p->host >> 2 != p->inside >> 2))
        return err_set(e, EINVAL, "plan", "the two addresses are not of one /30");
    if (check_ipv6(p) < 0)
        return err_set(e, EINVAL, "plan", "the two IPv6 addresses, %s and %s, are not of one /126", esc(p->host6), esc(p->inside6));
    for (uint32_t i = 0; i < p->nports; i++)
        if (p->ports[i].port == 0 || p->ports[i].port > 65535)
            return err_set(e, EINVAL, "plan", "port %u", p->ports[i].port);
    struct in6_addr any;
    for (uint32_t i = 0; i < p->dns.n; i++)
        if (inet_pton(AF_INET, p->dns.each[i], &any) != 1 && inet_pton(AF_INET6, p->dns.each[i], &any) != 1)
            return err_set(e, EINVAL, "plan", "resolver %s", esc(p->dns.each[i]));
    return 0;
}

static int check(const struct plan *p, struct err *e)
{
    if (!name_ok(p->server))
        return err_set(e, EINVAL, "plan", "server %s", esc(p->server));
    /* The first 65536 are the host's own: root must never be inside. */
    if (p->base < PLAN_UIDS || p->base > UINT32_MAX - 2 * PLAN_UIDS)
        return err_set(e, EINVAL, "plan", "uid base %u", p->base);
    if (p->shim_uid == 0 || (p->shim_uid >= p->base && p->shim_uid - p->base < PLAN_UIDS))
        return err_set(e, EINVAL, "plan", "shim uid %u", p->shim_uid);
    if (p->argv.n == 0 || (p->argv.each[0][0] == '\0' && !p->shell))
        return err_set(e, EINVAL, "plan", "no command");
    if (p->directory[0] != '/' || p->init[0] != '/' || p->shim[0] != '/')
        return err_set(e, EINVAL, "plan", "a path is not absolute");
    if (p->errand && (p->network != NETWORK_NONE || p->notify))
        return err_set(e, EINVAL, "plan", "an errand has neither network nor notify socket");
    if (p->errand && !p->shell && (p->tty || p->has_image))
        return err_set(e, EINVAL, "plan", "an errand has neither terminal nor image, unless it is a shell");
    if (p->columns > UINT16_MAX || p->rows > UINT16_MAX)
        return err_set(e, EINVAL, "plan", "a terminal of %u columns, %u rows", p->columns, p->rows);
    if (p->errand && p->wall == 0)
        return err_set(e, EINVAL, "plan", "an errand without an end");
    if (p->nofile < 16 || p->pids == 0 || p->tmp == 0)
        return err_set(e, EINVAL, "plan", "nofile %u, pids %u, tmp %llu", p->nofile, p->pids, (unsigned long long)p->tmp);
    if (p->profile >= PROFILE_COUNT)
        return err_set(e, EINVAL, "plan", "profile %u", p->profile);
    return check_network(p, e);
}

int plan_read(struct plan *p, struct msg *m, bool fds, struct err *e)
{
    *p = (struct plan){ .root = -1, .logs = -1, .listener = -1, .image = -1, .cgroup = -1, .filter = -1, .stdio = { -1, -1, -1 } };
    p->shell = m->type == LAUNCH_SHELL;
    p->errand = p->shell || m->type == LAUNCH_ERRAND;
    if (get_fields(p, m, e) < 0)
        return -1;
    if (fds)
        get_fds(p, m);
    while (!fds && msg_has_fd(m))
        close(msg_get_fd(m));
    msg_end(m);
    if (check(p, e) < 0)
        return -1;
    snprintf(p->home, sizeof p->home, "home/%s", p->errand && !p->shell ? p->server : "server");
    return 0;
}

static void free_list(struct plan_list *l)
{
    for (uint32_t i = 0; l->each && i < l->n; i++)
        free(l->each[i]);
    free(l->each);
}

void plan_free(struct plan *p)
{
    struct plan_list *lists[] = { &p->argv, &p->env, &p->dns };
    char *texts[] = { p->server, p->directory, p->interface, p->host6, p->inside6, p->init, p->shim, p->ready_text };
    for (size_t i = 0; i < countof(lists); i++)
        free_list(lists[i]);
    for (size_t i = 0; i < countof(texts); i++)
        free(texts[i]);
    free(p->ports);
    *p = (struct plan){ 0 };
}
