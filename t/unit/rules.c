/* The packet filter's text, and what it is made from: the kernel's listing, the supervisor's messages. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/net.h"
#include "sandbox/filter/held.h"
#include "sandbox/filter/read.h"
#include "sandbox/filter/rules.h"
#include "sandbox/proto.h"

/* ---- text ---- */

static struct settings settings;
static struct rules_port ports[] = { { 25565, false }, { 25565, true } };
static struct egress egress[4];
static char links[1][INTERFACE_MOST] = { "hf0ad5000a" };
static struct server one;

static void begin(void)
{
    settings = (struct settings){ .table = "holdfast", .family = { { true, true }, { true, false } } };
    net_parse("10.213.0.0/16", &settings.pool[0], NULL);
    net_parse("fd00::/48", &settings.pool[1], NULL);
    one = (struct server){ .name = (char *)(uintptr_t)"one", .interface = "hf0ad50002", .ports = ports, .nports = 2, .links = links, .nlinks = 1,
                           .egress = egress, .negress = 0 };
    net_parse("10.213.0.2", &one.inside[0], NULL);
    net_parse("fd00::2", &one.inside[1], NULL);
}
TestSuite(rules, .init = begin);
TestSuite(change, .init = begin);
TestSuite(held, .init = begin);

static char *way(struct state *before, struct state *after)
{
    struct buf b = BUF(1 << 20);
    state_change("holdfast", before, after, &b);
    cr_assert(!b.bad);
    buf_put_u8(&b, 0);
    return (char *)(uintptr_t)buf_head(&b);
}

static void rules_add(const struct settings *s, const struct server *v, struct state *out)
{
    rules_server(s, v, out);
}

static void table_only(const struct settings *s, const struct server *v, struct state *out)
{
    (void)v;
    rules_common(s, out);
    rules_present(s, false, 0, out);
}

/* As it is put where nothing is yet. */
static char *text_of(void (*make)(const struct settings *s, const struct server *v, struct state *out))
{
    struct state none = { 0 }, after = { 0 };
    make(&settings, &one, &after);
    return way(&none, &after);
}

static bool line(const char *text, const char *want)
{
    for (const char *at = text; (at = strstr(at, want)); at++)
        if ((at == text || at[-1] == '\n') && (at[strlen(want)] == '\n' || at[strlen(want)] == '\0'))
            return true;
    return false;
}
#define HAS(text, want) cr_assert(line(text, want), "no line: %s\nin:\n%s", want, text)
#define LACKS(text, part) cr_assert_null(strstr(text, part), "there is: %s\nin:\n%s", part, text)

Test(rules, what_an_element_that_is_not_found_must_not_open)
{
    char *t = text_of(table_only);
    HAS(t, "add rule inet holdfast input ip saddr 10.213.0.0/16 iifname != \"lo\" goto to_host");
    HAS(t, "add rule inet holdfast input ip6 saddr fd00::/48 iifname != \"lo\" goto to_host");
    HAS(t, "add rule inet holdfast forward ip saddr 10.213.0.0/16 drop");
    HAS(t, "add rule inet holdfast forward ip6 daddr fd00::/48 drop");
    HAS(t, "add rule inet holdfast guard ip6 saddr fd00::/48 iifname != \"lo\" drop");
    HAS(t, "add rule inet holdfast guard_server iifname @ifs drop");
    HAS(t, "add rule inet holdfast guard_server ip6 saddr fd00::/48 drop");
    HAS(t, "add rule inet holdfast forward iifname \"hf*\" jump leaving");
    HAS(t, "add rule inet holdfast leaving iifname @ifs drop");
    HAS(t, "add rule inet holdfast to_server oifname @ifs drop");
    LACKS(t, "vmap {");
    LACKS(t, "map {");
}

Test(rules, only_a_machine_that_we_made_a_router_drops_for_others)
{
    char *t = text_of(table_only);
    HAS(t, "add rule inet holdfast forward meta nfproto ipv4 drop");
    LACKS(t, " meta nfproto ipv6 drop");
    settings.family[0].ours = false;
    t = text_of(table_only);
    LACKS(t, " meta nfproto ipv4 drop");
}

