/* Every type of value, each rule that spans values, words, and the text that is read back. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/conf_table.h"
#include "base/mem.h"
#include "base/rights.h"
#include "sshd/supervisor/ini.h"

static struct conf c;
static struct conf_errors errors;
static struct conf_reader *reader;

static void begin(void)
{
    conf_init(&c);
    errors = (struct conf_errors){ 0 };
    reader = conf_reader_new(&c, &errors);
    /* The machine of a test has no users of ours. */
    conf_reader_set(reader, CONF_FILE_DAEMON, "d:1", "ids", "store", "901");
    conf_reader_set(reader, CONF_FILE_DAEMON, "d:2", "ids", "shim", "902");
    conf_reader_set(reader, CONF_FILE_DAEMON, "d:3", "ids", "filter", "903");
}

static void end(void)
{
    conf_free(&c);
    conf_errors_free(&errors);
}

static void set(const char *section, const char *key, const char *value)
{
    static const struct { const char *word; enum conf_file file; } files[] = {
        { "account", CONF_FILE_ACCOUNTS }, { "server", CONF_FILE_SERVERS },
    };
    enum conf_file file = CONF_FILE_DAEMON;
    for (size_t i = 0; i < countof(files); i++)
        if (strncmp(section, files[i].word, strlen(files[i].word)) == 0)
            file = files[i].file;
    conf_reader_set(reader, file, "f:7", section, key, value);
}

static void finish(void)
{
    conf_reader_end(reader);
}

static void no_errors(void)
{
    for (size_t i = 0; i < errors.n; i++)
        cr_log_error("%s", errors.v[i]);
    cr_assert_eq(errors.n, 0);
}

static bool said(const char *part)
{
    for (size_t i = 0; i < errors.n; i++)
        if (strstr(errors.v[i], part))
            return true;
    for (size_t i = 0; i < errors.n; i++)
        cr_log_warn("%s", errors.v[i]);
    return false;
}

/* One value that must be refused, the words to be said, and that nothing else is. */
static void refused(const char *section, const char *key, const char *value, const char *words)
{
    begin();
    set("account a", "password", "no");
    if (strncmp(section, "server ", 7) == 0) {
        if (strcmp(key, "owner") != 0)
            set(section, "owner", "a");
        if (strcmp(key, "command") != 0)
            set(section, "command", "x");
    }
    set(section, key, value);
    size_t now = errors.n;
    cr_expect_eq(now, 1, "%s = %s: %zu errors", key, value, now);
    cr_expect(said(words), "%s = %s: not said: %s", key, value, words);
    cr_expect(said("f:7: "), "%s = %s: the place is not said", key, value);
    finish();
    end();
}

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
    set("server z", "port", "25565/tcp");
    set("server z", "port", "25565/udp");
    set("server z", "allow", "b: console files.read");
    set("server z", "stop", "signal:SIGINT");
    set("server z", "ready", "line:\"Done ; (\"");
    set("server y", "owner", "a");
    set("server y", "command", "y");
    set("server y", "ready", "tcp:80");
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

