#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "sshd/session/complete.h"
#include "sshd/session/verbs.h"

/* The table is the real one; nothing of it is run here. */
#define NONE(name) void name(struct exec *x) { (void)x; }
NONE(verb_status) NONE(verb_greeting) NONE(verb_power) NONE(verb_console) NONE(verb_send) NONE(verb_logs) NONE(verb_quota) NONE(verb_whoami)
NONE(verb_limits) NONE(verb_sessions) NONE(verb_backup_create) NONE(verb_backup_list) NONE(verb_backup_get) NONE(verb_top) NONE(verb_activity)
NONE(verb_events) NONE(verb_keys_list) NONE(verb_keys_add) NONE(verb_keys_rm) NONE(verb_help) NONE(verb_version) NONE(verb_df) NONE(verb_du)
NONE(verb_sum) NONE(verb_scp) NONE(verb_test) NONE(verb_echo) NONE(verb_true) NONE(verb_pwd) NONE(verb_rsync) NONE(verb_passwd)
NONE(verb_totp_enroll) NONE(verb_totp_verify) NONE(verb_totp_codes) NONE(verb_totp_remove) NONE(verb_shell)
void exec_fail(struct exec *x, int code, const char *fmt, ...) { (void)x, (void)code, (void)fmt; }

static const struct server_right servers[] = {
    { "one", "alice", RIGHT_ALL }, { "other", "bob", RIGHT_STATUS }, { "two", "alice", RIGHT_ALL },
};

static void are(const char *left, size_t from, const char *want)
{
    struct completions c;
    struct buf b = BUF(1 << 16);
    complete(left, servers, countof(servers), &c);
    for (size_t i = 0; i < c.n; i++)
        buf_put_fmt(&b, "<%s>", c.words[i]);
    if (c.folder)
        buf_put_fmt(&b, "{%s|%s}", c.folder, c.prefix);
    buf_put_u8(&b, 0);
    cr_assert_str_eq((const char *)buf_head(&b), want, "after '%s': %s, wanted %s", left, (const char *)buf_head(&b), want);
    cr_assert_eq(c.from, from, "after '%s': from %zu, wanted %zu", left, c.from, from);
    buf_free(&b);
    completions_free(&c);
}

Test(complete, verbs)
{
    are("sta", 0, "<start ><status >");
    are("  rest", 2, "<restart >");
    are("ba", 0, "<backup >");      /* once, though there are three */
    are("backup ", 7, "<create ><get ><list >");
    are("backup c", 7, "<create >");
    are("backup x", 7, "");
    are("nonsense ", 9, "");
    are("help lo", 5, "<logs >");
    are("help backup g", 12, "<get >");
}

Test(complete, servers)
{
    are("status ", 7, "<one ><other ><two >");
    are("status o", 7, "<one ><other >");
    are("start o", 6, "<one >");    /* other: has not the right */
    are("logs --raw t", 11, "<two >");
    are("logs -n ", 8, "");         /* a number */
    are("logs -n 5 t", 10, "<two >");
    are("start one ", 10, "<--timeout ><--wait >");
    are("send one o", 9, "");       /* text */
    are("du t", 3, "<two >");
}

Test(complete, options)
{
    are("start --w", 6, "<--wait >");
    are("start one --wait --", 17, "<--timeout >");
    are("logs -", 5, "<--json ><--raw ><--since ><-f ><-n >");
    are("md5sum -", 7, "");         /* it has its own */
    are("whoami ", 7, "<--json >");
}

Test(complete, paths)
{
    are("md5sum ", 7, "{/|}");
    are("md5sum /one/wor", 7, "{/one/|wor}");
    are("md5sum -b /one/a /two/", 17, "{/two/|}");
    are("du /one/world/re", 3, "{/one/world/|re}");
    are("md5sum '/one/a b", 7, "{/one/|a b}");
    are("md5sum /one/a\\ b", 7, "{/one/|a b}");
    are("status /one", 7, "");
}

static void name_is(const char *left, const char *name, bool directory, const char *want)
{
    struct completions c;
    complete(left, servers, countof(servers), &c);
    completions_name(&c, name, directory);
    cr_assert_eq(c.n, want ? 1 : 0, "'%s' for '%s'", name, left);
    if (want)
        cr_assert_str_eq(c.words[0], want);
    completions_free(&c);
}

Test(complete, names)
{
    name_is("md5sum /one/", "world", true, "/one/world/");
    name_is("md5sum /one/wo", "world.dat", false, "/one/world.dat ");
    name_is("md5sum /one/x", "world", true, NULL);
    name_is("md5sum /one/", ".hidden", false, NULL);
    name_is("md5sum /one/.h", ".hidden", false, "/one/.hidden ");
    name_is("md5sum /one/.", "..", true, NULL);
    name_is("md5sum /one/", "a b;$(x)'\"", false, "/one/a\\ b\\;\\$\\(x\\)\\'\\\" ");
    name_is("md5sum /one/", "a\nb", false, NULL);
    name_is("md5sum /one/", "a\033[31m", false, NULL);
    name_is("md5sum /one/", "gr\xc3\xbcn", false, "/one/gr\xc3\xbcn ");
}

Test(complete, hostile_lines)
{
    are("'", 0, "<activity ><backup ><console ><df ><du ><echo ><events ><exit ><help ><keys ><kill ><limits ><logs ><md5sum ><passwd ><pwd ><quota >"
                "<restart ><rsync ><scp ><send ><sessions ><sha1sum ><sha224sum ><sha256sum ><sha384sum ><sha512sum ><shell ><start ><status ><stop ><test ><top >"
                "<totp ><true ><version ><whoami >");
    are("st\\", 0, "<start ><status ><stop >");
    are("\"sta'", 0, "");
}