Test(rules, what_is_not_routed_is_refused_and_not_published)
{
    settings.family[0] = (struct rules_family){ false, false };
    char *t = text_of(table_only);
    HAS(t, "add rule inet holdfast checked meta nfproto ipv4 fib daddr type != local goto refuse");
    LACKS(t, "publishing ip daddr != 10.213.0.0/16 fib daddr type local dnat");
    HAS(t, "add rule inet holdfast publishing_here ip daddr != 127.0.0.0/8 ip daddr != 10.213.0.0/16 fib daddr type local dnat ip to meta l4proto . th dport map @ports4");
}

Test(rules, refused_destinations_of_both_families_and_their_disguises)
{
    static const char *const nets[] = {
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.168.0.0/16",
        "198.18.0.0/15", "224.0.0.0/3", "::/96", "::ffff:0.0.0.0/96", "2002::/16", "fc00::/7", "fe80::/9", "ff00::/8", "64:ff9b::a00:0/104",
        "64:ff9b::a9fe:0/112", "64:ff9b::c0a8:0/112",
    };
    char *t = text_of(table_only);
    for (size_t i = 0; i < countof(nets); i++)
        cr_assert_not_null(strstr(t, nets[i]), "%s", nets[i]);
    LACKS(t, "64:ff9b::/96");
}

Test(rules, publish_narrows_and_an_empty_list_of_a_family_publishes_nothing_there)
{
    struct net at;
    net_parse("203.0.113.7", &at, NULL);
    settings.publish = &at;
    settings.npublish = 1;
    char *t = text_of(table_only);
    HAS(t, "add element inet holdfast publish4 { 203.0.113.7 }");
    HAS(t, "add set inet holdfast publish6 { type ipv6_addr; }");
    LACKS(t, "add element inet holdfast publish6");
    HAS(t, "add rule inet holdfast publishing ip daddr != 10.213.0.0/16 ip daddr @publish4 fib daddr type local dnat ip to meta l4proto . th dport map @ports4");
}

Test(rules, without_ipv6_nothing_speaks_of_its_pool)
{
    settings.pool[1] = one.inside[1] = (struct net){ 0 };
    char *t = text_of(table_only);
    LACKS(t, "dnat ip6");
    LACKS(t, "::/0");
    LACKS(text_of(rules_add), "ports6");
    LACKS(text_of(rules_add), "from6");
}

Test(rules, a_server_is_a_few_elements)
{
    char *t = text_of(rules_add);
    HAS(t, "add element inet holdfast ifs { \"hf0ad50002\" }");
    HAS(t, "add element inet holdfast from4 { \"hf0ad50002\" . 10.213.0.2 : goto checked }");
    HAS(t, "add element inet holdfast from6 { \"hf0ad50002\" . fd00::2 : goto checked }");
    HAS(t, "add element inet holdfast ports4 { 17 . 25565 : 10.213.0.2, 6 . 25565 : 10.213.0.2 }");
    HAS(t, "add element inet holdfast open { \"hf0ad50002\" . 17 . 25565, \"hf0ad50002\" . 6 . 25565 }");
    HAS(t, "add element inet holdfast links { \"hf0ad50002\" . \"hf0ad5000a\" }");
    LACKS(t, "add chain");
    LACKS(t, "add rule");
}

Test(rules, without_egress_of_its_own_a_server_has_what_is_common)
{
    char *t = text_of(rules_add);
    HAS(t, "add element inet holdfast leave { \"hf0ad50002\" : jump from_server }");
    LACKS(t, "rules_hf0ad50002");
}

Test(rules, egress_in_its_order_by_the_address_the_server_named)
{
    one.negress = 4;
    egress_parse("allow 10.0.0.5:3306/tcp", &egress[0], NULL);
    egress_parse("deny 10.0.0.0/8", &egress[1], NULL);
    egress_parse("allow [2001:db8::/32]:1-9", &egress[2], NULL);
    egress_parse("deny 0.0.0.0/0/udp", &egress[3], NULL);
    char *t = text_of(rules_add);
    const char *rows[] = {
        "add element inet holdfast leave { \"hf0ad50002\" : jump rules_hf0ad50002 }",
        "add rule inet holdfast rules_hf0ad50002 jump known",
        "add rule inet holdfast rules_hf0ad50002 ct original ip daddr 10.0.0.5/32 meta l4proto 6 th dport 3306 goto allowed",
        "add rule inet holdfast rules_hf0ad50002 ct original ip daddr 10.0.0.0/8 goto refuse",
        "add rule inet holdfast rules_hf0ad50002 ct original ip6 daddr 2001:db8::/32 meta l4proto { 6, 17 } th dport 1-9 goto allowed",
        "add rule inet holdfast rules_hf0ad50002 meta nfproto ipv4 meta l4proto 17 goto refuse",
        "add rule inet holdfast rules_hf0ad50002 goto beyond",
    };
    const char *at = t;
    for (size_t i = 0; i < countof(rows); i++) {
        HAS(t, rows[i]);
        const char *here = strstr(t, rows[i]);
        cr_assert_geq(here, at, "out of order: %s", rows[i]);
        at = here;
    }
}

