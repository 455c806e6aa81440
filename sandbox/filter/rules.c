#include "sandbox/filter/rules.h"

#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/attr.h"
#include "base/die.h"
#include "sandbox/filter/mark.h"

enum { BURST_LEAST = 256 * 1024, BURST_MOST = 64 * 1024 * 1024 };   /* at least a few of the bundles of 64 KiB that a veth carries whole */
#define FLOWS "ct count over 16384"   /* of one server, at once: the kernel's table of them is the whole machine's */
#define COUNT "ct status ! confirmed add @flows { iifname " FLOWS " } goto refuse\n"   /* of each connection the first packet, answered or not */
#define MAYBE_IN "iifname \"hf*\" "    /* what all names of servers' interfaces begin with (read.c): compared where a look-up can be saved */
#define MAYBE_OUT "oifname \"hf*\" "
const char rules_filled[] = " " FLOWS;

static const char *const refused4[] = {
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.88.99.0/24",
    "192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/3",
};
/* Beside IPv6's own, what IPv4 is written or tunnelled as: compatible, mapped and translated addresses, a provider's NAT64, Teredo, 6to4.
   NAT64 by the well-known prefix is how some machines reach all of IPv4: of it, what refused4 holds (translate). */
static const char *const refused6[] = {
    "::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b:1::/48", "2001::/32", "2002::/16", "fc00::/7", "fe80::/9", "ff00::/8",
};

static void put_net(struct buf *out, const struct net *n)
{
    char text[NET_TEXT];
    buf_put_fmt(out, "%s", net_text(n, text));
}

/* Without the bits, in TEXT of NET_TEXT bytes. */
static const char *host_text(const struct net *n, char *text)
{
    net_text(n, text);
    text[strcspn(text, "/")] = '\0';
    return text;
}

static void translate(const char *four, struct net *six)
{
    struct net n;
    if (net_parse(four, &n, NULL) < 0)
        bug("refused network %s", four);
    *six = (struct net){ .six = true, .address = { 0x00, 0x64, 0xff, 0x9b }, .bits = 96 + n.bits };
    memcpy(six->address + 12, n.address, 4);
}

/* ---- what all servers share ---- */

static const struct { const char *in, *name, *type; } sets[] = {
    { "set", "ifs", "type ifname;" },
    { "map", "from4", "type ifname . ipv4_addr : verdict;" },
    { "map", "from6", "type ifname . ipv6_addr : verdict;" },
    { "set", "links", "type ifname . ifname;" },
    { "set", "self", "type ifname . ifname;" },
    { "set", "open", "type ifname . inet_proto . inet_service;" },
    { "map", "ports4", "type inet_proto . inet_service : ipv4_addr;" },
    { "map", "ports6", "type inet_proto . inet_service : ipv6_addr;" },
    { "map", "leave", "type ifname : verdict;" },
    { "map", "host", "type ifname : verdict;" },
    { "map", "down", "type ifname : verdict;" },
    { "set", "dns4", "type ipv4_addr;" },
    { "set", "dns6", "type ipv6_addr;" },
    { "set", "publish4", "type ipv4_addr;" },
    { "set", "publish6", "type ipv6_addr;" },
    { "set", "refused4", "type ipv4_addr; flags interval;" },
    { "set", "refused6", "type ipv6_addr; flags interval;" },
    /* Filled by packets; what a server has open counts on, whatever is changed around it. */
    { "set", "flows", "type ifname; flags dynamic; size 65535;" },
};

static void put_refused(struct state *out)
{
    char text[NET_TEXT];
    struct net n;
    for (size_t i = 0; i < countof(refused4); i++) {
        state_put(out, ENTRY_ELEMENT, "refused4", refused4[i], "%s", "");
        translate(refused4[i], &n);
        state_put(out, ENTRY_ELEMENT, "refused6", net_text(&n, text), "%s", "");
    }
    for (size_t i = 0; i < countof(refused6); i++) {
        if (net_parse(refused6[i], &n, NULL) < 0)
            bug("refused network %s", refused6[i]);
        state_put(out, ENTRY_ELEMENT, "refused6", net_text(&n, text), "%s", "");
    }
}

