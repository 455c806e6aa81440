#include "sandbox/filter/rules.h"

#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/attr.h"
#include "base/die.h"

enum { BURST_LEAST = 256 * 1024, BURST_MOST = 64 * 1024 * 1024 };   /* at least a few of the bundles of 64 KiB that a veth carries whole */
enum { FLOWS_MOST = 16384 };   /* of one server, at once: the kernel's table of them is the whole machine's */

static const char *const refused4[] = {
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.88.99.0/24",
    "192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/3",
};
/* Beside IPv6's own, what IPv4 is written or tunnelled as: compatible, mapped and translated addresses, a provider's NAT64, Teredo, 6to4.
   NAT64 by the well-known prefix is how some machines reach all of IPv4: of it, what refused4 holds (put_translated). */
static const char *const refused6[] = {
    "::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b:1::/48", "2001::/32", "2002::/16", "fc00::/7", "fe80::/9", "ff00::/8",
};

static void put_net(struct buf *out, const struct net *n)
{
    char text[NET_TEXT];
    buf_put_fmt(out, "%s", net_text(n, text));
}

static void put_host(struct buf *out, const struct net *n)
{
    char text[NET_TEXT];
    net_text(n, text);
    buf_put_fmt(out, "%.*s", (int)strcspn(text, "/"), text);
}

static void put_translated(struct buf *out, const char *four)
{
    struct net n, six = { .six = true, .address = { 0x00, 0x64, 0xff, 0x9b } };
    if (net_parse(four, &n, NULL) < 0)
        bug("refused network %s", four);
    memcpy(six.address + 12, n.address, 4);
    six.bits = 96 + n.bits;
    put_net(out, &six);
}

static void put_refused(struct buf *out)
{
    buf_put_fmt(out, "set refused4 { type ipv4_addr; flags interval; elements = { ");
    for (size_t i = 0; i < countof(refused4); i++)
        buf_put_fmt(out, "%s%s", i ? ", " : "", refused4[i]);
    buf_put_fmt(out, " }\n}\nset refused6 { type ipv6_addr; flags interval; elements = { ");
    for (size_t i = 0; i < countof(refused6); i++)
        buf_put_fmt(out, "%s, ", refused6[i]);
    for (size_t i = 0; i < countof(refused4); i++) {
        buf_put_fmt(out, "%s", i ? ", " : "");
        put_translated(out, refused4[i]);
    }
    buf_put_fmt(out, " }\n}\n");
}

/* A set of those of HOSTS that are of the family. */
static void put_hosts(struct buf *out, const char *name, const struct net *hosts, uint32_t n, bool six)
{
    unsigned some = 0;
    buf_put_fmt(out, "set %s%d { type ipv%d_addr; ", name, six ? 6 : 4, six ? 6 : 4);
    for (uint32_t i = 0; i < n; i++) {
        if (hosts[i].six != six)
            continue;
        buf_put_fmt(out, "%s", some++ ? ", " : "elements = { ");
        put_host(out, &hosts[i]);
    }
    buf_put_fmt(out, "%s\n}\n", some ? " }" : "");
}

static void put_sets(const struct settings *s, struct buf *out)
{
    static const char fixed[] =
        "set ifs { type ifname; }\n"
        "set source4 { type ifname . ipv4_addr; }\n"
        "set source6 { type ifname . ipv6_addr; }\n"
        "set links { type ifname . ifname; }\n"
        "set self { type ifname . ifname; }\n"
        "set open { type ifname . inet_proto . inet_service; }\n"
        "map ports4 { type inet_proto . inet_service : ipv4_addr; }\n"
        "map ports6 { type inet_proto . inet_service : ipv6_addr; }\n"
        "map rules { type ifname : verdict; }\n"
        "map host { type ifname : verdict; }\n"
        "map up { type ifname : verdict; }\n"
        "map down { type ifname : verdict; }\n"
        "set flows { type ifname; flags dynamic; size 65535; }\n";
    buf_put(out, fixed, sizeof fixed - 1);
    for (int six = 0; six < 2; six++) {
        put_hosts(out, "dns", s->dns, s->ndns, six);
        put_hosts(out, "publish", s->publish, s->npublish, six);
    }
    put_refused(out);
}

/* What the chains have in common whatever the settings.  Who a server begins to speak with is asked for each of its packets, not for the first
   only: so that a reload ends what it no longer allows. */