Test(rules, the_host_opens_only_to_one_address_with_a_port_and_never_to_the_control_port_by_the_way)
{
    uint16_t control[] = { 2222 };
    settings.control = control;
    settings.ncontrol = 1;
    one.negress = 3;
    egress_parse("allow 192.168.0.0/16:5432/tcp", &egress[0], NULL);
    egress_parse("allow 192.168.1.1", &egress[1], NULL);
    egress_parse("allow 0.0.0.0/0", &egress[2], NULL);
    LACKS(text_of(rules_add), "host_");
    egress_parse("allow 192.168.1.1:1-65535/tcp", &egress[1], NULL);
    char *t = text_of(rules_add);
    HAS(t, "add rule inet holdfast host_hf0ad50002 ip daddr 192.168.1.1/32 meta l4proto 6 th dport 1-65535 th dport != { 2222 } goto pass_host");
    LACKS(t, "host_hf0ad50002 meta nfproto");
    LACKS(t, "host_hf0ad50002 ip daddr 192.168.0.0/16");
    egress_parse("allow 192.168.1.1:2222/tcp", &egress[1], NULL);
    HAS(text_of(rules_add), "add rule inet holdfast host_hf0ad50002 ip daddr 192.168.1.1/32 meta l4proto 6 th dport 2222 goto pass_host");
}

Test(rules, rates_have_a_burst_that_holds_what_a_veth_carries_at_once)
{
    one.up = 16 << 10;
    one.down = 1ULL << 40;
    char *t = text_of(rules_add);
    HAS(t, "add rule inet holdfast up_hf0ad50002 limit rate over 16384 bytes/second burst 262144 bytes drop");
    HAS(t, "add rule inet holdfast down_hf0ad50002 limit rate over 1099511627776 bytes/second burst 67108864 bytes drop");
}

static unsigned count(const char *text, const char *part)
{
    unsigned n = 0;
    for (; (text = strstr(text, part)); text++)
        n++;
    return n;
}

Test(rules, a_server_takes_along_all_that_it_brought)
{
    one.up = one.down = 1 << 20;
    one.negress = 1;
    egress_parse("allow 10.0.0.5:3306/tcp", &egress[0], NULL);
    struct state none = { 0 }, with = { 0 };
    rules_server(&settings, &one, &with);
    char *added = way(&none, &with), *removed = way(&with, &none);
    cr_assert_eq(count(added, "add element"), count(removed, "delete element"));
    cr_assert_eq(count(added, "add chain"), count(removed, "delete chain"));
    cr_assert_eq(count(added, "add chain"), 4);
    LACKS(removed, "add ");
}

Test(rules, five_hundred_servers_are_no_longer_chain)
{
    struct state none = { 0 }, all = { 0 };
    rules_common(&settings, &all);
    unsigned alone = count(way(&none, &all), "add rule");
    for (unsigned i = 0; i < 500; i++) {
        snprintf(one.interface, sizeof one.interface, "hf%08x", i);
        rules_server(&settings, &one, &all);
    }
    char *t = way(&none, &all);
    cr_assert_eq(count(t, "add rule"), alone, "a rule a server is a rule more for each packet of all");
    cr_assert_eq(count(t, "add element inet holdfast ifs "), 1, "a command an element is slow");
}

/* ---- connections that passed ---- */

static char *text_present(bool rated, uint32_t mark)
{
    struct state none = { 0 }, after = { 0 };
    rules_present(&settings, rated, mark, &after);
    return way(&none, &after);
}