/* Into the set of each one's family: NAME4, NAME6. */
static void put_hosts(struct state *out, const char *name, const struct net *hosts, uint32_t n)
{
    char set[16], text[NET_TEXT];
    for (uint32_t i = 0; i < n; i++) {
        snprintf(set, sizeof set, "%s%c", name, hosts[i].six ? '6' : '4');
        state_put(out, ENTRY_ELEMENT, set, host_text(&hosts[i], text), "%s", "");
    }
}

static void put_sets(const struct settings *s, struct state *out)
{
    for (size_t i = 0; i < countof(sets); i++)
        state_put(out, ENTRY_SET, sets[i].in, sets[i].name, "%s", sets[i].type);
    put_hosts(out, "dns", s->dns, s->ndns);
    put_hosts(out, "publish", s->publish, s->npublish);
    put_refused(out);
}

/* Chains that are the same whatever the settings.  Who a server speaks with is asked again after each change, not for the first packet only: so
   that a reload ends what it no longer allows.  Between changes connections with the world outside are known by their mark (mark.h); all others
   are asked for each packet.  Answers come first, as most packets are one's; what is invalid has no direction.
   Look-ups are what a packet costs: what is seldom needed stands behind one that is needed anyway, a packet that is no server's is known by the
   first letters of its interface, and leave, open and from4 say at once whose it is and what is done with it.  Comparing one or two bytes was
   measured to cost half a look-up: directions, protocols and families are asked for late.
   No flowtable, though tracking alone keeps the path below a plain one's speed: connections in one pass all rules by, so that a reload would end
   what it no longer allows only by deleting them from the kernel's table, and with them the addresses of those that may stay. */
static const struct { const char *name, *text; } common[] = {
    { "refuse", "\n"
                "meta l4proto 6 reject with tcp reset\n"
                "reject with icmpx admin-prohibited\n" },
    { "pass_host", "\n" COUNT "accept\n" },
    /* From outside, to a published port: not from a server, be it another filter's. */
    { "welcome", "\n"
                 MAYBE_IN "accept\n"
                 "goto remember\n" },
    { "between", "\n"
                 "ct status dnat oifname . meta l4proto . th dport @open goto pass\n"
                 "goto refuse\n" },
    { "allowed", "\n"
                 "oifname @ifs goto between\n"
                 "goto pass\n" },
    { "resolver", "\n"
                  "ip daddr @dns4 goto pass\n"
                  "ip6 daddr @dns6 goto pass\n"
                  "goto refuse\n" },
    { "resolver_host", "\n"
                       "ip daddr @dns4 goto pass_host\n"
                       "ip6 daddr @dns6 goto pass_host\n"
                       "goto refuse\n" },
    { "asking", "\n"
                "meta l4proto { 6, 17 } goto resolver\n" },
    /* Before a server's own rules, and after them. */
    { "known", "\n"
               "ct direction reply accept\n"
               "ct state invalid,untracked drop\n"
               "ct state related meta l4proto { 1, 58 } accept\n"
               MAYBE_OUT "iifname . oifname @links goto pass\n" },
    { "beyond", "\n"
                MAYBE_OUT "oifname @ifs goto between\n"
                "th dport 53 jump asking\n"
                "th dport 853 jump asking\n"
                "ip daddr @refused4 goto refuse\n"
                "ip6 daddr @refused6 goto refuse\n"
                "goto pass\n" },
    { "from_server", "\n"
                     "jump known\n"
                     "goto beyond\n" },
    { "leaving", "\n"
                 "iifname vmap @leave\n"
                 "iifname @ifs drop\n" },
    { "to_server", "\n"
                   "ct status dnat oifname . meta l4proto . th dport @open goto welcome\n"
                   "ct direction reply oifname @ifs accept\n"
                   "ct state related meta l4proto { 1, 58 } oifname @ifs accept\n"
                   "oifname @ifs drop\n" },
    { "to_host", "\n"
                 "ct direction reply accept\n"
                 "ct state invalid,untracked drop\n"
                 "ct state related meta l4proto { 1, 58 } accept\n"
                 "iifname vmap @host\n"
                 "meta l4proto { 6, 17 } th dport { 53, 853 } goto resolver_host\n"
                 "goto refuse\n" },
    { "masquerading", "type nat hook postrouting priority srcnat; policy accept;\n"
                      "iifname @ifs oifname != @ifs masquerade\n"
                      "iifname . oifname @self masquerade\n" },
};

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

/* Where the chain's text is written; put_chain ends it. */
#define CHAIN_TEXT BUF(64 << 20)

