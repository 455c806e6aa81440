/* Sections and their names, each rule that spans values, and the text that is read back. */
#include "t/unit/conf_rig.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "sshd/supervisor/ini.h"

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
    set("server u", "memory_reservation", "3G");
    set("server u", "cpu", "20%");
    set("server u", "cpu_burst", "21ms");
    set("server u", "allow", "a: start");
    set("server backups", "owner", "a");
    set("server backups", "command", "x");
    set("server layers", "owner", "a");
    set("server layers", "command", "x");
    set("server v.img", "owner", "a");
    set("server v.img", "command", "x");
    set("server v.img", "network", "none");
    set("server v.img", "port", "81/tcp");
    set("server w.files", "owner", "a");
    set("server w.files", "command", "x");
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
        "'memory_reservation' of server 'u' is more than its 'memory_high'",
        "'cpu_burst' of server 'u' is more than its 'cpu' gives in 100ms; allowed: at most 20ms",
        "'a' owns server 'u'",
        "must not end in .img",
        "must not end in .files",
        "cannot be named 'backups'; allowed: any other name than backups, layers",
        "cannot be named 'layers'",
        "has ports but network = none",
    };
    for (size_t i = 0; i < countof(wanted); i++)
        cr_expect(said(wanted[i]), "%s", wanted[i]);
    cr_expect_eq(errors.n, countof(wanted));
    end();
}

/* What is said of [ids] with these values; NULL: nothing is. */
static void ids_are(const char *sessions, const char *servers, const char *ranges, const char *words)
{
    begin();
    const struct { const char *key, *value; } keys[] = { { "sessions", sessions }, { "servers", servers }, { "ranges", ranges } };
    for (size_t i = 0; i < countof(keys); i++)
        if (keys[i].value)
            set("ids", keys[i].key, keys[i].value);
    finish();
    if (words)
        cr_expect(said(words), "%s %s %s: %s", sessions, servers, ranges, words);
    else
        cr_expect_eq(errors.n, 0, "%s %s %s: %s", sessions, servers, ranges, errors.n ? errors.v[0] : "");
    end();
}

Test(conf, ids)
{
    ids_are(NULL, NULL, NULL, NULL);
    ids_are(NULL, "1900019712", "3776", NULL);
    ids_are(NULL, "1900019712", "3777", "no room for 3777 ranges of 65536 uids below 2147483648; allowed: at most 3776");
    ids_are(NULL, "2147418112", NULL, NULL);
    ids_are(NULL, "2147418112", "1", NULL);
    ids_are(NULL, "2147418113", "1", "at most 0");
    ids_are(NULL, "4294901760", NULL, NULL);
    ids_are(NULL, "4294901760", "1", "at most 0");
    ids_are(NULL, "65536", "1", NULL);
    ids_are(NULL, "65535", "1", "'servers' is 65535; allowed: 65536 or more");
    /* A number that is given later must not reach the sessions either. */
    ids_are("1000000000", "900000000", NULL, "of sessions (1000000000 and 512 more) and of servers (from 900000000) meet");
    ids_are("1000000000", "900000000", "1525", NULL);
    ids_are("1000000000", "900000000", "1526", "meet");
    ids_are("900000000", "1000000000", NULL, NULL);
    /* 512 connections, holdfast-policy and holdfast-sink. */
    ids_are("1900019198", "1900019712", NULL, NULL);
    ids_are("1900019200", "1900019712", NULL, "of sessions (1900019200 and 512 more) and of servers (from 1900019712) meet");
    /* root, daemon and nobody are everywhere. */
    ids_are("1", NULL, NULL, "'sessions' takes the ids 1 to 514, but daemon in /etc/passwd has 1");
    ids_are("65500", NULL, NULL, "but nobody in /etc/passwd has 65534");
}

static void write_text(const char *folder, const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    cr_assert(f);
    fputs(text, f);
    fclose(f);
}