static const char common[] =
    "chain refuse {\n"
    "meta l4proto 6 reject with tcp reset\n"
    "reject with icmpx admin-prohibited\n"
    "}\n"
    "chain pass {\n"
    "ct state new add @flows { iifname ct count over %d } goto refuse\n"
    "accept\n"
    "}\n"
    "chain guard_server {\n"
    "iifname . ip saddr @source4 goto rate_up\n"
    "iifname . ip6 saddr @source6 goto rate_up\n"
    "drop\n"
    "}\n"
    "chain rate_up {\n"
    "iifname vmap @up\n"
    "}\n"
    "chain rate_down {\n"
    "type filter hook postrouting priority filter; policy accept;\n"
    "oifname vmap @down\n"
    "}\n"
    "chain between {\n"
    "ct status dnat oifname . meta l4proto . th dport @open goto pass\n"
    "goto refuse\n"
    "}\n"
    "chain allowed {\n"
    "oifname @ifs goto between\n"
    "goto pass\n"
    "}\n"
    "chain resolver {\n"
    "ip daddr @dns4 goto pass\n"
    "ip6 daddr @dns6 goto pass\n"
    "goto refuse\n"
    "}\n"
    "chain from_server {\n"
    "ct state invalid,untracked drop\n"
    "ct direction reply accept\n"
    "ct state related meta l4proto { 1, 58 } accept\n"
    "iifname . oifname @links goto pass\n"
    "iifname vmap @rules\n"
    "oifname @ifs goto between\n"
    "meta l4proto { 6, 17 } th dport { 53, 853 } goto resolver\n"
    "ip daddr @refused4 goto refuse\n"
    "ip6 daddr @refused6 goto refuse\n"
    "goto pass\n"
    "}\n"
    "chain to_server {\n"
    "ct state invalid,untracked drop\n"
    "ct direction reply accept\n"
    "ct state related meta l4proto { 1, 58 } accept\n"
    "ct status dnat oifname . meta l4proto . th dport @open accept\n"
    "drop\n"
    "}\n"
    "chain to_host {\n"
    "ct state invalid,untracked drop\n"
    "ct direction reply accept\n"
    "ct state related meta l4proto { 1, 58 } accept\n"
    "iifname vmap @host\n"
    "meta l4proto { 6, 17 } th dport { 53, 853 } goto resolver\n"
    "goto refuse\n"
    "}\n"
    "chain input {\n"
    "type filter hook input priority filter; policy accept;\n"
    "iifname @ifs goto to_host\n"
    "}\n"
    "chain masquerading {\n"
    "type nat hook postrouting priority srcnat; policy accept;\n"
    "iifname @ifs oifname != @ifs masquerade\n"
    "iifname . oifname @self masquerade\n"
    "}\n";

static const struct family { const char *word, *proto, *loopback; const char *extra; } families[2] = {
    { "ip", "ipv4", "127.0.0.0/8", "" },
    { "ip6", "ipv6", "::1", "ip6 daddr != fe80::/10 " },
};

static const struct net *pool_of(const struct settings *s, int six)
{
    const struct net *pool = &s->pool[six];
    return pool->bits ? pool : NULL;
}

static const struct rules_family *family_of(const struct settings *s, int six)
{
    return &s->family[six];
}

/* Through the gateway's address nothing is published: a server has no business there at all. */
static void put_dnat(const struct settings *s, int six, const char *but, struct buf *out)
{
    const struct family *f = &families[six];
    if (pool_of(s, six) == NULL)
        return;
    buf_put_fmt(out, "%s%s%s daddr != ", f->extra, but, f->word);
    put_net(out, pool_of(s, six));
    if (s->npublish)
        buf_put_fmt(out, " %s daddr @publish%c", f->word, six ? '6' : '4');
    buf_put_fmt(out, " fib daddr type local dnat %s to meta l4proto . th dport map @ports%c\n", f->word, six ? '6' : '4');
}

static void put_publishing(const struct settings *s, struct buf *out)
{
    char but[64];
    buf_put_fmt(out, "chain publishing {\ntype nat hook prerouting priority dstnat; policy accept;\n");
    for (int six = 0; six < 2; six++)
        if (family_of(s, six)->routed)
            put_dnat(s, six, "", out);
    buf_put_fmt(out, "}\nchain publishing_here {\ntype nat hook output priority -100; policy accept;\n");
    for (int six = 0; six < 2; six++) {
        snprintf(but, sizeof but, "%s daddr != %s ", families[six].word, families[six].loopback);
        put_dnat(s, six, but, out);
    }
    buf_put_fmt(out, "}\n");
}

/* An interface that is not (yet, or no more) one of a server's that we know: nothing of the pool's gets in or out by it. */
static void put_strangers(const struct settings *s, const char *condition, const char *which, struct buf *out)
{
    for (int six = 0; six < 2; six++) {
        if (pool_of(s, six) == NULL)
            continue;
        buf_put_fmt(out, "%s%s %s ", condition, families[six].word, which);
        put_net(out, pool_of(s, six));
        buf_put_fmt(out, " drop\n");
    }
}

