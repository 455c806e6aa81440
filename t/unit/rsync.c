/* The arguments of a client's rsync: what is let through, what they become, what is refused and in which words. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/conf.h"
#include "base/log.h"
#include "sshd/session/rsync_args.h"

/* LIST with '|' for NUL, without the two at the end. */
static const char *shown(const struct buf *list)
{
    static char text[4096];
    size_t n = buf_size(list);
    cr_assert(n >= 2 && n < sizeof text);
    memcpy(text, buf_head(list), n);
    cr_assert(text[n - 1] == '\0' && text[n - 2] == '\0');
    for (size_t i = 0; i + 2 < n; i++)
        if (text[i] == '\0')
            text[i] = '|';
    return text;
}

static bool read_line(struct rsync_args *a, const char *line, const char *home)
{
    char **words;
    const char *why;
    cr_assert_eq(conf_words_marked(line, &words, &why), 0, "%s: %s", line, why);
    rsync_args_init(a, home);
    bool good = rsync_args_add(a, words, true);
    conf_words_free(words);
    return good;
}

static void becomes(const char *line, const char *home, const char *server, bool writes, const char *want)
{
    struct rsync_args a;
    struct buf list BUF_FREE = BUF(2 * RSYNC_LIST_MOST);
    cr_assert(read_line(&a, line, home), "%s: %s", line, a.why);
    cr_assert(rsync_args_end(&a, &list), "%s: %s", line, a.why);
    cr_expect_str_eq(shown(&list), want, "%s: %s, not %s", line, shown(&list), want);
    cr_expect_str_eq(a.server, server, "%s", line);
    cr_expect_eq(a.writes, writes, "%s", line);
    rsync_args_free(&a);
}

static void refused(const char *line, const char *words)
{
    struct rsync_args a;
    struct buf list BUF_FREE = BUF(2 * RSYNC_LIST_MOST);
    bool good = read_line(&a, line, NULL) && rsync_args_end(&a, &list);
    cr_expect(!good, "%s was taken", line);
    cr_expect(good || (a.why && strstr(a.why, words)), "%s: %s; wanted: %s", line, a.why ? a.why : "", words);
    rsync_args_free(&a);
}

Test(rsync, what_clients_send)
{
    becomes("--server -logDtpre.iLsfxCIvu . /one/dir", NULL, "one", true, "rsync|-logDtpre.iLsfxCIvu|./|one/dir");
    becomes("--server --sender -logDtpre.iLsfxCIvu . /one/dir/ one/b", NULL, "one", false,
            "rsync|--sender|-logDtpre.iLsfxCIvu|.|one/dir/|one/b");
    becomes("--server --sender -vvlHogDtpAXrcSze31.14iLsfxCIvu . ~/one", NULL, "one", false,
            "rsync|--sender|-vvlHogDtpAXrcSze31.14iLsfxCIvu|.|one");
    becomes("--server -r --delete --timeout=10 --bwlimit=1.5M --max-size 10K -B700 -@-1 --suffix=.old . /one", NULL, "one", true,
            "rsync|-r|--delete|--timeout=10|--bwlimit=1.5M|--max-size=10K|--block-size=700|--modify-window=-1|--suffix=.old|./|one");
    becomes("--server --sender -r --remove-source-files . /one", NULL, "one", true, "rsync|--sender|-r|--remove-source-files|.|one");
    becomes("--server --sender -rR --files-from=- --from0 . /one/x", NULL, "one", false,
            "rsync|--sender|-rR|--files-from=-|--from0|.|one/x");
    becomes("--server -r --usermap=\\*:a --log-format=%i%I . /one", NULL, "one", true,
            "rsync|-r|--usermap=*:a|--log-format=%i%I|./|one");
}

Test(rsync, folders)
{
    becomes("--server -r --partial-dir .p --link-dest /one/prev/ --backup-dir=b/c . /one/new", NULL, "one", true,
            "rsync|-r|--partial-dir=.p|--link-dest=/home/one/prev/|--backup-dir=b/c|./|one/new");
    becomes("--server -r --link-dest=/prev . new", "one", "one", true, "rsync|-r|--link-dest=/home/one/prev|./|one/new");
    refused("--server -r --link-dest=../prev . /one/new", "'../prev' is not allowed here");
    refused("--server -r --copy-dest a/.. . /one/new", "no '..'");
    refused("--server -r --temp-dir=/../../etc . /one/new", "is not allowed here");
    refused("--server -r --temp-dir=/tmp . /one/new", "one server at a time");
    refused("--server -r --compare-dest=/two/x . /one/new", "one server at a time");
    refused("--server -r --backup-dir= . /one/new", "is not allowed here");
}

Test(rsync, names)
{
    becomes("--server -r . /one/a\\ b\\'\\\"\\$\\;\\&\\(x\\)", NULL, "one", true, "rsync|-r|./|one/a b'\"$;&(x)");
    becomes("--server -r . ./one/-x", NULL, "one", true, "rsync|-r|./|one/-x");
    becomes("--server -r . /one/\xff\xfe\xc3\x28", NULL, "one", true, "rsync|-r|./|one/\xff\xfe\xc3\x28");
    becomes("--server -r . //one///a//./b/", NULL, "one", true, "rsync|-r|./|one/a/./b/");
    /* A place to write to is one name, whatever is in it. */
    becomes("--server -r . /one/a*[x]?", NULL, "one", true, "rsync|-r|./|one/a*[x]?");
    becomes("--server -r . /one/a\\*", NULL, "one", true, "rsync|-r|./|one/a*");
    /* What is read may be a pattern; what was quoted is none. */
    becomes("--server --sender -r . /one/a*/b\\*c/d\\\\e", NULL, "one", false, "rsync|--sender|-r|.|one/a*/b\\*c/d\\e");
}

