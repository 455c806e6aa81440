/* Options in front of keys: what is taken, what is refused and in which words, and what they allow. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "store/stored/key_options.h"

static struct err e;
static struct key_options o;

static int parse_as(enum key_role role, const char *text)
{
    e = (struct err){ 0 };
    return key_options_parse(text, strlen(text), role, &o, &e);
}

static int parse(const char *text)
{
    return parse_as(KEY_OF_ACCOUNT, text);
}

static void refused(const char *text, const char *why)
{
    cr_assert_eq(parse(text), -1, "%s", text);
    cr_assert_str_eq(e.step, "option", "%s", text);
    cr_assert_not_null(strstr(e.text, why), "%s: %s", text, e.text);
    cr_assert(o.rights == RIGHT_ALL && o.flags == 0 && !o.from && !o.command && !o.servers && !o.principals && o.expires == 0, "%s", text);
}

Test(options, none)
{
    cr_assert_eq(parse(""), 0);
    cr_assert_eq(o.rights, (uint32_t)RIGHT_ALL);
    cr_assert_eq(o.flags, 0u);
    cr_assert_eq(key_options_check(&o, "192.0.2.1", INT64_MAX), KEY_FITS);
    cr_assert_eq(key_options_rights(&o, "one", RIGHT_START), (uint32_t)RIGHT_START);
}

Test(options, all_of_them)
{
    cr_assert_eq(parse("restrict,pty,from=\"10.0.0.0/8,!10.1.*\",EXPIRY-time=\"20300102\",command=\"send one \\\"say hi\\\"\",no-x11-forwarding,"
                       "no-agent-forwarding,no-port-forwarding,no-user-rc,rights=\"restart files.create\",servers=\"one,two-2\",no-touch-required,"
                       "verify-required"), 0, "%s", e.text);
    cr_assert_eq(o.flags, (uint32_t)(KEY_VERIFY_REQUIRED | KEY_NO_TOUCH | KEY_LIMITED));
    cr_assert_eq(o.rights, (uint32_t)(RIGHT_STATUS | RIGHT_START | RIGHT_STOP | RIGHT_FILES_CREATE));
    cr_assert_str_eq(o.from, "10.0.0.0/8,!10.1.*");
    cr_assert_str_eq(o.command, "send one \"say hi\"");
    cr_assert_str_eq(o.servers, "one,two-2");
    cr_assert_eq(o.expires, INT64_C(1893542400) * 1000);
    cr_assert_null(o.principals);
    key_options_end(&o);
    cr_assert_eq(o.rights, (uint32_t)RIGHT_ALL);
}

Test(options, terminals_by_the_order_of_the_words)
{
    static const struct { const char *text; uint32_t flags; } rows[] = {
        { "restrict", KEY_NO_PTY }, { "no-pty", KEY_NO_PTY }, { "restrict,pty", 0 }, { "pty,restrict", KEY_NO_PTY }, { "pty", 0 },
        { "restrict,no-pty", KEY_NO_PTY }, { "Restrict", KEY_NO_PTY },
    };
    for (size_t i = 0; i < countof(rows); i++) {
        cr_assert_eq(parse(rows[i].text), 0, "%s: %s", rows[i].text, e.text);
        cr_assert_eq(o.flags, rows[i].flags, "%s", rows[i].text);
        key_options_end(&o);
    }
}

Test(options, unknown_ones_are_refused_by_name)
{
    static const char *const names[] = { "environment=\"A=b\"", "permitopen=\"a:1\"", "port-forwarding", "tunnel=\"0\"", "cert-authority", "x",
                                         "no-ptyx", "no-pt", "agent-forwarding", "" };
    for (size_t i = 0; i + 1 < countof(names); i++) {
        FREE_MEM char *quoted = mem_fmt("'%.*s' is not supported; allowed: command expiry-time from no-agent-forwarding", (int)strcspn(names[i], "="),
                                        names[i]);
        refused(names[i], quoted);
    }
    cr_assert_not_null(strstr(e.text, "verify-required"), "the whole list: %s", e.text);
    cr_assert_null(strstr(e.text, "principals"), "of what is allowed here: %s", e.text);
    refused(",pty", "'' is not supported");
    refused("pty,", "'' is not supported");
    refused("pty,,no-pty", "'' is not supported");
    refused("no\x1bpty", "not printable");
    refused("\x80", "not printable");
}

Test(options, twice_is_refused)
{
    refused("pty,pty", "'pty' stands there twice");
    refused("from=\"10.0.0.1\",FROM=\"10.0.0.2\"", "'from' stands there twice");
    refused("command=\"true\",command=\"true\"", "'command' stands there twice");
    BUF_FREE struct buf b = BUF(8192);
    for (int i = 0; i < 200; i++)
        buf_put_fmt(&b, "%srestrict", i ? "," : "");
    buf_put_u8(&b, 0);
    refused((const char *)buf_head(&b), "'restrict' stands there twice");
}

Test(options, quotes)
{
    refused("from", "from needs a value in double quotes: from=\"...\"");
    refused("from=", "needs a value");
    refused("from=10.0.0.1", "needs a value");
    refused("from'10.0.0.1'", "'from'10.0.0.1'' is not supported");
    refused("from=\"10.0.0.1", "from: the quote at the end is missing");
    refused("from=\"", "the quote at the end is missing");
    refused("command=\"true\\\"", "the quote at the end is missing");
    refused("from=\"10.0.0.1\"x", "a comma must stand between");
    refused("from=\"10.0.0.1\"\"10.0.0.2\"", "a comma must stand between");
    refused("pty=\"yes\"", "pty takes no value");
    refused("pty\"", "a comma must stand between");
    refused("\"pty\"", "'' is not supported");
    cr_assert_eq(parse("command=\"echo a\\\\b\\\"c,d\\\"\""), 0, "%s", e.text);
    cr_assert_str_eq(o.command, "echo a\\\\b\"c,d\"", "a backslash is one but in front of a quote");
    key_options_end(&o);
}

Test(options, length_and_nul)
{
    FREE_MEM char *long_one = mem_new(KEY_OPTIONS_MOST + 2);
    memset(long_one, 'x', KEY_OPTIONS_MOST + 1);
    refused(long_one, "4097 bytes; allowed: 4096");
    cr_assert_eq(key_options_parse("pty\0,no-pty", 11, KEY_OF_ACCOUNT, &o, &e), -1, "a NUL inside");
    cr_assert_not_null(strstr(e.text, "not printable"));
    BUF_FREE struct buf b = BUF(4096);
    buf_put_fmt(&b, "command=\"echo ");
    for (int i = 0; i < KEY_COMMAND_MOST; i++)
        buf_put_u8(&b, 'a');
    buf_put(&b, "\"", 2);
    refused((const char *)buf_head(&b), "longer than 1024");
    /* Every part of a good line is good or refused, and nothing is read behind it. */
    static const char good[] = "from=\"10.0.0.0/8\",command=\"send one \\\"x\\\"\",rights=\"start\",servers=\"a,b\",expiry-time=\"203001021530Z\"";
    for (size_t from = 0; from < sizeof good; from++)
        for (size_t n = 0; n < sizeof good - from; n++) {
            FREE_MEM char *part = malloc(n ? n : 1);
            memcpy(part, good + from, n);
            if (key_options_parse(part, n, KEY_OF_ACCOUNT, &o, &e) == 0)
                key_options_end(&o);
        }
}

