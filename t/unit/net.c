/* Networks and egress rules as text. */
#include <arpa/inet.h>
#include <criterion/criterion.h>

#include "base/mem.h"
#include "base/net.h"

Test(net, texts_that_are_networks)
{
    static const struct { const char *text, *same; } good[] = {
        { "10.0.0.0/8", "10.0.0.0/8" }, { "1.2.3.4", "1.2.3.4/32" }, { "0.0.0.0/0", "0.0.0.0/0" }, { "::/0", "::/0" },
        { "2001:db8::1", "2001:db8::1/128" }, { "fc00::/7", "fc00::/7" }, { "::ffff:1.2.3.4", "::ffff:1.2.3.4/128" },
    };
    for (size_t i = 0; i < countof(good); i++) {
        struct net n;
        char text[NET_TEXT];
        cr_assert_eq(net_parse(good[i].text, &n, NULL), 0, "%s", good[i].text);
        cr_assert_str_eq(net_text(&n, text), good[i].same);
    }
}

Test(net, texts_that_are_not)
{
    static const char *const bad[] = {
        "", "/", "1.2.3", "1.2.3.4/", "1.2.3.4/33", "10.0.0.1/8", "::1/129", "fc00::1/7", "host", "1.2.3.4/8 drop", "1.2.3.4;", "1.2.3.4/-1",
        "1.2.3.4/4294967328", "01.2.3.4", "[::1]", "::1%lo", "1.2.3.4\n", "0x7f.1", "127.1",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    };
    for (size_t i = 0; i < countof(bad); i++) {
        struct net n;
        struct err e = { 0 };
        cr_assert_eq(net_parse(bad[i], &n, &e), -1, "'%s' was taken", bad[i]);
        cr_assert_neq(e.text[0], '\0');
    }
}

Test(net, addresses_of_a_pool)
{
    struct net n;
    char text[INET6_ADDRSTRLEN];
    net_parse("fd00:1::/48", &n, NULL);
    cr_assert_str_eq(net_address6(&n, 0x12345, text), "fd00:1::1:2345");
    net_parse("fd00:1::/120", &n, NULL);
    cr_assert_str_eq(net_address6(&n, 255, text), "fd00:1::ff");
    cr_assert_str_eq(net_address6(&n, 256, text), "", "past the end of the pool");
}

Test(egress, forms)
{
    static const struct { const char *text; bool allow; const char *net; unsigned low, high, protocol; } good[] = {
        { "allow 10.0.0.5:3306/tcp", true, "10.0.0.5/32", 3306, 3306, 6 }, { "deny 0.0.0.0/0", false, "0.0.0.0/0", 0, 0, 0 },
        { "deny 1.2.3.0/24:1-1024", false, "1.2.3.0/24", 1, 1024, 0 }, { "deny 1.2.3.0/24/udp", false, "1.2.3.0/24", 0, 0, 17 },
        { "allow [2001:db8::/32]:443/udp", true, "2001:db8::/32", 443, 443, 17 }, { "allow 2001:db8::/32", true, "2001:db8::/32", 0, 0, 0 },
        { "allow [2001:db8::1]", true, "2001:db8::1/128", 0, 0, 0 }, { "allow   1.2.3.4:65535", true, "1.2.3.4/32", 65535, 65535, 0 },
        { "deny ::/0/tcp", false, "::/0", 0, 0, 6 },
    };
    for (size_t i = 0; i < countof(good); i++) {
        struct egress r;
        char text[NET_TEXT];
        cr_assert_eq(egress_parse(good[i].text, &r, NULL), 0, "%s", good[i].text);
        cr_assert_eq(r.allow, good[i].allow, "%s", good[i].text);
        cr_assert_str_eq(net_text(&r.net, text), good[i].net);
        cr_assert(r.low == good[i].low && r.high == good[i].high && r.protocol == good[i].protocol, "%s", good[i].text);
    }
    static const char *const bad[] = {
        "", "allow", "allow ", "permit 1.2.3.4", "deny 1.2.3.4:0", "deny 1.2.3.4:65536", "deny 1.2.3.4:5-4", "deny 1.2.3.4:5-", "deny 1.2.3.4:",
        "deny 1.2.3.4:1,2", "deny 1.2.3.4:80/icmp", "deny [::1:80", "deny [::1]80", "deny any", "deny 10.0.0.1/8", "deny 1.2.3.4 accept",
        "allow 1.2.3.4:80/tcp; flush ruleset", "allow 1.2.3.4:80 }", "allow\n1.2.3.4",
    };
    for (size_t i = 0; i < countof(bad); i++) {
        struct egress r;
        cr_assert_eq(egress_parse(bad[i], &r, NULL), -1, "'%s' was taken", bad[i]);
    }
}