Test(rsync, home)
{
    becomes("--server -r . .", "one", "one", true, "rsync|-r|./|one/");
    becomes("--server -r . /x/y", "one", "one", true, "rsync|-r|./|one/x/y");
    becomes("--server --sender -r . x", "one", "one", false, "rsync|--sender|-r|.|one/./x");
    becomes("--server --sender -rR . x/./y /", "one", "one", false, "rsync|--sender|-rR|.|one/x/./y|one/./");
    refused("--server -r . /", "is no place on a server");
    refused("--server -r . .", "is no place on a server");
    refused("--server --sender -r .", "is no place on a server");
    refused("--server --sender -r . /one/a /two/b", "one server at a time, not 'one' and 'two'");
    refused("--server --sender -r . /one/../two", "'..' is not allowed");
    refused("--server -r . /one/a\\.\\./../x", "'..' is not allowed");
    refused("--server -r . ../one", "is no place on a server");
    refused("--server -r . /one/a /one/b", "one place to write to");
}

Test(rsync, secluded)
{
    struct rsync_args a;
    struct buf list BUF_FREE = BUF(2 * RSYNC_LIST_MOST);
    char with[] = "--partial", dot[] = ".", path[] = "/one/a b\n*\\*", *words[] = { with, dot, path, NULL };
    cr_assert(read_line(&a, "--server --sender -slogDtpre.iLsfxCIvu", NULL));
    cr_assert(a.secluded);
    cr_assert(rsync_args_add(&a, words, false), "%s", a.why);
    cr_assert(rsync_args_end(&a, &list), "%s", a.why);
    cr_expect_str_eq(shown(&list), "rsync|--sender|-logDtpre.iLsfxCIvu|--partial|.|one/a b\n*\\*");
    rsync_args_free(&a);
}

Test(rsync, forbidden)
{
    static const char *const bad[] = {
        "--daemon", "--rsh=sh", "-esh", "-e.i/L", "-e", "--rsync-path=x", "--log-file=/one/x", "--config=/one/x", "--write-devices", "--copy-devices",
        "--protocol=29", "--iconv=utf8", "-M--daemon", "--remote-option=--daemon", "--password-file=/one/x", "--copy-as=root", "--no-sandbox",
        "--include-from=/one/x", "--exclude-from=/one/x", "--filter=x", "--write-batch=x", "--read-batch=x", "--batch", "--sockopts=x", "--out-format=x",
        "-f.", "-T/tmp", "-P", "-h", "-V", "-rZ", "-1", "--server=x", "--delete=x", "--deletex", "--del", "--old-args", "--trust-sender", "--",
    };
    char line[200];
    for (size_t i = 0; i < countof(bad); i++) {
        snprintf(line, sizeof line, "--server -r %s . /one/x", bad[i]);
        refused(line, strcmp(bad[i], "--") ? "is not allowed here; allowed: -A" : "stands where an option");
    }
    refused("--server -r --files-from /one/list . /one", "--files-from: '/one/list' is not allowed here; allowed: -");
    refused("--server -r --files-from=/etc/passwd . /one", "allowed: -");
    refused("--server -r --timeout=1x . /one", "allowed: a number");
    refused("--server -r --timeout . /one", "allowed: a number");
    refused("--server -r --timeout", "a value is missing");
    refused("--server -r --bwlimit=/x . /one", "allowed: a size");
    refused("--server -r --suffix=a/b . /one", "text without a slash");
    refused("--server -r --suffix='a\nb' . /one", "text without control characters");
    refused("--server -r --only-write-batch=/one/x . /one", "allowed: X");
    refused("--server -r x . /one", "stands where an option or '.' is expected");
}

/* rsync reads on for options behind its paths: a path of ours never looks like one. */
Test(rsync, no_option_behind_the_dot)
{
    refused("--server -r . --daemon", "is no place on a server");
    becomes("--server --sender -r . /one/x ./one/--daemon", NULL, "one", false, "rsync|--sender|-r|.|one/x|one/--daemon");
    becomes("--server --sender -r . --daemon", "one", "one", false, "rsync|--sender|-r|.|one/./--daemon");
}

Test(rsync, bounded)
{
    struct rsync_args a;
    struct buf list BUF_FREE = BUF(2 * RSYNC_LIST_MOST);
    static char path[2000] = "/one/", dot[] = ".", sender[] = "--sender", *words[100] = { sender, dot };
    memset(path + 5, 'x', sizeof path - 6);
    for (size_t i = 2; i < 99; i++)
        words[i] = path;
    rsync_args_init(&a, NULL);
    cr_assert(rsync_args_add(&a, words, false));
    cr_expect(!rsync_args_end(&a, &list));
    cr_expect(a.why && strstr(a.why, "too many arguments"), "%s", a.why);
    rsync_args_free(&a);
}