Test(options, times)
{
    static const struct { const char *text; int64_t s; } good[] = {
        { "20300102", 1893542400 }, { "20300102Z", 1893542400 }, { "203001021530", 1893598200 }, { "20300102153007Z", 1893598207 },
        { "20320229", 1961625600 },
    };
    for (size_t i = 0; i < countof(good); i++) {
        FREE_MEM char *text = mem_fmt("expiry-time=\"%s\"", good[i].text);
        cr_assert_eq(parse(text), 0, "%s: %s", text, e.text);
        cr_assert_eq(o.expires, good[i].s * 1000, "%s", text);
        cr_assert_eq(key_options_check(&o, "10.0.0.1", good[i].s * 1000 - 1), KEY_FITS);
        cr_assert_eq(key_options_check(&o, "10.0.0.1", good[i].s * 1000), KEY_EXPIRED);
        key_options_end(&o);
    }
    static const char *const bad[] = { "", "2030", "20301301", "20300132", "20310229", "2030010224", "203001022400", "203001021260", "20300102123060",
                                       "20300102z", "20300102ZZ", "2030-01-02", " 20300102", "20300102 ", "19600101", "-2030010", "tomorrow" };
    for (size_t i = 0; i < countof(bad); i++) {
        FREE_MEM char *text = mem_fmt("expiry-time=\"%s\"", bad[i]);
        refused(text, "is no time; allowed: YYYYMMDD");
    }
}