static void put_chain(struct state *out, const char *name, struct buf *text)
{
    buf_put_u8(text, 0);
    if (text->bad)
        bug("chain %s", name);
    state_put(out, ENTRY_CHAIN, "chain", name, "%s", (const char *)buf_head(text));
    buf_reset(text);
}

static void put_publishing(const struct settings *s, struct buf *text, struct state *out)
{
    char but[64];
    buf_put_fmt(text, "type nat hook prerouting priority dstnat; policy accept;\n");
    for (int six = 0; six < 2; six++)
        if (family_of(s, six)->routed)
            put_dnat(s, six, "", text);
    put_chain(out, "publishing", text);
    buf_put_fmt(text, "type nat hook output priority -100; policy accept;\n");
    for (int six = 0; six < 2; six++) {
        snprintf(but, sizeof but, "%s daddr != %s ", families[six].word, families[six].loopback);
        put_dnat(s, six, but, text);
    }
    put_chain(out, "publishing_here", text);
}

/* An interface that is not (yet, or no more) one of a server's that we know: nothing of the pool's gets in or out by it. */
static void put_strangers(const struct settings *s, const char *which, const char *end, struct buf *out)
{
    for (int six = 0; six < 2; six++) {
        if (pool_of(s, six) == NULL)
            continue;
        buf_put_fmt(out, "%s %s ", families[six].word, which);
        put_net(out, pool_of(s, six));
        buf_put_fmt(out, " %s\n", end);
    }
}

static void put_guard(const struct settings *s, struct buf *text, struct state *out)
{
    /* Before the kernel begins to track connections: a forged one is not worth an entry. */
    buf_put_fmt(text, "type filter hook prerouting priority raw; policy accept;\n" MAYBE_IN "goto guard_server\n");
    put_strangers(s, "saddr", "iifname != \"lo\" drop", text);
    put_chain(out, "guard", text);
    buf_put_fmt(text, "\niifname . ip saddr vmap @from4\niifname . ip6 saddr vmap @from6\niifname @ifs drop\n");
    put_strangers(s, "saddr", "drop", text);
    put_chain(out, "guard_server", text);
}

/* Who is a server is asked of @ifs, and by the address as well: an element that is not found must not open anything. */
static void put_input(const struct settings *s, struct buf *text, struct state *out)
{
    buf_put_fmt(text, "type filter hook input priority filter; policy accept;\n" MAYBE_IN "iifname @ifs goto to_host\n");
    put_strangers(s, "saddr", "iifname != \"lo\" goto to_host", text);
    put_chain(out, "input", text);
}

/* To the world outside.  What is sent to a server that is not there (yet) goes out as well, and must be asked again when it is. */
static void put_pass(const struct settings *s, struct buf *text, struct state *out)
{
    buf_put_fmt(text, "\n" COUNT MAYBE_OUT "accept\n");
    put_strangers(s, "daddr", "accept", text);
    buf_put_fmt(text, "goto remember\n");
    put_chain(out, "pass", text);
}

/* What a connection's way is was judged by its first packet: from a server it is whatever the next hop, to one only where the server is.  One
   that the kernel expects because of another (a helper's) has that one's mark from its beginning: it was never asked. */
static void put_known(uint32_t mark, struct buf *text)
{
    static const char *const ways[] = { MAYBE_IN, MAYBE_OUT };
    for (size_t i = 0; mark && i < countof(ways); i++)
        buf_put_fmt(text, "%sct mark %#x ct status ! expected accept\n", ways[i], mark);
}

static void put_remember(uint32_t mark, struct buf *text, struct state *out)
{
    buf_put_fmt(text, "\n");
    if (mark)
        buf_put_fmt(text, "ct direction original ct mark 0 ct mark set %#x\nct direction original ct mark & %#x == %#x ct mark set %#x\n", mark,
                    MARK_FIRST, MARK_OURS, mark);
    buf_put_fmt(text, "accept\n");
    put_chain(out, "remember", text);
}

/* By jump: where an element is not found, or a chain is not there yet, what follows must be reached. */
static void put_forward(const struct settings *s, uint32_t mark, struct buf *text, struct state *out)
{
    buf_put_fmt(text, "type filter hook forward priority filter; policy accept;\n");
    put_known(mark, text);
    buf_put_fmt(text, MAYBE_IN "jump leaving\n" MAYBE_OUT "jump to_server\n");
    put_strangers(s, "saddr", "drop", text);
    put_strangers(s, "daddr", "drop", text);
    /* It was no router before we made it one, and is none for others. */
    for (int six = 0; six < 2; six++)
        if (family_of(s, six)->ours)
            buf_put_fmt(text, "meta nfproto %s drop\n", families[six].proto);
    put_chain(out, "forward", text);
}