Test(rules, a_mark_is_known_at_a_servers_interface_only_and_not_where_the_kernel_copied_it)
{
    char *t = text_present(false, 0x61234567);
    const char *in = "add rule inet holdfast forward iifname \"hf*\" ct mark 0x61234567 ct status ! expected accept",
               *out = "add rule inet holdfast forward oifname \"hf*\" ct mark 0x61234567 ct status ! expected accept";
    HAS(t, in);
    HAS(t, out);
    cr_assert_lt(strstr(t, out), strstr(t, "forward iifname \"hf*\" jump leaving"), "first of all");
    cr_assert_eq(count(t, "accept\n"), 3, "%s", t);
    cr_assert_eq(count(t, "ct mark 0x61234567"), 2);
}

Test(rules, a_connection_that_has_anothers_mark_keeps_it)
{
    char *t = text_present(false, 0x61234567);
    HAS(t, "add rule inet holdfast remember ct direction original ct mark 0 ct mark set 0x61234567");
    HAS(t, "add rule inet holdfast remember ct direction original ct mark & 0xf0000000 == 0x60000000 ct mark set 0x61234567");
    cr_assert_eq(count(t, "mark set"), 2);
}

Test(rules, without_a_mark_none_is_looked_at_or_set)
{
    LACKS(text_present(true, 0), "mark");
    LACKS(text_of(table_only), "mark");
}

/* The next hop of what a server sends is judged, and who is sent something by the world is where it was. */
Test(rules, only_a_way_to_or_from_the_world_is_remembered)
{
    char *t = text_of(table_only);
    const char *rows[] = {
        "add rule inet holdfast pass ct status ! confirmed add @flows { iifname ct count over 16384 } goto refuse",
        "add rule inet holdfast pass oifname \"hf*\" accept", "add rule inet holdfast pass ip daddr 10.213.0.0/16 accept",
        "add rule inet holdfast pass ip6 daddr fd00::/48 accept", "add rule inet holdfast pass goto remember",
    };
    const char *at = t;
    for (size_t i = 0; i < countof(rows); i++) {
        HAS(t, rows[i]);
        cr_assert_geq(strstr(t, rows[i]), at, "out of order: %s", rows[i]);
        at = strstr(t, rows[i]);
    }
    HAS(t, "add rule inet holdfast welcome iifname \"hf*\" accept");
    HAS(t, "add rule inet holdfast to_server ct status dnat oifname . meta l4proto . th dport @open goto welcome");
    cr_assert_eq(count(t, "goto remember"), 2, "%s", t);
    cr_assert_eq(count(t, "goto welcome"), 1);
    LACKS(t, "to_host goto pass\n");
    HAS(t, "add rule inet holdfast to_host meta l4proto { 6, 17 } th dport { 53, 853 } goto resolver_host");
    HAS(t, "add rule inet holdfast resolver_host ip daddr @dns4 goto pass_host");
    LACKS(t, "resolver_host ip daddr @dns4 goto pass\n");
    LACKS(t, "pass_host goto remember");
}

Test(rules, packets_to_servers_meet_a_limit_only_where_there_is_one)
{
    LACKS(text_present(false, 0), "rate_down");
    HAS(text_present(true, 0), "add chain inet holdfast rate_down { type filter hook postrouting priority filter; policy accept; }");
}

/* ---- from one state to another ---- */

static void put_all(struct state *to)
{
    rules_common(&settings, to);
    rules_present(&settings, one.down != 0, 0, to);
    rules_server(&settings, &one, to);
}

Test(change, what_is_in_both_is_not_touched)
{
    struct state before = { 0 }, after = { 0 };
    one.up = 1 << 20;
    put_all(&before);
    put_all(&after);
    cr_assert_str_eq(way(&before, &after), "");
}

Test(change, a_chain_that_stays_is_never_deleted_and_its_elements_are_left_alone)
{
    struct state before = { 0 }, after = { 0 };
    one.up = 1 << 20;
    one.negress = 2;
    egress_parse("deny 192.0.2.0/24", &egress[0], NULL);
    egress_parse("deny 198.51.100.0/24", &egress[1], NULL);
    put_all(&before);
    one.negress = 1;
    one.up = 1 << 21;
    put_all(&after);
    cr_assert_str_eq(way(&before, &after),
                     "add chain inet holdfast rules_hf0ad50002\n"
                     "add chain inet holdfast up_hf0ad50002\n"
                     "flush chain inet holdfast rules_hf0ad50002\n"
                     "flush chain inet holdfast up_hf0ad50002\n"
                     "add rule inet holdfast rules_hf0ad50002 jump known\n"
                     "add rule inet holdfast rules_hf0ad50002 ct original ip daddr 192.0.2.0/24 goto refuse\n"
                     "add rule inet holdfast rules_hf0ad50002 goto beyond\n"
                     "add rule inet holdfast up_hf0ad50002 limit rate over 2097152 bytes/second burst 524288 bytes drop\n"
                     "add rule inet holdfast up_hf0ad50002 goto checked\n");
}