Test(options, commands_are_verbs)
{
    static const char *const good[] = { "restart", "send one hello", "backup create", "backup create one nightly", "internal-sftp", "sha256sum x",
                                        "rsync --server --sender . /one", "logs one -n 5 -f", "true" };
    for (size_t i = 0; i < countof(good); i++) {
        FREE_MEM char *text = mem_fmt("command=\"%s\"", good[i]);
        cr_assert_eq(parse(text), 0, "%s: %s", text, e.text);
        cr_assert_str_eq(o.command, good[i]);
        cr_assert_eq(o.flags, (uint32_t)KEY_LIMITED);
        key_options_end(&o);
    }
    refused("command=\"/bin/sh\"", "command: '/bin/sh' is no verb; allowed: those that 'help' lists");
    refused("command=\"rest\"", "'rest' is no verb");
    refused("command=\"backup\"", "'backup' is no verb");
    refused("command=\"backup drop\"", "'backup' is no verb");
    refused("command=\"internal-sftp -R\"", "is no verb");
    refused("command=\"\"", "names none");
    refused("command=\"  \"", "names none");
    refused("command=\"start one; stop one\"", "unquoted ';'");
    refused("command=\"echo 'a\"", "command: ");
}

Test(options, rights_and_servers)
{
    cr_assert_eq(parse("rights=\"files.write\""), 0);
    cr_assert_eq(o.rights, (uint32_t)(RIGHT_STATUS | RIGHT_FILES_WRITE | RIGHT_FILES_CREATE));
    cr_assert_eq(key_options_rights(&o, "one", RIGHT_STATUS | RIGHT_START | RIGHT_FILES_CREATE), (uint32_t)(RIGHT_STATUS | RIGHT_FILES_CREATE));
    key_options_end(&o);
    cr_assert_eq(parse("servers=\"one,three\""), 0);
    cr_assert_eq(key_options_rights(&o, "one", RIGHT_ALL), (uint32_t)RIGHT_ALL);
    cr_assert_eq(key_options_rights(&o, "two", RIGHT_ALL), 0u);
    cr_assert_eq(key_options_rights(&o, "on", RIGHT_ALL), 0u);
    cr_assert_eq(key_options_rights(&o, "one,three", RIGHT_ALL), 0u);
    key_options_end(&o);
    refused("rights=\"root\"", "rights: 'root' is no right; allowed: status start");
    refused("rights=\"start,stop\"", "rights: 'start,stop' is no right");
    refused("rights=\"\"", "rights: no right named");
    refused("servers=\"\"", "servers: '' is no name");
    refused("servers=\"one,\"", "servers: '' is no name");
    refused("servers=\"one two\"", "servers: 'one two' is no name");
    refused("servers=\"One\"", "is no name");
    BUF_FREE struct buf b = BUF(4096);
    for (int i = 0; i < 65; i++)
        buf_put_fmt(&b, "%ss%d", i ? "," : "servers=\"", i);
    buf_put(&b, "\"", 2);
    refused((const char *)buf_head(&b), "more than 64 names");
}

Test(options, principals_are_an_authoritys)
{
    refused("principals=\"alice\"", "'principals' is for the line of a certificate authority");
    cr_assert_eq(parse_as(KEY_OF_AUTHORITY, "principals=\"alice,bob\",from=\"10.*\""), 0, "%s", e.text);
    cr_assert_str_eq(o.principals, "alice,bob");
    key_options_end(&o);
    cr_assert_eq(parse_as(KEY_OF_AUTHORITY, "principals=\"\""), -1);
    cr_assert_eq(parse_as(KEY_OF_AUTHORITY, "what"), -1);
    cr_assert_not_null(strstr(e.text, " principals "), "%s", e.text);
}

Test(options, where_they_end)
{
    cr_assert_eq(key_options_size("pty ssh-ed25519"), 3);
    cr_assert_eq(key_options_size("command=\"a b\",pty\tx"), 17);
    cr_assert_eq(key_options_size("command=\"a \\\" b\" x"), 16);
    cr_assert_eq(key_options_size("command=\"a b"), 12);
    cr_assert_eq(key_options_size("command=\"a\nb"), 10);
    cr_assert_eq(key_options_size(""), 0);
    cr_assert_eq(key_options_size("a\\"), 2);
}

