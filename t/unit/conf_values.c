/* Every type of value, what is refused of each, and words. */
#include "t/unit/conf_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rights.h"

Test(conf, defaults)
{
    conf_init(&c);
    cr_assert_eq(c.limits.login_grace, 20000);
    cr_assert_eq(c.limits.connections, 512);
    cr_assert_str_eq(c.paths.run, "/run/holdfast");
    cr_assert_str_eq(c.paths.libexec, "");
    cr_assert_eq(c.network.dns.n, 2);
    cr_assert_str_eq(c.network.dns.v[1], "8.8.8.8");
    cr_assert_eq(c.sandbox.limits, LIMITS_REQUIRED);
    cr_assert_eq(c.log.level, 2);
    conf_free(&c);
}

Test(conf, sizes)
{
    uint64_t v = 7;
    static const struct { const char *text; uint64_t value;
    } good[] = {
        {"0", 0}, {"4096", 4096}, {"1K", 1024}, {"512M", 512ULL << 20}, {"10G", 10ULL << 30}, {"2T", 2ULL << 40},
    };
    static const char *const bad[] = {"",
                                      "M",
                                      "-1",
                                      "+1",
                                      "1.5G",
                                      "1 G",
                                      "1GB",
                                      "1g",
                                      "0x10",
                                      "18446744073709551616",
                                      "18446744073709551615",
                                      "99999999999T",
                                      "9223372036854775807",
                                      " 1"};
    for (size_t i = 0; i < countof(good); i++) {
        cr_expect_eq(conf_size(good[i].text, &v), 0, "%s", good[i].text);
        cr_expect_eq(v, good[i].value, "%s", good[i].text);
    }
    for (size_t i = 0; i < countof(bad); i++)
        cr_expect_eq(conf_size(bad[i], &v), -1, "%s", bad[i]);
}

Test(conf, times)
{
    uint64_t v;
    static const struct { const char *text; uint64_t value; } good[] = {
        { "250ms", 250 }, { "30s", 30000 }, { "10m", 600000 }, { "1h", 3600000 }, { "1000d", 86400000000 }, { "0s", 0 },
    };
    static const char *const bad[] = { "", "30", "s", "-1s", "1001d", "1h30m", "1 s", "1S", "99999999999999999999s" };
    for (size_t i = 0; i < countof(good); i++) {
        cr_expect_eq(conf_time(good[i].text, &v), 0, "%s", good[i].text);
        cr_expect_eq(v, good[i].value, "%s", good[i].text);
    }
    for (size_t i = 0; i < countof(bad); i++)
        cr_expect_eq(conf_time(bad[i], &v), -1, "%s", bad[i]);
}

Test(conf, processors)
{
    static const struct { const char *text, *same; } all[] = {
        { "0", "0" }, { "0-3,6", "0-3,6" }, { "6,0,1", "0-1,6" }, { "0-70,65-128", "0-128" }, { "8191", "8191" }, { "0-8191", "0-8191" },
        { "63,64", "63-64" }, { "1-1", "1" },
    };
    struct conf_cpus a, b, rest;
    for (size_t i = 0; i < countof(all); i++) {
        cr_assert_eq(conf_cpus(all[i].text, &a), 0);
        FREE_MEM char *text = conf_cpus_text(&a);
        cr_expect_str_eq(text, all[i].same);
    }
    conf_cpus("2-5", &a);
    conf_cpus("0-3", &b);
    cr_assert(conf_cpus_without(&a, &b, &rest));
    FREE_MEM char *text = conf_cpus_text(&rest);
    cr_expect_str_eq(text, "4-5");
    conf_cpus("2", &a);
    cr_assert_not(conf_cpus_without(&a, &b, &rest));
}