static void put_guard(const struct settings *s, struct buf *out)
{
    /* Before the kernel begins to track connections: a forged one is not worth an entry. */
    buf_put_fmt(out, "chain guard {\ntype filter hook prerouting priority raw; policy accept;\niifname @ifs goto guard_server\n");
    put_strangers(s, "iifname != \"lo\" ", "saddr", out);
    buf_put_fmt(out, "}\n");
}

static void put_forward(const struct settings *s, struct buf *out)
{
    buf_put_fmt(out, "chain forward {\ntype filter hook forward priority filter; policy accept;\n"
                     "iifname @ifs goto from_server\noifname @ifs goto to_server\n");
    put_strangers(s, "", "daddr", out);
    /* It was no router before we made it one, and is none for others. */
    for (int six = 0; six < 2; six++)
        if (family_of(s, six)->ours)
            buf_put_fmt(out, "meta nfproto %s drop\n", families[six].proto);
    buf_put_fmt(out, "}\n");
}

/* What is not routed would be lost without a word, and programs would wait. */
static void put_unrouted(const struct settings *s, struct buf *out)
{
    buf_put_fmt(out, "chain unrouted {\ntype filter hook prerouting priority filter; policy accept;\n");
    for (int six = 0; six < 2; six++)
        if (!family_of(s, six)->routed)
            buf_put_fmt(out, "iifname @ifs meta nfproto %s fib daddr type != local goto refuse\n", families[six].proto);
    buf_put_fmt(out, "}\n");
}

void rules_table(const struct settings *s, struct buf *out)
{
    /* Made first, so that it is there to be deleted; the kernel sees one change. */
    buf_put_fmt(out, "table inet %s {\n}\ndelete table inet %s\ntable inet %s {\n", s->table, s->table, s->table);
    put_sets(s, out);
    buf_put_fmt(out, common, FLOWS_MOST);
    put_guard(s, out);
    put_publishing(s, out);
    put_forward(s, out);
    put_unrouted(s, out);
    buf_put_fmt(out, "}\n");
}

void rules_end(const struct settings *s, struct buf *out)
{
    buf_put_fmt(out, "table inet %s {\n}\ndelete table inet %s\n", s->table, s->table);
}

/* ---- one server ---- */

struct change {
    const struct settings *s;
    const struct server *v;
    struct buf *out;
    bool remove;
};

static void element(const struct change *c, const char *set)
{
    buf_put_fmt(c->out, "%s element inet %s %s { ", c->remove ? "delete" : "add", c->s->table, set);
}

static void end_element(const struct change *c)
{
    buf_put_fmt(c->out, " }\n");
}

static void put_source(const struct change *c, const char *set, const struct net *inside)
{
    element(c, set);
    buf_put_fmt(c->out, "\"%s\" . ", c->v->interface);
    put_host(c->out, inside);
    end_element(c);
}

static void put_place(const struct change *c)
{
    element(c, "ifs");
    buf_put_fmt(c->out, "\"%s\"", c->v->interface);
    end_element(c);
    element(c, "self");
    buf_put_fmt(c->out, "\"%s\" . \"%s\"", c->v->interface, c->v->interface);
    end_element(c);
    put_source(c, "source4", &c->v->inside[0]);
    if (c->v->inside[1].bits)
        put_source(c, "source6", &c->v->inside[1]);
}

static void put_ports(const struct change *c, const char *map, const struct net *to)
{
    element(c, map);
    for (uint32_t i = 0; i < c->v->nports; i++) {
        buf_put_fmt(c->out, "%s%d . %u", i ? ", " : "", c->v->ports[i].udp ? IPPROTO_UDP : IPPROTO_TCP, c->v->ports[i].port);
        if (c->remove)
            continue;
        buf_put_fmt(c->out, " : ");
        put_host(c->out, to);
    }
    end_element(c);
}

static void put_open(const struct change *c)
{
    if (c->v->nports == 0)
        return;
    put_ports(c, "ports4", &c->v->inside[0]);
    if (c->v->inside[1].bits)
        put_ports(c, "ports6", &c->v->inside[1]);
    element(c, "open");
    for (uint32_t i = 0; i < c->v->nports; i++)
        buf_put_fmt(c->out, "%s\"%s\" . %d . %u", i ? ", " : "", c->v->interface, c->v->ports[i].udp ? IPPROTO_UDP : IPPROTO_TCP,
                    c->v->ports[i].port);
    end_element(c);
}

static void put_links(const struct change *c)
{
    if (c->v->nlinks == 0)
        return;
    element(c, "links");
    for (uint32_t i = 0; i < c->v->nlinks; i++)
        buf_put_fmt(c->out, "%s\"%s\" . \"%s\"", i ? ", " : "", c->v->interface, c->v->links[i]);
    end_element(c);
}