/* Whose source is its own, and within its rate.  What is not routed would be lost without a word, and programs would wait. */
static void put_checked(const struct settings *s, struct buf *text, struct state *out)
{
    buf_put_fmt(text, "\n");
    for (int six = 0; six < 2; six++)
        if (!family_of(s, six)->routed)
            buf_put_fmt(text, "meta nfproto %s fib daddr type != local goto refuse\n", families[six].proto);
    put_chain(out, "checked", text);
}

void rules_common(const struct settings *s, struct state *out)
{
    struct buf text BUF_FREE = CHAIN_TEXT;
    put_sets(s, out);
    for (size_t i = 0; i < countof(common); i++)
        state_put(out, ENTRY_CHAIN, "chain", common[i].name, "%s", common[i].text);
    put_guard(s, &text, out);
    put_input(s, &text, out);
    put_publishing(s, &text, out);
    put_pass(s, &text, out);
    put_checked(s, &text, out);
}

void rules_present(const struct settings *s, bool rated, uint32_t mark, struct state *out)
{
    struct buf text BUF_FREE = CHAIN_TEXT;
    put_remember(mark, &text, out);
    put_forward(s, mark, &text, out);
    if (!rated)
        return;
    buf_put_fmt(&text, "type filter hook postrouting priority filter; policy accept;\n" MAYBE_OUT "oifname vmap @down\n");
    put_chain(out, "rate_down", &text);
}

/* ---- one server ---- */

struct place {
    const struct settings *s;
    const struct server *v;
    struct state *out;
    char interface[INTERFACE_MOST + 2];   /* as in a rule */
};

static void put_source(const struct place *p, const char *map, const struct net *inside)
{
    char text[NET_TEXT], key[NET_TEXT + 32];
    snprintf(key, sizeof key, "%s . %s", p->interface, host_text(inside, text));
    state_put(p->out, ENTRY_ELEMENT, map, key, p->v->up ? "goto up_%s" : "goto checked", p->v->interface);
}

static void put_place(const struct place *p)
{
    char key[64];
    state_put(p->out, ENTRY_ELEMENT, "ifs", p->interface, "%s", "");
    snprintf(key, sizeof key, "%s . %s", p->interface, p->interface);
    state_put(p->out, ENTRY_ELEMENT, "self", key, "%s", "");
    put_source(p, "from4", &p->v->inside[0]);
    if (p->v->inside[1].bits)
        put_source(p, "from6", &p->v->inside[1]);
}

static void put_open(const struct place *p)
{
    char service[32], key[64], to[NET_TEXT];
    for (uint32_t i = 0; i < p->v->nports; i++) {
        snprintf(service, sizeof service, "%d . %u", p->v->ports[i].udp ? IPPROTO_UDP : IPPROTO_TCP, p->v->ports[i].port);
        state_put(p->out, ENTRY_ELEMENT, "ports4", service, "%s", host_text(&p->v->inside[0], to));
        if (p->v->inside[1].bits)
            state_put(p->out, ENTRY_ELEMENT, "ports6", service, "%s", host_text(&p->v->inside[1], to));
        snprintf(key, sizeof key, "%s . %s", p->interface, service);
        state_put(p->out, ENTRY_ELEMENT, "open", key, "%s", "");
    }
}

static void put_links(const struct place *p)
{
    char key[64];
    for (uint32_t i = 0; i < p->v->nlinks; i++) {
        snprintf(key, sizeof key, "%s . \"%s\"", p->interface, p->v->links[i]);
        state_put(p->out, ENTRY_ELEMENT, "links", key, "%s", "");
    }
}

/* A chain of the server's own. */
static void put_own(const struct place *p, const char *what, struct buf *text)
{
    char name[64];
    snprintf(name, sizeof name, "%s_%s", what, p->v->interface);
    put_chain(p->out, name, text);
}

/* And its place in MAP. */
static void put_mapped(const struct place *p, const char *map, struct buf *text)
{
    put_own(p, map, text);
    state_put(p->out, ENTRY_ELEMENT, map, p->interface, "jump %s_%s", map, p->v->interface);
}