Test(conf, values_are_taken)
{
    begin();
    set("limits", "login_grace", "90s");
    set("log", "level", "debug");
    set("network", "dns", "::1");
    set("listen", "address", "[::]:22");
    set("listen", "address", "10.0.0.1:2200");
    set("account a", "key", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEm7L1ogRSdZM9RSFigiJNaTU23QboImlz8jgA7tkc/T me@here");
    set("account b", "suspended", "yes");
    set("server z", "owner", "a");
    set("server z", "command", "./x 'a b' \"c ; d\"");
    set("server z", "cpu", "150%");
    set("server z", "cpu_burst", "150ms");
    set("server z", "memory_reservation", "1G");
    set("server z", "cpuset", "0-1,63");
    set("server z", "port", "25565/tcp");
    set("server z", "port", "25565/udp");
    set("server z", "allow", "b: console files.read");
    set("server z", "stop", "signal:SIGINT");
    set("server z", "ready", "line:\"Done ; (\"");
    set("server y", "owner", "a");
    set("server y", "command", "y");
    set("server y", "ready", "tcp:80");
    set("server y", "success_exit", "  143 3\tSIGUSR1 SIGTERM ");
    set("server y", "restart_tries", "0");
    set("server z", "watchdog", "30s");
    set("server y", "stop", "line:stop");
    finish();
    no_errors();
    cr_assert_eq(c.limits.login_grace, 90000);
    cr_assert_eq(c.log.level, 3);
    cr_assert_eq(c.network.dns.n, 1);
    cr_assert_eq(c.listen.address.n, 2);
    cr_assert_eq(c.ids.store, 901);
    cr_assert_eq(c.nservers, 2);
    cr_assert_str_eq(c.servers[0].name, "y");
    const struct conf_server *z = conf_server(&c, "z");
    cr_assert_eq(z->cpu, 150);
    cr_assert_eq(z->port.n, 2);
    cr_assert(z->port.v[1].udp && z->port.v[1].port == 25565);
    cr_assert_eq(z->allow.v[0].rights, RIGHT_STATUS | RIGHT_CONSOLE | RIGHT_FILES_READ);
    cr_assert(z->stop.kind == HOW_SIGNAL && z->stop.number == 2);
    cr_assert_str_eq(z->ready.text, "Done ; (");
    cr_assert(c.servers[0].ready.kind == HOW_TCP && c.servers[0].ready.number == 80);
    cr_assert_str_eq(z->where, "f:7");
    cr_assert_eq(conf_account(&c, "b")->suspended, CONF_YES);
    cr_assert_null(conf_account(&c, "nobody"));
    end();
}

Test(conf, bad_limits)
{
    static const char *const cpusets[] = { "-1", "1-", "1,", ",1", "3-1", "0 1", "0-1,x", "8192", "0-8192", "99999999999999999999", "all" };
    for (size_t i = 0; i < countof(cpusets); i++)
        refused("server s", "cpuset", cpusets[i], "numbers below 8192 and ranges of them");
    refused("server s", "cpu_burst", "10", "ms, s, m, h or d");
    refused("server s", "io_write", "10m", "whole number");
    refused("server s", "io_read_ops", "1000000001", "0 to 1000000000");
}

Test(conf, bad_values_of_the_daemon)
{
    refused("limits", "login_grace", "30", "ms, s, m, h or d");
    refused("limits", "max_connections", "0", "1 to 10000");
    refused("limits", "max_connections", "10001", "1 to 10000");
    refused("limits", "max_connections", "4294967296", "whole number");
    refused("limits", "max_connections", "-1", "whole number");
    refused("limits", "max_connections", "99999999999999999999999", "whole number");
    refused("log", "level", "loud", "error | warn | info | debug");
    refused("log", "level", "war", "error | warn | info | debug");
    refused("log", "level", "", "error | warn | info | debug");
    refused("paths", "run", "run", "absolute path");
    refused("paths", "run", "", "absolute path");
    refused("paths", "state", "/a/../b", "'..'");
    refused("ids", "sessions", "0", "1 to");
    refused("network", "pool", "10.0.0.0", "IPv4 network");
    refused("network", "pool", "10.0.0.1/16", "bits set");
    refused("network", "pool", "10.0.0.0/31", "8 to 30");
    refused("network", "dns", "one.one", "IP address");
    refused("network", "pool6", "10.0.0.0/8", "IPv6 ADDRESS/BITS");
    refused("network", "pool6", "fd00::/8", "16 to 120");
    refused("network", "pool6", "fd00::1/64", "bits set");
    refused("network", "publish", "203.0.113.0/24", "IP address");
    refused("network", "forward", "maybe", "yes | no");
    refused("network", "table", "filter", "must begin with holdfast");
    refused("network", "table", "holdfast; flush ruleset", "must begin with holdfast");
    refused("listen", "address", "localhost:22", "no address in numbers");
    refused("listen", "address", "127.0.0.1", "ADDRESS:PORT");
    refused("listen", "address", "127.0.0.1:0", "1 to 65535");
    refused("listen", "address", "127.0.0.1:65536", "1 to 65535");
    refused("listen", "address", "::1:22", "address in numbers");
}

Test(conf, bad_values_of_accounts_and_servers)
{
    refused("server s", "egress", "permit 1.2.3.4", "must begin with 'allow '");
    refused("server s", "egress", "allow 10.0.0.1/8", "bits set");
    refused("server s", "egress", "allow 10.0.0.0/8:0", "1 to 65535");
    refused("server s", "egress", "allow 10.0.0.0/8; accept", "0 to 32");
    refused("server s", "link", "A b", "name of a server");
    refused("server s", "net_up", "fast", "whole number");
    refused("account a", "key", "ssh-dss AAAA", "key's type");
    refused("account a", "key", "no-pty ssh-dss AAAA", "with options and then the type");
    refused("account a", "key", "no-pty ssh-ed25519 AAAA", "damaged or cut off");
    refused("account a", "key", "no-pty", "with options and then the type");
    refused("account a", "key", "command=\"a b ssh-ed25519 AAAA", "with options and then the type");
    refused("account a", "key", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEm7L1ogRSdZM9RS!", "damaged");
    refused("account a", "key", "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIEm7L1ogRSdZM9RSFigiJNaTU23QboImlz8jgA7tkc/T", "damaged");
    refused("account a", "second_factor", "sms", "none | totp");
    refused("server s", "owner", "A b", "1 to 32 of");
    refused("server s", "command", "sh -c 'x", "without its end");
    refused("server s", "command", "a | b", "unquoted '|'");
    refused("server s", "command", "", "program and arguments");
    refused("server s", "command", "''", "program and arguments");
    refused("server s", "environment", "1A=b", "NAME=VALUE");
    refused("server s", "environment", "AB", "NAME=VALUE");
    refused("server s", "memory", "1.5G", "whole number");
    refused("server s", "memory", "1K", "at least 1M");
    refused("server s", "memory", "99999999999999G", "whole number");
    refused("server s", "cpu", "150", "and %");
    refused("server s", "cpu", "0%", "1 to 100000");
    refused("server s", "cpu_weight", "10001", "1 to 10000");
    refused("server s", "port", "80", "/tcp or /udp");
    refused("server s", "port", "0/tcp", "1 to 65535");
    refused("server s", "port", "65536/udp", "1 to 65535");
    refused("server s", "port", "80/sctp", "/tcp or /udp");
    refused("server s", "allow", "b", "ACCOUNT: RIGHT");
    refused("server s", "allow", "b: fly", "'fly' is no right");
    refused("server s", "allow", "b:", "no right named");
    refused("server s", "allow", "b: -kill", "no right named");
    refused("server s", "allow", "b: operator -fly", "'-fly' is no right; allowed: status ");
    refused("account a", "rights", "reader", "'reader' is no right; allowed: status ");
    refused("account a", "rights", "", "no right named");
    refused("server s", "stop", "tcp:80", "line:TEXT | signal:NAME");
    refused("server s", "stop", "none", "line:TEXT | signal:NAME");
    refused("server s", "stop", "signal:NOPE", "no signal 'NOPE'");
    refused("server s", "stop", "signal:0", "no signal");
    refused("server s", "stop", "line:", "empty");
    refused("server s", "ready", "nonesuch", "line:TEXT | tcp:PORT | notify | none");
    refused("server s", "ready", "tcp:70000", "1 to 65535");
    refused("server s", "ready", "signal:TERM", "line:TEXT | tcp:PORT | notify | none");
    refused("server s", "ready", "notify:", "line:TEXT | tcp:PORT | notify | none");
    refused("server s", "ready", "notify me", "line:TEXT | tcp:PORT | notify | none");
    refused("server s", "stop", "notify", "line:TEXT | signal:NAME");
    refused("server s", "success_exit", "256", "'256' is no exit code and no signal");
    refused("server s", "success_exit", "0 TERM", "'TERM' is no exit code and no signal");
    refused("server s", "success_exit", "SIGNONE", "'SIGNONE' is no exit code and no signal");
    refused("server s", "success_exit", "1,2", "'1,2' is no exit code and no signal");
    refused("server s", "success_exit", "-1", "'-1' is no exit code and no signal");
    refused("server s", "success_exit", "99999999999999999999999999999999", "is no exit code and no signal");
    refused("server s", "restart_tries", "101", "0 to 100");
}

Test(conf, ready_by_notify_is_printed_as_it_is_read)
{
    begin();
    set("account a", "password", "yes");
    set("server y", "owner", "a");
    set("server y", "command", "y");
    set("server y", "ready", "notify");
    set("server y", "success_exit", "SIGTERM 200 7");
    finish();
    no_errors();
    const struct conf_server *y = conf_server(&c, "y");
    cr_assert_eq(y->ready.kind, HOW_NOTIFY);
    FREE_MEM char *text = conf_text(&c);
    cr_assert_not_null(strstr(text, "\nready = notify\n"));
    cr_assert_not_null(strstr(text, "\nsuccess_exit = 0 7 200 SIGTERM\n"));
    static const struct { uint32_t code, signal; bool clean; } ends[] = {
        { 0, 0, true }, { 7, 0, true }, { 200, 0, true }, { 1, 0, false }, { 39, 0, false }, { 256, 0, false }, { 0, 15, true }, { 0, 9, false },
        { 7, 9, false }, { 0, 79, false }, { UINT32_MAX, 0, false }, { 0, UINT32_MAX, false },
    };
    for (size_t i = 0; i < countof(ends); i++)
        cr_expect_eq(conf_exit_clean(&y->success_exit, ends[i].code, ends[i].signal), ends[i].clean, "end %zu", i);
    end();
}

/* Words with a comma and a blank in them, and a server's own, "" being the node's. */
Test(conf, quota_words)
{
    static const struct { const char *node, *server, *word; } rows[] = {
        { "auto", "", "auto" }, { "none, unsafe", "", "none" }, { "image", "btrfs", "btrfs" }, { "project", "none, unsafe", "none" },
        { "zfs", "auto", "auto" }, { "none, unsafe", "fuse", "fuse" },
    };
    for (size_t i = 0; i < countof(rows); i++) {
        begin();
        set("quota", "backend", rows[i].node);
        set("account a", "own_keys", "yes");
        set("server x", "owner", "a");
        set("server x", "command", "x");
        set("server x", "quota", rows[i].server);
        finish();
        no_errors();
        cr_expect_str_eq(conf_backend(&c, conf_server(&c, "x")), rows[i].word);
        FREE_MEM char *text = conf_text(&c), *node = mem_fmt("backend = %s\n", rows[i].node), *own = mem_fmt("quota = %s\n", rows[i].server);
        cr_expect(strstr(text, node) && strstr(text, own), "%s %s", node, own);
        end();
    }
    static const char *const bad[] = { "none", "unsafe", "none,unsafe", "none, ", "image, unsafe", "", "AUTO", "auto |" };
    for (size_t i = 0; i < countof(bad); i++)
        refused("quota", "backend", bad[i], "none, unsafe");
    refused("server x", "quota", "none", "none, unsafe");
}

Test(conf, what_is_denied)
{
    static const char *const good[] = { "*.pem", "/top", "keys/*.key", "a b", "[a-c]?", "\\{x", "x\\\\", ".*", "*", "a..b" };
    static const struct { const char *value, *words; } bad[] = {
        { "/", "no name before" }, { "a/", "no name before" }, { "a//b", "no name before" }, { "//a", "no name before" },
        { ".", "'.' and '..'" }, { "../x", "'.' and '..'" }, { "a/./b", "'.' and '..'" }, { "a/..", "'.' and '..'" },
        { "**/x", "'**' is not known" }, { "[ab", "without its ']'" }, { "[a/b]", "without its ']'" }, { "x\\", "nothing behind it" },
        { "\" x\"", "a space in front" }, { "'x '", "a space in front" }, { "a\tb", "control" }, { "*.{pem,key}", "a line each" },
    };
    for (size_t i = 0; i < countof(bad); i++) {
        refused("server s", "deny", bad[i].value, bad[i].words);
        refused("server s", "deny", bad[i].value, "pattern of names");
    }
    begin();
    set("account a", "password", "no");
    set("server s", "owner", "a");
    set("server s", "command", "x");
    for (size_t i = 0; i < countof(good); i++)
        set("server s", "deny", good[i]);
    finish();
    no_errors();
    const struct conf_server *s = conf_server(&c, "s");
    cr_assert_eq(s->deny.n, countof(good));
    for (size_t i = 0; i < countof(good); i++)
        cr_assert_str_eq(s->deny.v[i], good[i]);
    end();
}

typedef int words_fn(const char *text, char ***words, const char **why);

static void words_by(words_fn *fn, const char *text, const char *joined)
{
    char **w, all[256] = "";
    const char *why;
    cr_assert_eq(fn(text, &w, &why), 0, "%s: %s", text, why);
    for (size_t i = 0; w[i]; i++)
        snprintf(all + strlen(all), sizeof all - strlen(all), "<%s>", w[i]);
    cr_expect_str_eq(all, joined);
    conf_words_free(w);
}

static void words_are(const char *text, const char *joined) { words_by(conf_words, text, joined); }
static void marked_are(const char *text, const char *joined) { words_by(conf_words_marked, text, joined); }

Test(words, quoting)
{
    words_are("", "");
    words_are("  a \t b\n", "<a><b>");
    words_are("'a b'c\"d e\"", "<a bcd e>");
    words_are("''", "<>");
    words_are("a '' b", "<a><><b>");
    words_are("\"a\\\"b\\\\c\\d\"", "<a\"b\\c\\d>");
    words_are("'a\\b'", "<a\\b>");
    words_are("a\\ b \\; \\'", "<a b><;><'>");
    words_are("\"$(x) `y` $z\" '|;&<>'", "<$(x) `y` $z><|;&<>>");
    words_are("$HOME * ~ # (x)", "<$HOME><*><~><#><(x)>");
}

Test(words, marked)
{
    marked_are("a 'b c' d\\ e", "<a><b c><d e>");
    marked_are("* '*' \"*\" \\*", "<*><\\*><\\*><\\*>");
    marked_are("~ '~' [a-b] '[!^-]'", "<~><\\~><[a-b]><\\[\\!\\^\\-\\]>");
    marked_are("\\\\ '\\' \"a\\b\" \"\\\\\"", "<\\\\><\\\\><a\\\\b><\\\\>");
    marked_are("'****************'", "<\\*\\*\\*\\*\\*\\*\\*\\*\\*\\*\\*\\*\\*\\*\\*\\*>");
}

Test(words, refused)
{
    static const char *const bad[] = {"a|b",  "a > b", "a<b", "a;b", "a&",          "`a`",
                                      "$(a)", "'a",    "\"a", "a\\", "x \"$(y)\" ;"};
    char **w;
    const char *why;
    for (size_t i = 0; i < countof(bad); i++) {
        cr_expect_eq(conf_words(bad[i], &w, &why), -1, "%s", bad[i]);
        cr_expect(why && *why, "%s", bad[i]);
    }
}
