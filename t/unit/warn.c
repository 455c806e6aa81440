/* When a filling disk is told of. */
#include <criterion/criterion.h>

#include "sshd/supervisor/warn.h"

static unsigned told, level;

uint64_t server_disk_used(struct server *v, uint64_t *inodes)
{
    (void)v;
    return *inodes = 0;
}

/* The lines that a course of percents makes. */
static void course(struct server *v, const unsigned *percent, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned before = v->warned;
        warn_look(v, percent[i] * 10, 0);
        told += v->warned > before;
        level = v->warned;
    }
}

#define COURSE(...) do { const unsigned p[] = { __VA_ARGS__ }; course(&v, p, countof(p)); } while (0)

Test(warn, once_when_crossed_and_again_after_five_points_below)
{
    struct server v = { .name = "one", .disk_limit = 1000 };
    COURSE(0, 50, 79);
    cr_assert_eq(told, 0);
    COURSE(80, 81, 90, 94);
    cr_assert_eq(told, 1);
    cr_assert_eq(level, WARN_LOW);
    COURSE(79, 76, 80, 85);
    cr_assert_eq(told, 1, "it was not far enough below");
    COURSE(75, 79);
    cr_assert_eq(level, 0);
    COURSE(80);
    cr_assert_eq(told, 2);
    COURSE(95, 100, 91, 96);
    cr_assert_eq(told, 3);
    cr_assert_eq(level, WARN_HIGH);
    COURSE(90);
    cr_assert_eq(level, WARN_LOW);
    COURSE(94, 95);
    cr_assert_eq(told, 4);
    COURSE(10, 99);
    cr_assert_eq(told, 5, "both marks at once are one line");
}

Test(warn, the_worse_of_bytes_and_inodes)
{
    cr_assert_eq(warn_percent(10, 100, 95, 100), 95);
    cr_assert_eq(warn_percent(81, 100, 5, 100), 81);
    cr_assert_eq(warn_percent(5, 0, 7, 0), 0, "no limit");
    cr_assert_eq(warn_percent(200, 100, 0, 100), 100);
    cr_assert_eq(warn_percent(UINT64_MAX - 1, UINT64_MAX, 0, 1), 99, "no overflow, rounded down");
}

Test(warn, five_points)
{
    for (unsigned p = 0; p <= 100; p++) {
        cr_assert_eq(warn_mark(0, p), p >= 95 ? 95 : p >= 80 ? 80 : 0);
        cr_assert_eq(warn_mark(80, p), p >= 95 ? 95 : p > 75 ? 80 : 0);
        cr_assert_eq(warn_mark(95, p), p > 90 ? 95 : p > 75 ? 80 : 0);
    }
}
