#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/attr.h"
#include "sshd/session/session.h"
#include "sshd/session/sftp.h"

/* What sftp_path.c's other half needs; the pure half is tested here. */
const char *session_home(const struct session *s) { return (const char *)s; }
void sftp_status(struct sftp *f UNUSED, uint32_t id UNUSED, uint32_t status UNUSED, const char *text UNUSED) {}

static void normal(const char *from, const char *to)
{
    enum sftp_path_error why;
    FREE_MEM char *got = sftp_path_normal((const uint8_t *)from, strlen(from), &why);
    cr_assert(got && why == PATH_OK);
    cr_assert_str_eq(got, to, "%s: %s, not %s", from, got, to);
}

Test(sftp_path, normal_form)
{
    static const char *const pairs[][2] = {
        { "", "/" }, { ".", "/" }, { "/", "/" }, { "//", "/" }, { "..", "/" }, { "/../..", "/" }, { "../a", "/a" },
        { "a", "/a" }, { "/a/", "/a" }, { "/a//b/./c", "/a/b/c" }, { "/a/../b", "/b" }, { "a/..", "/" }, { "a/b/..", "/a" },
        { "a/b/../../../c", "/c" }, { "...", "/..." }, { "/..a/.b", "/..a/.b" }, { "/a/...", "/a/..." }, { "/a/b/.", "/a/b" },
        { "/ /\n", "/ /\n" },
    };
    for (size_t i = 0; i < countof(pairs); i++)
        normal(pairs[i][0], pairs[i][1]);
}

Test(sftp_path, bad_ones)
{
    enum sftp_path_error why;
    static uint8_t longest[SFTP_PATH_MOST + 1];
    memset(longest, 'a', sizeof longest);
    cr_assert_null(sftp_path_normal((const uint8_t *)"a\0b", 3, &why));
    cr_assert_eq(why, PATH_NUL);
    cr_assert_null(sftp_path_normal(longest, sizeof longest, &why));
    cr_assert_eq(why, PATH_LONG);
    FREE_MEM char *fits = sftp_path_normal(longest, SFTP_PATH_MOST, &why);
    cr_assert_eq(strlen(fits), SFTP_PATH_MOST + 1u);
}

Test(sftp_path, first_component_is_the_server)
{
    char name[NAME_MOST + 2];
    cr_assert_str_eq(sftp_path_split("/", name), "");
    cr_assert_str_eq(name, "");
    cr_assert_str_eq(sftp_path_split("/one", name), "");
    cr_assert_str_eq(name, "one");
    cr_assert_str_eq(sftp_path_split("/one/a/b", name), "a/b");
    cr_assert_str_eq(sftp_path_split("/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/x", name), "x");
    cr_assert_eq(strlen(name), NAME_MOST + 1u, "cut to what no name can be");
}

static struct sftp_spot spot(const char *home, const char *path)
{
    struct sftp_spot s;
    struct sftp f = { .session = (struct session *)(uintptr_t)home };
    BUF_FREE struct buf b = BUF(8192);
    buf_put_str(&b, path);
    cr_assert(sftp_spot(&f, 1, &b, &s));
    return s;
}

Test(sftp_path, with_and_without_a_home)
{
    SPOT_FREE struct sftp_spot a = spot(NULL, "/one/../two/x/");
    cr_assert_str_eq(a.name, "two");
    cr_assert_str_eq(a.rest, "x");
    SPOT_FREE struct sftp_spot b = spot("one", "/../two/x");
    cr_assert_str_eq(b.name, "one");
    cr_assert_str_eq(b.rest, "two/x");
    SPOT_FREE struct sftp_spot c = spot("one", "/");
    cr_assert(!sftp_is_top(&c) && c.rest[0] == '\0');
    SPOT_FREE struct sftp_spot d = spot(NULL, "/..");
    cr_assert(sftp_is_top(&d));
}