Test(conf, ids_of_the_machine)
{
    char folder[] = "/tmp/holdfast-conf.XXXXXX", text[300];
    cr_assert(mkdtemp(folder));
    cr_expect_not(conf_host_meets(folder, 0, 1ULL << 32, NULL, 0, text, sizeof text), "no files, nobody");
    write_text(folder, "passwd", "root:x:0:0:r:/:/bin/sh\n\nbroken\nfar:x:2000000000:100::/:/bin/sh\n");
    write_text(folder, "group", "root:x:0:\nfargroup:x:1950000000:a,b\n");
    write_text(folder, "subuid", "# a remark\nanna:100000:65536\nnone:5:0\nbert:1900000000:65536\n");
    write_text(folder, "subgid", "carl:1800000000:1\n");
    static const struct { uint64_t first, n; const char *said; } rows[] = {
        { 2000000000, 1, "far in /etc/passwd has 2000000000" },
        { 1999999990, 11, "far in /etc/passwd has 2000000000" },
        { 1999999990, 10, NULL }, { 2000000001, 100, NULL },
        { 1950000000, 65536, "fargroup in /etc/group has 1950000000" },
        { 1900065535, 1, "bert in /etc/subuid has 1900000000 to 1900065535" },
        { 1900065536, 1, NULL }, { 1899999999, 1, NULL },
        { 50000, 50001, "anna in /etc/subuid has 100000 to 165535" }, { 1, 99, NULL },
        { 1800000000, 1, "carl in /etc/subgid has 1800000000" },
    };
    for (size_t i = 0; i < countof(rows); i++) {
        cr_expect_eq(conf_host_meets(folder, rows[i].first, rows[i].n, NULL, 0, text, sizeof text), rows[i].said != NULL, "%zu", i);
        /* The folder is another than the one that is meant. */
        const char *at = rows[i].said ? strstr(text, " has ") : NULL;
        cr_expect(rows[i].said == NULL || (at && strcmp(at, strstr(rows[i].said, " has ")) == 0 && strncmp(text, rows[i].said, 3) == 0), "%s", text);
    }
    const uid_t roles[] = { 5, 2000000000 };
    cr_expect_not(conf_host_meets(folder, 2000000000, 1, roles, countof(roles), text, sizeof text), "a role is ours");
    static const char *const names[] = { "passwd", "group", "subuid", "subgid" };
    for (size_t i = 0; i < countof(names); i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    rmdir(folder);
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
    set("server two", "net_up", "17179869185");
    set("listen", "address", "[::]:2222");
    set("server two", "port", "2222/tcp");
    set("ids", "filter", "902");
    finish();
    cr_assert(said("server 'one' links 'two' twice"));
    cr_assert(said("'one', linked by server 'one', is no other server"));
    cr_assert(said("'nobody', linked by server 'one', is no other server"));
    cr_assert(said("server 'two' links 'alone', but one of them has network = none"));
    cr_assert(said("rates of server 'two' must be 0 (none) or at least 16K and at most 16G"));
    cr_assert(said("port 2222/tcp of server 'two' is the one we listen on at [::]:2222"));
    cr_assert(errors.n == 8, "%zu errors", errors.n);
    end();
}

Test(conf, the_default_of_tmp_is_no_error)
{
    begin();
    set("server small", "owner", "alice");
    set("server small", "command", "./run");
    set("server small", "memory", "96M");
    set("account alice", "keys_file", "alice.pub");
    set("server fast", "owner", "alice");
    set("server fast", "command", "./run");
    set("server fast", "net_up", "16G");
    finish();
    cr_assert_eq(errors.n, 0, "%s", errors.n ? errors.v[0] : "");
    end();
    begin();
    set("account alice", "keys_file", "alice.pub");
    set("server small", "owner", "alice");
    set("server small", "command", "./run");
    set("server small", "memory", "96M");
    set("server small", "tmp", "97M");
    finish();
    cr_assert(said("'tmp' of server 'small' is more than its 'memory'"));
    cr_assert_eq(errors.n, 1);
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

Test(conf, many_sections_are_found)
{
    enum { MANY = 5000 };
    char section[40], name[20];
    unsigned keys = 0;
    begin();
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(section, sizeof section, "account n%u", i * 7919 % MANY);
        snprintf(name, sizeof name, "%u", 1 + i * 7919 % MANY % 9);
        set(section, "max_connections", name);
        set(section, "password", "yes");
        for (unsigned k = 0; k < i % 3; k++) {
            FREE_MEM char *line = mem_fmt("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGZ1enoAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA %s.%u", section + 8, k);
            set(section, "key", line);
        }
    }
    no_errors();
    set("account n77", "password", "yes");
    cr_assert(said("'password' is given twice"));
    finish();
    cr_assert_eq(c.naccounts, MANY);
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "n%u", i);
        const struct conf_account *a = conf_account(&c, name);
        cr_assert(a && strcmp(a->name, name) == 0 && a->max_connections == 1 + i % 9 && a->password == CONF_YES, "%s", name);
        for (unsigned k = 0; k < a->key.n; k++) {
            snprintf(section, sizeof section, "%s.%u", name, k);
            cr_assert_str_eq(strrchr(a->key.v[k], ' ') + 1, section);
            keys++;
        }
    }
    cr_assert_eq(keys, 4999, "%u keys", keys);
    cr_assert_not_null(c.keys, "in one mapping");
    cr_assert_null(conf_account(&c, "n5000"));
    cr_assert_null(conf_account(&c, ""));
    cr_assert_null(conf_server(&c, "n1"));
    end();
}