Test(change, a_mark_comes_and_goes_by_the_head_of_one_chain_and_the_whole_of_another)
{
    struct state before = { 0 }, after = { 0 };
    settings.pool[1] = (struct net){ 0 };
    settings.family[0].ours = false;
    rules_present(&settings, false, 0x61234567, &before);
    rules_present(&settings, false, 0, &after);
    cr_assert_str_eq(way(&before, &after),
                     "add chain inet holdfast forward { type filter hook forward priority filter; policy accept; }\n"
                     "add chain inet holdfast remember\n"
                     "flush chain inet holdfast forward\n"
                     "flush chain inet holdfast remember\n"
                     "add rule inet holdfast forward iifname \"hf*\" jump leaving\n"
                     "add rule inet holdfast forward oifname \"hf*\" jump to_server\n"
                     "add rule inet holdfast forward ip saddr 10.213.0.0/16 drop\n"
                     "add rule inet holdfast forward ip daddr 10.213.0.0/16 drop\n"
                     "add rule inet holdfast remember accept\n");
}

Test(change, chains_come_before_and_go_after_what_leads_to_them)
{
    struct state before = { 0 }, after = { 0 };
    one.up = 1 << 20;
    put_all(&before);
    one.up = 0;
    one.down = 1 << 20;
    put_all(&after);
    cr_assert_str_eq(way(&before, &after),
                     "add chain inet holdfast down_hf0ad50002\n"
                     "add chain inet holdfast rate_down { type filter hook postrouting priority filter; policy accept; }\n"
                     "flush chain inet holdfast up_hf0ad50002\n"
                     "delete element inet holdfast from4 { \"hf0ad50002\" . 10.213.0.2 }\n"
                     "delete element inet holdfast from6 { \"hf0ad50002\" . fd00::2 }\n"
                     "add element inet holdfast down { \"hf0ad50002\" : jump down_hf0ad50002 }\n"
                     "add element inet holdfast from4 { \"hf0ad50002\" . 10.213.0.2 : goto checked }\n"
                     "add element inet holdfast from6 { \"hf0ad50002\" . fd00::2 : goto checked }\n"
                     "add rule inet holdfast down_hf0ad50002 limit rate over 1048576 bytes/second burst 262144 bytes drop\n"
                     "add rule inet holdfast rate_down oifname \"hf*\" oifname vmap @down\n"
                     "delete chain inet holdfast up_hf0ad50002\n");
}

Test(change, a_map_that_leads_elsewhere)
{
    struct state before = { 0 }, after = { 0 };
    rules_server(&settings, &one, &before);
    net_parse("10.213.0.3", &one.inside[0], NULL);
    rules_server(&settings, &one, &after);
    char *t = way(&before, &after);
    HAS(t, "delete element inet holdfast ports4 { 17 . 25565, 6 . 25565 }");
    HAS(t, "add element inet holdfast ports4 { 17 . 25565 : 10.213.0.3, 6 . 25565 : 10.213.0.3 }");
    LACKS(t, "ports6");
}

/* ---- what the kernel lists ---- */