Test(conf, bad_values)
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
    refused("listen", "address", "localhost:22", "no address in numbers");
    refused("listen", "address", "127.0.0.1", "ADDRESS:PORT");
    refused("listen", "address", "127.0.0.1:0", "1 to 65535");
    refused("listen", "address", "127.0.0.1:65536", "1 to 65535");
    refused("listen", "address", "::1:22", "address in numbers");
    refused("account a", "key", "ssh-dss AAAA", "key's type");
    refused("account a", "key", "no-pty ssh-ed25519 AAAA", "options in front");
    refused("account a", "key", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEm7L1ogRSdZM9RS!", "damaged");
    refused("account a", "key", "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIEm7L1ogRSdZM9RSFigiJNaTU23QboImlz8jgA7tkc/T",
            "damaged");
    refused("account a", "second_factor", "totp", "none");
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
    refused("server s", "stop", "tcp:80", "line:TEXT | signal:NAME");
    refused("server s", "stop", "none", "line:TEXT | signal:NAME");
    refused("server s", "stop", "signal:NOPE", "no signal 'NOPE'");
    refused("server s", "stop", "signal:0", "no signal");
    refused("server s", "stop", "line:", "empty");
    refused("server s", "ready", "nonesuch", "line:TEXT | tcp:PORT | none");
    refused("server s", "ready", "tcp:70000", "1 to 65535");
    refused("server s", "ready", "signal:TERM", "line:TEXT | tcp:PORT | none");
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

Test(conf, unknown_words_name_the_nearest)
{
    refused("limit", "x", "1", "did you mean 'limits'?");
    refused("limits", "login_grac", "1s", "did you mean 'login_grace'?");
    refused("limits", "zzz", "1s", "allowed: login_grace max_unauthenticated");
    refused("server", "owner", "a", "has no name");
    refused("server A", "owner", "a", "bad name");
    refused("limits x", "handles", "3", "takes no name");
    /* A section of another file is unknown here. */
    begin();
    conf_reader_set(reader, CONF_FILE_ACCOUNTS, "a:1", "server x", "owner", "a");
    cr_assert(said("unknown section 'server'; allowed: account"));
    conf_reader_set(reader, CONF_FILE_ACCOUNTS, "a:2", "server x", "command", "a");
    cr_assert_eq(errors.n, 1, "a bad section is said once");
    finish();
    end();
}

Test(conf, given_twice)
{
    begin();
    set("log", "level", "info");
    set("log", "level", "warn");
    cr_assert(said("'level' is given twice, first at f:7"));
    conf_reader_section(reader, CONF_FILE_ACCOUNTS, "a:1", "account a");
    conf_reader_section(reader, CONF_FILE_ACCOUNTS, "a:2", "account a");
    cr_assert(said("a:2: section [account a] is given twice, first at a:1"));
    cr_assert_eq(c.log.level, 2, "the first stays");
    cr_assert_eq(c.naccounts, 1);
    finish();
    end();
}

Test(conf, what_spans_sections)
{
    begin();
    set("limits", "penalty_min", "11m");
    set("ids", "sessions", "1900019500");
    set("account a", "password", "no");
    set("server s", "command", "x");
    set("server t", "owner", "nobody");
    set("server t", "command", "x");
    set("server t", "allow", "ghost: start");
    set("server t", "port", "80/tcp");
    set("server u", "owner", "a");
    set("server u", "command", "x");
    set("server u", "port", "80/tcp");
    set("server u", "memory_high", "2G");
    set("server u", "allow", "a: start");
    set("server backups", "owner", "a");
    set("server backups", "command", "x");
    set("server layers", "owner", "a");
    set("server layers", "command", "x");
    set("server v.img", "owner", "a");
    set("server v.img", "command", "x");
    set("server v.img", "network", "none");
    set("server v.img", "port", "81/tcp");
    cr_assert_eq(errors.n, 0);
    finish();
    static const char *const wanted[] = {
        "'penalty_min' is more than 'penalty_max'",
        "and of servers (from 1900019712) meet",
        "[server s] has no 'owner'",
        "owner 'nobody' of server 't' is no account",
        "'ghost', allowed on server 't', is no account",
        "port 80/tcp of server 'u' is taken by server 't'",
        "'memory_high' of server 'u' is more than its 'memory'",
        "'a' owns server 'u'",
        "must not end in .img",
        "cannot be named 'backups'; allowed: any other name than backups, layers",
        "cannot be named 'layers'",
        "has ports but network = none",
    };
    for (size_t i = 0; i < countof(wanted); i++)
        cr_expect(said(wanted[i]), "%s", wanted[i]);
    cr_expect_eq(errors.n, countof(wanted));
    end();
}

Test(conf, users)
{
    begin();
    finish();
    no_errors();
    end();

    conf_init(&c);
    errors = (struct conf_errors){ 0 };
    reader = conf_reader_new(&c, &errors);
    set("ids", "store", "no-such-user");
    set("ids", "shim", "0");
    finish();
    cr_assert(said("'no-such-user' of 'store': no user of this name in /etc/passwd: create it, or give a uid"));
    cr_assert(said("must not be root"));
    end();

    conf_init(&c);
    errors = (struct conf_errors){ 0 };
    reader = conf_reader_new(&c, &errors);
    set("ids", "store", "daemon");
    set("ids", "shim", "1");
    finish();
    cr_assert(said("must be different users"));
    cr_assert_eq(c.ids.store, 1);
    end();
}

Test(conf, refuses_values_of_networks)
{
    refused("network", "pool6", "10.0.0.0/8", "IPv6 ADDRESS/BITS");
    refused("network", "pool6", "fd00::/8", "16 to 120");
    refused("network", "pool6", "fd00::1/64", "bits set");
    refused("network", "publish", "203.0.113.0/24", "IP address");
    refused("network", "forward", "maybe", "yes | no");
    refused("network", "table", "filter", "must begin with holdfast");
    refused("network", "table", "holdfast; flush ruleset", "must begin with holdfast");
    refused("server s", "egress", "permit 1.2.3.4", "must begin with 'allow '");
    refused("server s", "egress", "allow 10.0.0.1/8", "bits set");
    refused("server s", "egress", "allow 10.0.0.0/8:0", "1 to 65535");
    refused("server s", "egress", "allow 10.0.0.0/8; accept", "0 to 32");
    refused("server s", "link", "A b", "name of a server");
    refused("server s", "net_up", "fast", "whole number");
}

Test(conf, links_ports_and_rates_that_cannot_be)
{
    begin();
    set("account a", "password", "no");
    static const char *const names[] = { "server one", "server two", "server alone" };
    for (size_t i = 0; i < countof(names); i++) {
        set(names[i], "owner", "a");
        set(names[i], "command", "x");
    }
    set("server alone", "network", "none");
    set("server one", "link", "two");
    set("server one", "link", "two");
    set("server one", "link", "one");
    set("server one", "link", "nobody");
    set("server two", "link", "alone");
    set("server two", "net_down", "1K");
    set("listen", "address", "[::]:2222");
    set("server two", "port", "2222/tcp");
    set("ids", "filter", "902");
    finish();
    cr_assert(said("server 'one' links 'two' twice"));
    cr_assert(said("'one', linked by server 'one', is no other server"));
    cr_assert(said("'nobody', linked by server 'one', is no other server"));
    cr_assert(said("server 'two' links 'alone', but one of them has network = none"));
    cr_assert(said("rates of server 'two' must be 0 (none) or at least 16K"));
    cr_assert(said("port 2222/tcp of server 'two' is the one we listen on at [::]:2222"));
    cr_assert(errors.n == 7, "%zu errors", errors.n);
    end();
}

Test(conf, lists_replace_their_default_and_may_be_empty)
{
    begin();
    set("network", "dns", "");
    set("network", "pool6", "");
    set("account a", "key", "");
    finish();
    no_errors();
    cr_assert_eq(c.network.dns.n, 0);
    cr_assert_str_eq(c.network.pool6, "");
    end();
}

static void rename_place(char **where)
{
    free(*where);
    *where = mem_str("f:7");
}

Test(conf, text_is_read_back_the_same)
{
    begin();
    set("account a", "password", "yes");
    set("account b", "password", "yes");
    set("server s", "owner", "a");
    set("server s", "command", "sh -c \"a ; b\"");
    set("server s", "environment", "\"A=b ; c\"");
    set("server s", "ready", "line: ; x");
    set("server s", "allow", "b: backup start");
    set("server s", "stop_timeout", "1500ms");
    finish();
    no_errors();
    char *first = conf_text(&c);

    char folder[] = "/tmp/holdfast-conf.XXXXXX", path[128];
    cr_assert_not_null(mkdtemp(folder));
    static const char *const files[] = { "holdfast.ini", "accounts.ini", "servers.d/s.ini" };
    static const char *const starts[] = { "[listen]", "; f:7\n[account", "; f:7\n[server", "" };
    snprintf(path, sizeof path, "%s/servers.d", folder);
    mkdir(path, 0700);
    for (size_t i = 0; i < 3; i++) {
        const char *from = strstr(first, starts[i]),
                   *to = starts[i + 1][0] ? strstr(from + 1, starts[i + 1]) : from + strlen(from);
        snprintf(path, sizeof path, "%s/%s", folder, files[i]);
        FILE *f = fopen(path, "w");
        fwrite(from, 1, (size_t)(to - from), f);
        fchmod(fileno(f), 0600);
        fclose(f);
    }
    struct conf again;
    struct conf_errors wrong = { 0 };
    if (geteuid() == 0) {
        int r = ini_read(folder, &again, &wrong);
        for (size_t i = 0; i < wrong.n; i++)
            cr_log_error("%s", wrong.v[i]);
        cr_assert_eq(r, 0);
        cr_assert_str_eq(again.servers[0].ready.text, " ; x");
        cr_assert_str_eq(again.servers[0].environment.v[0], "A=b ; c");
        for (size_t i = 0; i < again.naccounts; i++)
            rename_place(&again.accounts[i].where);
        rename_place(&again.servers[0].where);
        char *second = conf_text(&again);
        cr_assert_str_eq(second, first);
        free(second);
        conf_free(&again);
    }
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, files[i]);
        unlink(path);
    }
    snprintf(path, sizeof path, "%s/servers.d", folder);
    rmdir(path);
    rmdir(folder);
    free(first);
    conf_errors_free(&wrong);
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
