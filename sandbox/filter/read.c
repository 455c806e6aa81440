#include "sandbox/filter/read.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/name.h"

enum { LIST_MOST = MSG_MOST / 5 };   /* more than fits a message */

/* Of letters and digits alone, so that it needs no quoting and can be part of a chain's name; begins as the rules expect (MAYBE_IN). */
static int get_interface(struct msg *m, char *to, struct err *e)
{
    FREE_MEM char *name = msg_get_str(m);
    size_t n = strlen(name);
    if (strncmp(name, "hf", 2) != 0 || n >= INTERFACE_MOST || strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789") != n)
        return err_set(e, EINVAL, "interface", "%s", esc(name));
    memcpy(to, name, n + 1);
    return 0;
}

static int get_table(struct msg *m, char *to, struct err *e)
{
    FREE_MEM char *name = msg_get_str(m);
    if (strncmp(name, "holdfast", 8) != 0 || !name_ok(name) || strlen(name) > TABLE_MOST)
        return err_set(e, EINVAL, "table", "%s", esc(name));
    memcpy(to, name, strlen(name) + 1);
    return 0;
}

enum kind { HOST4, HOST6, HOST, POOL4, POOL6, ANY };

static bool is(const struct net *n, enum kind kind)
{
    switch (kind) {
    case HOST4: return !n->six && net_whole(n);
    case HOST6: return n->six && net_whole(n);
    case HOST: return net_whole(n);
    case POOL4: return !n->six && n->bits > 0;
    case POOL6: return n->six && n->bits > 0;
    default: return true;
    }
}

static int get_net(struct msg *m, enum kind kind, bool may_lack, struct net *n, struct err *e)
{
    FREE_MEM char *text = msg_get_str(m);
    *n = (struct net){ 0 };
    if (may_lack && text[0] == '\0')
        return 0;
    if (net_parse(text, n, e) < 0 || !is(n, kind))
        return err_set(e, EINVAL, "address", "%s", esc(text));
    return 0;
}

static int get_count(struct msg *m, const char *what, uint32_t *n, struct err *e)
{
    *n = msg_get_u32(m);
    return *n > LIST_MOST ? err_set(e, E2BIG, what, "%u", *n) : 0;
}

static int get_hosts(struct msg *m, const char *what, struct net **list, uint32_t *n, struct err *e)
{
    if (get_count(m, what, n, e) < 0)
        return -1;
    *list = mem_array(*n, sizeof **list);
    for (uint32_t i = 0; i < *n; i++)
        if (get_net(m, HOST, false, &(*list)[i], e) < 0)
            return -1;
    return 0;
}

static int get_port(struct msg *m, bool may_lack, uint16_t *port, struct err *e)
{
    uint32_t v = msg_get_u32(m);
    *port = (uint16_t)v;
    return v > 65535 || (v == 0 && !may_lack) ? err_set(e, EINVAL, "port", "%u", v) : 0;
}

static struct rules_family get_family(struct msg *m)
{
    bool routed = msg_get_u32(m) != 0, ours = msg_get_u32(m) != 0;
    return (struct rules_family){ .routed = routed, .ours = ours };
}

int read_settings(struct msg *m, struct settings *s, struct start *start, struct err *e)
{
    start->level = msg_get_u32(m);
    if (get_table(m, s->table, e) < 0 || get_net(m, POOL4, false, &s->pool[0], e) < 0 || get_net(m, POOL6, true, &s->pool[1], e) < 0 ||
        get_hosts(m, "resolvers", &s->dns, &s->ndns, e) < 0 || get_hosts(m, "publish", &s->publish, &s->npublish, e) < 0 ||
        get_count(m, "control ports", &s->ncontrol, e) < 0)
        return -1;
    s->control = mem_array(s->ncontrol, sizeof *s->control);
    for (uint32_t i = 0; i < s->ncontrol; i++)
        if (get_port(m, false, &s->control[i], e) < 0)
            return -1;
    s->family[0] = get_family(m);
    s->family[1] = get_family(m);
    start->servers = msg_get_u32(m);
    msg_end(m);
    return 0;
}

void settings_free(struct settings *s)
{
    free(s->dns);
    free(s->publish);
    free(s->control);
    *s = (struct settings){ 0 };
}

static int get_ports(struct msg *m, struct server *v, struct err *e)
{
    if (get_count(m, "ports", &v->nports, e) < 0)
        return -1;
    v->ports = mem_array(v->nports, sizeof *v->ports);
    for (uint32_t i = 0; i < v->nports; i++) {
        if (get_port(m, false, &v->ports[i].port, e) < 0)
            return -1;
        v->ports[i].udp = msg_get_u32(m) != 0;
        for (uint32_t j = 0; j < i; j++)
            if (v->ports[j].port == v->ports[i].port && v->ports[j].udp == v->ports[i].udp)
                return err_set(e, EEXIST, "port", "%u", v->ports[i].port);
    }
    return 0;
}

static int get_links(struct msg *m, struct server *v, struct err *e)
{
    if (get_count(m, "links", &v->nlinks, e) < 0)
        return -1;
    v->links = mem_array(v->nlinks, sizeof *v->links);
    for (uint32_t i = 0; i < v->nlinks; i++) {
        if (get_interface(m, v->links[i], e) < 0)
            return -1;
        for (uint32_t j = 0; j < i; j++)
            if (strcmp(v->links[i], v->links[j]) == 0)
                return err_set(e, EEXIST, "link", "%s", v->links[i]);
    }
    return 0;
}

static int get_egress(struct msg *m, struct server *v, struct err *e)
{
    if (get_count(m, "egress", &v->negress, e) < 0)
        return -1;
    v->egress = mem_array(v->negress, sizeof *v->egress);
    for (uint32_t i = 0; i < v->negress; i++) {
        struct egress *r = &v->egress[i];
        r->allow = msg_get_u32(m) != 0;
        if (get_net(m, ANY, false, &r->net, e) < 0 || get_port(m, true, &r->low, e) < 0 || get_port(m, true, &r->high, e) < 0)
            return -1;
        uint32_t protocol = msg_get_u32(m);
        r->protocol = (uint8_t)protocol;
        if ((protocol && protocol != IPPROTO_TCP && protocol != IPPROTO_UDP) || r->low > r->high || (r->low == 0 && r->high))
            return err_set(e, EINVAL, "egress", "protocol %u, ports %u to %u", protocol, r->low, r->high);
    }
    return 0;
}

static int get_server(struct msg *m, struct server *v, struct err *e)
{
    if (!name_ok(v->name))
        return err_set(e, EINVAL, "server", "%s", esc(v->name));
    if (get_interface(m, v->interface, e) < 0 || get_net(m, HOST4, false, &v->inside[0], e) < 0 ||
        get_net(m, HOST6, true, &v->inside[1], e) < 0 || get_ports(m, v, e) < 0 || get_links(m, v, e) < 0 || get_egress(m, v, e) < 0)
        return -1;
    v->up = msg_get_u64(m);
    v->down = msg_get_u64(m);
    msg_end(m);
    return 0;
}

struct server *read_server(struct msg *m, struct err *e)
{
    struct server *v = mem_new(sizeof *v);
    v->name = msg_get_str(m);
    if (get_server(m, v, e) == 0)
        return v;
    server_free(v);
    return NULL;
}

void server_free(struct server *v)
{
    if (v == NULL)
        return;
    free(v->name);
    free(v->ports);
    free(v->links);
    free(v->egress);
    free(v);
}