static const char listing[] =
    "table inet holdfast {\n"
    "\tcomment \"an admin's {\"\n"
    "\tset ifs {\n\t\ttype ifname\n\t\telements = { \"hf0ad50002\",\n\t\t\t     \"hf0ad50006\" }\n\t}\n\n"
    "\tset links {\n\t\ttype ifname . ifname\n\t\telements = { \"x\" . \"y\" comment \"a, } b\",\n\t\t\t     \"x\" . \"z\" }\n\t}\n\n"
    "\tset flows {\n\t\ttype ifname\n\t\tsize 65535\n\t\tflags dynamic\n\t\telements = { \"hf0ad50002\" ct count over 16384 }\n\t}\n\n"
    "\tset refused4 {\n\t\ttype ipv4_addr\n\t\tflags interval\n\t\telements = { 0.0.0.0/8, 9.0.0.0-9.0.0.5 }\n\t}\n\n"
    "\tmap down {\n\t\ttype ifname : verdict\n\t\telements = { \"hf0ad50002\" : jump down_hf0ad50002 }\n\t}\n\n"
    "\tmap host {\n\t\ttype ifname : verdict\n\t}\n\n"
    "\tchain input {\n\t\ttype filter hook input priority 0; policy accept;\n\t\tct state { 0x1, 0x2 } accept\n\t}\n\n"
    "\tchain stray {\n\t}\n\tcounter c {\n\t\tpackets 0 bytes 0\n\t}\n"
    "}\n";

static const struct entry *find(const struct state *s, const char *in, const char *key)
{
    for (size_t i = 0; i < s->n; i++)
        if (strcmp(s->v[i].in, in) == 0 && strcmp(s->v[i].key, key) == 0)
            return &s->v[i];
    return NULL;
}

Test(held, a_listing)
{
    struct state s = { 0 };
    struct err e = { 0 };
    cr_assert_eq(held_read(listing, rules_filled, &s, &e), 0, "%s %s", e.step, e.text);
    static const struct { const char *in, *key, *value; } rows[] = {
        { "set", "ifs", NULL }, { "ifs", "\"hf0ad50002\"", "" }, { "ifs", "\"hf0ad50006\"", "" }, { "set", "links", NULL }, { "set", "flows", NULL },
        { "set", "refused4", NULL }, { "refused4", "0.0.0.0/8", "" }, { "refused4", "9.0.0.0-9.0.0.5", "" }, { "map", "down", NULL },
        { "down", "\"hf0ad50002\"", "jump down_hf0ad50002" }, { "map", "host", NULL }, { "chain", "input", NULL }, { "chain", "stray", NULL },
        { "counter", "c", NULL },
    };
    cr_assert_eq(s.n, countof(rows));
    for (size_t i = 0; i < countof(rows); i++) {
        const struct entry *x = find(&s, rows[i].in, rows[i].key);
        cr_assert_not_null(x, "%s %s", rows[i].in, rows[i].key);
        cr_assert(rows[i].value ? x->value && strcmp(x->value, rows[i].value) == 0 : x->value == NULL, "%s", rows[i].key);
        cr_assert_eq(x->flush, strcmp(x->key, "links") == 0, "%s", x->key);
    }
}

Test(held, counts_that_packets_did_not_put_there)
{
    static const char *const bad[] = { "\"hf0\" ct count over 3", "\"hf0\"", " ct count over 16384", "\"a\" b ct count over 16384" };
    for (size_t i = 0; i < countof(bad); i++) {
        char text[200];
        struct state s = { 0 };
        snprintf(text, sizeof text, "table inet t {\n\tset flows {\n\t\tflags dynamic\n\t\telements = { %s }\n\t}\n}\n", bad[i]);
        cr_assert_eq(held_read(text, rules_filled, &s, NULL), 0);
        cr_assert(s.n == 1 && s.v[0].flush, "%s", bad[i]);
    }
}

Test(held, what_cannot_be_taken_out_by_its_name_is_an_error)
{
    static const char *const bad[] = {
        "table inet t {\n\tct helper x {\n\t}\n}\n", "table inet t {\n\tchain a b {\n\t}\n}\n", "table inet t {\n\tchain a; {\n\t}\n}\n",
        "table inet t {\n\tchain {\n\t}\n}\n", "table inet t {\n\tset a {\n", "table inet t {\n\t{\n\t}\n}\n",
    };
    for (size_t i = 0; i < countof(bad); i++) {
        struct state s = { 0 };
        struct err e = { 0 };
        cr_assert_eq(held_read(bad[i], rules_filled, &s, &e), -1, "%s", bad[i]);
    }
}