static void put_limit(uint64_t rate, struct buf *out)
{
    uint64_t burst = rate / 4 < BURST_LEAST ? BURST_LEAST : rate / 4 > BURST_MOST ? BURST_MOST : rate / 4;
    buf_put_fmt(out, "\nlimit rate over %" PRIu64 " bytes/second burst %" PRIu64 " bytes drop\n", rate, burst);
}

static void put_rates(const struct place *p)
{
    struct buf text BUF_FREE = CHAIN_TEXT;
    if (p->v->up) {
        put_limit(p->v->up, &text);
        buf_put_fmt(&text, "goto checked\n");
        put_own(p, "up", &text);
    }
    if (p->v->down) {
        put_limit(p->v->down, &text);
        put_mapped(p, "down", &text);
    }
}

static void put_services(const struct egress *r, struct buf *out)
{
    if (r->protocol)
        buf_put_fmt(out, " meta l4proto %u", r->protocol);
    else if (r->low)
        buf_put_fmt(out, " meta l4proto { %d, %d }", IPPROTO_TCP, IPPROTO_UDP);
    if (r->low && r->low == r->high)
        buf_put_fmt(out, " th dport %u", r->low);
    else if (r->low)
        buf_put_fmt(out, " th dport %u-%u", r->low, r->high);
}

/* WHERE: by which address a rule knows its destination. */
static void put_destination(const struct egress *r, const char *where, struct buf *out)
{
    const struct family *f = &families[r->net.six];
    if (r->net.bits == 0) {
        buf_put_fmt(out, "meta nfproto %s", f->proto);
        return;
    }
    buf_put_fmt(out, "%s%s daddr ", where, f->word);
    put_net(out, &r->net);
}

/* As the server named it: what is published is sent elsewhere before it comes here. */
static void put_egress(const struct place *p)
{
    struct buf text BUF_FREE = CHAIN_TEXT;
    if (p->v->negress == 0) {
        state_put(p->out, ENTRY_ELEMENT, "leave", p->interface, "jump from_server");
        return;
    }
    buf_put_fmt(&text, "\njump known\n");
    for (uint32_t i = 0; i < p->v->negress; i++) {
        const struct egress *r = &p->v->egress[i];
        put_destination(r, "ct original ", &text);
        put_services(r, &text);
        buf_put_fmt(&text, " goto %s\n", r->allow ? "allowed" : "refuse");
    }
    buf_put_fmt(&text, "goto beyond\n");
    put_own(p, "rules", &text);
    state_put(p->out, ENTRY_ELEMENT, "leave", p->interface, "jump rules_%s", p->v->interface);
}

/* The host itself opens only to a rule that names one address and a port, so that "all of the LAN" is not the host as well. */
static bool names_host(const struct egress *r)
{
    return r->allow && net_whole(&r->net) && r->low;
}

static void put_not_control(const struct settings *s, struct buf *out)
{
    buf_put_fmt(out, " th dport != { ");
    for (uint32_t i = 0; i < s->ncontrol; i++)
        buf_put_fmt(out, "%s%u", i ? ", " : "", s->control[i]);
    buf_put_fmt(out, " }");
}

static void put_host_rule(const struct settings *s, const struct egress *r, struct buf *out)
{
    put_destination(r, "", out);
    put_services(r, out);
    if (r->allow && r->low != r->high && s->ncontrol)
        put_not_control(s, out);
    buf_put_fmt(out, " goto %s\n", r->allow ? "pass_host" : "refuse");
}

static void put_host_rules(const struct place *p)
{
    struct buf text BUF_FREE = CHAIN_TEXT;
    uint32_t named = 0;
    buf_put_fmt(&text, "\n");
    for (uint32_t i = 0; i < p->v->negress; i++) {
        const struct egress *r = &p->v->egress[i];
        named += names_host(r);
        if (!r->allow || names_host(r))
            put_host_rule(p->s, r, &text);
    }
    if (named)
        put_mapped(p, "host", &text);
}

void rules_server(const struct settings *s, const struct server *v, struct state *out)
{
    struct place p = { .s = s, .v = v, .out = out };
    snprintf(p.interface, sizeof p.interface, "\"%s\"", v->interface);
    put_place(&p);
    put_open(&p);
    put_links(&p);
    put_egress(&p);
    put_host_rules(&p);
    put_rates(&p);
}