Test(from, patterns)
{
    static const struct { const char *patterns, *address; bool fits; } rows[] = {
        { "10.0.0.1", "10.0.0.1", true },           { "10.0.0.1", "10.0.0.10", false },
        { "10.0.0.0/8", "10.255.3.4", true },       { "10.0.0.0/8", "11.0.0.1", false },
        { "10.0.0.128/25", "10.0.0.127", false },   { "10.0.0.128/25", "10.0.0.200", true },
        { "0.0.0.0/0", "203.0.113.9", true },       { "0.0.0.0/0", "2001:db8::1", false },
        { "::/0", "2001:db8::1", true },            { "::/0", "10.0.0.1", false },
        { "2001:db8::/33", "2001:db8:7fff::1", true }, { "2001:db8::/33", "2001:db8:8000::1", false },
        { "2001:DB8:0:0::1", "2001:db8::1", true }, { "*", "2001:db8::1", true },
        { "10.0.0.*", "10.0.0.77", true },          { "10.0.0.?", "10.0.0.77", false },
        { "10.0.0.??", "10.0.0.77", true },         { "*.7", "10.0.0.77", false },
        { "*.7*", "10.0.0.77", true },              { "10.*.0.1", "10.2.3.0.1", false },
        { "2001:DB8:*", "2001:db8::1", true },      { "*:*", "10.0.0.1", false },
        { "10.0.0.1,192.0.2.1", "192.0.2.1", true },
        { "10.0.0.0/8,!10.0.0.1", "10.0.0.1", false }, { "!10.0.0.1,10.0.0.0/8", "10.0.0.1", false },
        { "10.0.0.0/8,!10.0.0.1", "10.0.0.2", true },  { "!10.0.0.1", "10.0.0.2", false },
        { "*,!10.*", "10.1.1.1", false },              { "!2001:db8::/32,*", "2001:db8::7", false },
        { "192.0.2.1", "::ffff:192.0.2.1", true },     { "192.0.2.*", "::ffff:192.0.2.1", true },
        { "::ffff:192.0.2.1", "192.0.2.1", true },     { "*", "not an address", false },
        { "*", "", false },
    };
    for (size_t i = 0; i < countof(rows); i++) {
        cr_assert_eq(key_from_parse(rows[i].patterns, &e), 0, "%s: %s", rows[i].patterns, e.text);
        cr_assert_eq(key_from_fits(rows[i].patterns, rows[i].address), rows[i].fits, "%s of %s", rows[i].address, rows[i].patterns);
    }
}

Test(from, what_is_no_address)
{
    static const struct { const char *pattern, *why; } rows[] = {
        { "mail.example.org", "'mail.example.org' is no address; allowed: addresses, ADDRESS/BITS" }, { "*.example.org", "hosts are not looked up" },
        { "localhost", "no address" }, { "face.be", "no address" }, { "*.be", "no address" }, { "dead*", "no address" }, { "1.2.3", "no address" },
        { "10.0.0.1/8", "bits set" }, { "10.0.0.0/33", "0 to 32" }, { "10.0.0.0/", "0 to 32" }, { "::/129", "0 to 128" }, { "10.*/8", "no network" },
        { "fe80::1%eth0", "no address" }, { "", "is empty" }, { "10.0.0.1,", "is empty" }, { "!", "is empty" }, { "10.0.0.1 ", "no address" },
        { "!!10.0.0.1", "no address" }, { "10.0.0.1:22", "no address" },
    };
    for (size_t i = 0; i < countof(rows); i++) {
        e = (struct err){ 0 };
        cr_assert_eq(key_from_parse(rows[i].pattern, &e), -1, "%s", rows[i].pattern);
        cr_assert_not_null(strstr(e.text, rows[i].why), "%s: %s", rows[i].pattern, e.text);
    }
    BUF_FREE struct buf b = BUF(4096);
    for (int i = 0; i < 65; i++)
        buf_put_fmt(&b, "%s10.0.0.%d", i ? "," : "", i);
    buf_put_u8(&b, 0);
    cr_assert_eq(key_from_parse((const char *)buf_head(&b), &e), -1);
    cr_assert_not_null(strstr(e.text, "more than 64"));
}