/* A chain of the server's own, and its place in MAP; its rules follow. */
static void put_chain(const struct change *c, const char *map)
{
    if (!c->remove)
        buf_put_fmt(c->out, "add chain inet %s %s_%s\n", c->s->table, map, c->v->interface);
    element(c, map);
    buf_put_fmt(c->out, "\"%s\"", c->v->interface);
    if (!c->remove)
        buf_put_fmt(c->out, " : jump %s_%s", map, c->v->interface);
    end_element(c);
    if (c->remove)
        buf_put_fmt(c->out, "delete chain inet %s %s_%s\n", c->s->table, map, c->v->interface);
}

static void rule(const struct change *c, const char *map)
{
    buf_put_fmt(c->out, "add rule inet %s %s_%s ", c->s->table, map, c->v->interface);
}

static void put_rate(const struct change *c, const char *map, uint64_t rate)
{
    if (rate == 0)
        return;
    uint64_t burst = rate / 4 < BURST_LEAST ? BURST_LEAST : rate / 4 > BURST_MOST ? BURST_MOST : rate / 4;
    put_chain(c, map);
    if (c->remove)
        return;
    rule(c, map);
    buf_put_fmt(c->out, "limit rate over %" PRIu64 " bytes/second burst %" PRIu64 " bytes drop\n", rate, burst);
}

static void put_services(const struct change *c, const struct egress *r)
{
    if (r->protocol)
        buf_put_fmt(c->out, " meta l4proto %u", r->protocol);
    else if (r->low)
        buf_put_fmt(c->out, " meta l4proto { %d, %d }", IPPROTO_TCP, IPPROTO_UDP);
    if (r->low && r->low == r->high)
        buf_put_fmt(c->out, " th dport %u", r->low);
    else if (r->low)
        buf_put_fmt(c->out, " th dport %u-%u", r->low, r->high);
}

/* WHERE: by which address a rule knows its destination. */
static void put_destination(const struct change *c, const struct egress *r, const char *where)
{
    const struct family *f = &families[r->net.six];
    if (r->net.bits == 0) {
        buf_put_fmt(c->out, "meta nfproto %s", f->proto);
        return;
    }
    buf_put_fmt(c->out, "%s%s daddr ", where, f->word);
    put_net(c->out, &r->net);
}

/* As the server named it: what is published is sent elsewhere before it comes here. */
static void put_egress(const struct change *c)
{
    if (c->v->negress == 0)
        return;
    put_chain(c, "rules");
    for (uint32_t i = 0; i < c->v->negress && !c->remove; i++) {
        const struct egress *r = &c->v->egress[i];
        rule(c, "rules");
        put_destination(c, r, "ct original ");
        put_services(c, r);
        buf_put_fmt(c->out, " goto %s\n", r->allow ? "allowed" : "refuse");
    }
}

/* The host itself opens only to a rule that names one address and a port, so that "all of the LAN" is not the host as well. */
static bool names_host(const struct egress *r)
{
    return r->allow && net_whole(&r->net) && r->low;
}

static void put_not_control(const struct change *c)
{
    buf_put_fmt(c->out, " th dport != { ");
    for (uint32_t i = 0; i < c->s->ncontrol; i++)
        buf_put_fmt(c->out, "%s%u", i ? ", " : "", c->s->control[i]);
    buf_put_fmt(c->out, " }");
}

static void put_host_rules(const struct change *c)
{
    uint32_t named = 0;
    for (uint32_t i = 0; i < c->v->negress; i++)
        named += names_host(&c->v->egress[i]);
    if (named == 0)
        return;
    put_chain(c, "host");
    for (uint32_t i = 0; i < c->v->negress && !c->remove; i++) {
        const struct egress *r = &c->v->egress[i];
        if (r->allow && !names_host(r))
            continue;
        rule(c, "host");
        put_destination(c, r, "");
        put_services(c, r);
        if (r->allow && r->low != r->high && c->s->ncontrol)
            put_not_control(c);
        buf_put_fmt(c->out, " goto %s\n", r->allow ? "pass" : "refuse");
    }
}

static void change(const struct change *c)
{
    put_place(c);
    put_open(c);
    put_links(c);
    put_egress(c);
    put_host_rules(c);
    put_rate(c, "up", c->v->up);
    put_rate(c, "down", c->v->down);
}

void rules_add(const struct settings *s, const struct server *v, struct buf *out)
{
    change(&(struct change){ .s = s, .v = v, .out = out });
}

void rules_remove(const struct settings *s, const struct server *v, struct buf *out)
{
    change(&(struct change){ .s = s, .v = v, .out = out, .remove = true });
}
