#include <criterion/criterion.h>
#include <string.h>

#include "sshd/attrs.h"

Test(attrs, come_back_as_they_went)
{
    for (uint32_t flags = 0; flags <= ATTRS_ALL; flags++) {
        struct attrs a = { flags, UINT64_MAX - 1, 1, 2, 0100644, 3, UINT32_MAX }, back;
        BUF_FREE struct buf b = BUF(ATTRS_MOST);
        attrs_put(&b, &a);
        cr_assert_not(b.bad);
        attrs_get(&b, &back);
        cr_assert(!b.bad && buf_size(&b) == 0);
        cr_assert_eq(back.flags, flags);
        cr_assert(!(flags & ATTRS_SIZE) || back.size == a.size);
        cr_assert(!(flags & ATTRS_OWNER) || (back.uid == 1 && back.gid == 2));
        cr_assert(!(flags & ATTRS_MODE) || back.mode == 0100644);
        cr_assert(!(flags & ATTRS_TIMES) || (back.atime == 3 && back.mtime == UINT32_MAX));
    }
}

Test(attrs, extended_pairs_are_skipped_and_cut_ones_refused)
{
    struct attrs a;
    BUF_FREE struct buf b = BUF(100);
    buf_put_u32(&b, ATTRS_EXTENDED | ATTRS_MODE);
    buf_put_u32(&b, 0600);
    buf_put_u32(&b, 1);
    buf_put_str(&b, "acl@x");
    buf_put_str(&b, "data");
    for (size_t cut = 1; cut < buf_size(&b); cut++) {
        struct buf part = b;
        part.len -= cut;
        attrs_get(&part, &a);
        cr_assert(part.bad && a.flags == 0, "cut by %zu", cut);
    }
    attrs_get(&b, &a);
    cr_assert(!b.bad && buf_size(&b) == 0 && a.flags == ATTRS_MODE && a.mode == 0600);
}

Test(attrs, a_huge_count_or_an_unknown_flag_is_bad_at_once)
{
    struct attrs a;
    BUF_FREE struct buf b = BUF(100), c = BUF(100);
    buf_put_u32(&b, ATTRS_EXTENDED);
    buf_put_u32(&b, UINT32_MAX);
    attrs_get(&b, &a);
    cr_assert(b.bad);
    buf_put_u32(&c, 0x10);
    attrs_get(&c, &a);
    cr_assert(c.bad);
}

static const char *line(mode_t mode, off_t size, time_t when)
{
    static char buf[ATTRS_LINE];
    struct stat st = { .st_mode = mode, .st_nlink = 1, .st_size = size, .st_mtime = when };
    return attrs_line(&st, 1700000000, buf);
}

Test(attrs, lines_look_like_ls)
{
    cr_assert_str_eq(line(S_IFREG | 0644, 1234, 1700000000 - 60), "-rw-r--r--    1 server   server         1234 Nov 14 22:12 ");
    cr_assert_str_eq(line(S_IFDIR | 01777, 0, 0), "drwxrwxrwt    1 server   server            0 Jan  1  1970 ");
    cr_assert_str_eq(line(S_IFLNK | 0777, 0, 1900000000), "lrwxrwxrwx    1 server   server            0 Mar 17  2030 ");
    cr_assert_eq(line(S_IFREG | 06000, 0, 0)[3], 'S');
    cr_assert_eq(line(S_IFIFO, 0, 0)[0], 'p');
    cr_assert_lt(strlen(line(S_IFREG, INT64_MAX, INT64_MAX)), (size_t)ATTRS_LINE);
    cr_assert_lt(strlen(line(S_IFREG, INT64_MAX, INT64_MIN)), (size_t)ATTRS_LINE);
}

Test(attrs, times_of_a_file_fit_or_are_clamped)
{
    struct attrs a;
    attrs_of_stat(&a, &(struct stat){ .st_mtime = -5, .st_atime = INT64_C(1) << 40 });
    cr_assert(a.mtime == 0 && a.atime == UINT32_MAX);
}