Test(held, from_it_to_what_ought_to_be)
{
    struct state held = { 0 }, after = { 0 };
    cr_assert_eq(held_read(listing, rules_filled, &held, NULL), 0);
    one.down = 1 << 20;
    put_all(&after);
    char *t = way(&held, &after);
    HAS(t, "delete element inet holdfast ifs { \"hf0ad50006\" }");
    HAS(t, "flush set inet holdfast links");
    HAS(t, "delete element inet holdfast refused4 { 9.0.0.0-9.0.0.5 }");
    HAS(t, "flush chain inet holdfast stray");
    HAS(t, "delete chain inet holdfast stray");
    HAS(t, "delete counter inet holdfast c");
    HAS(t, "add chain inet holdfast input { type filter hook input priority filter; policy accept; }");
    LACKS(t, "delete chain inet holdfast input");
    LACKS(t, "add element inet holdfast ifs");
    LACKS(t, "element inet holdfast down");
    LACKS(t, "flush set inet holdfast flows");
    LACKS(t, "flush table");
}

/* ---- messages ---- */

static struct msg received;

/* As it would come from the supervisor. */
static void put_server(struct msg *m, const char *interface, const char *inside, const char *inside6, uint32_t port, const char *link,
                       const char *net)
{
    msg_begin(m, FILTER_SET, 1);
    msg_put_str(m, "one");
    msg_put_str(m, interface);
    msg_put_str(m, inside);
    msg_put_str(m, inside6);
    msg_put_u32(m, 1);
    msg_put_u32(m, port);
    msg_put_u32(m, 0);
    msg_put_u32(m, 1);
    msg_put_str(m, link);
    msg_put_u32(m, 1);
    msg_put_u32(m, 1);
    msg_put_str(m, net);
    msg_put_u32(m, 80);
    msg_put_u32(m, 80);
    msg_put_u32(m, 6);
    msg_put_u64(m, 0);
    msg_put_u64(m, 0);
}

static struct server *through(struct msg *m, struct err *e)
{
    int pair[2];
    cr_assert_eq(io_pair(pair), 0);
    cr_assert_eq(msg_send(pair[0], m), 0);
    msg_free(m);
    cr_assert_eq(msg_recv(pair[1], &received), 1);
    close(pair[0]);
    close(pair[1]);
    return read_server(&received, e);
}

Test(rules, a_message_is_a_server)
{
    struct msg m;
    struct err e = { 0 };
    put_server(&m, "hf0ad50002", "10.213.0.2", "fd00::2", 25565, "hf0ad5000a", "10.0.0.0/8");
    struct server *v = through(&m, &e);
    cr_assert_not_null(v, "%s %s", e.step, e.text);
    cr_assert_str_eq(v->interface, "hf0ad50002");
    cr_assert_eq(v->ports[0].port, 25565);
    server_free(v);
}

Test(rules, nothing_that_is_not_what_it_should_be_gets_into_the_text)
{
    static const char *const names[] = {
        "", "hf\" drop", "hf0\n", "hf0 }", "hf0;", "hf*", "hf0ad50002hf0ad50002", "HF0", "hf-0", "hf.0", "hf0\\", "../hf0", "hf0$x", "@ifs",
        "eth0", "h",   /* rules look for servers where names begin with hf */
    };
    static const char *const addresses[] = {
        "", "10.213.0.2/24", "0.0.0.0/0", "fd00::2", "10.213.0.2 }", "10.213.0.2, 0.0.0.0", "$x", "@refused4", "10.213.0.2\nflush ruleset",
    };
    struct msg m;
    struct err e = { 0 };
    for (size_t i = 0; i < countof(names); i++) {
        put_server(&m, names[i], "10.213.0.2", "", 1, "hf1", "::/0");
        cr_assert_null(through(&m, &e), "interface '%s'", names[i]);
        put_server(&m, "hf0", "10.213.0.2", "", 1, names[i], "::/0");
        cr_assert_null(through(&m, &e), "link '%s'", names[i]);
    }
    for (size_t i = 0; i < countof(addresses); i++) {
        put_server(&m, "hf0", addresses[i], "", 1, "hf1", "::/0");
        cr_assert_null(through(&m, &e), "inside '%s'", addresses[i]);
    }
    put_server(&m, "hf0", "10.213.0.2", "10.213.0.3", 1, "hf1", "::/0");
    cr_assert_null(through(&m, &e), "inside6");
    put_server(&m, "hf0", "10.213.0.2", "", 65536 + 80, "hf1", "::/0");
    cr_assert_null(through(&m, &e), "port");
    put_server(&m, "hf0", "10.213.0.2", "", 80, "hf1", "::/0 accept");
    cr_assert_null(through(&m, &e), "egress");
}
