/* When a filling disk is told of. */
#include <criterion/criterion.h>

#include <stdarg.h>
#include <stdio.h>

#include "sshd/supervisor/news.h"
#include "sshd/supervisor/warn.h"

static unsigned told, level, events;
static char text[200];

void news_put(struct super *s, const char *what, const char *server, const char *account, const char *fmt, ...)
{
    (void)s;
    (void)account;
    cr_assert_str_eq(what, "quota");
    cr_assert_str_eq(server, "one");
    events++;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
}

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
    COURSE(95, 99, 91, 96);
    cr_assert_eq(told, 3);
    cr_assert_eq(level, WARN_HIGH);
    COURSE(100, 99, 96, 100);
    cr_assert_eq(told, 4, "nothing is left");
    cr_assert_eq(level, WARN_FULL);
    COURSE(90);
    cr_assert_eq(level, WARN_LOW);
    COURSE(94, 95);
    cr_assert_eq(told, 5);
    COURSE(10, 99);
    cr_assert_eq(told, 6, "both marks at once are one line");
    cr_assert_eq(events, told, "and each an event");
}

Test(warn, which_is_full)
{
    struct server v = { .name = "one", .disk_limit = 1000, .inodes_limit = 50 };
    warn_look(&v, 850, 40);
    cr_assert_str_eq(text, "its disk is 85% full: 850 of 1000 bytes");
    warn_look(&v, 850, 48);
    cr_assert_str_eq(text, "its disk is 96% full: 48 of 50 files");
    warn_look(&v, 1001, 48);
    cr_assert_str_eq(text, "its disk is full: 1001 of 1000 bytes");
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
        cr_assert_eq(warn_mark(0, p), p >= 100 ? 100 : p >= 95 ? 95 : p >= 80 ? 80 : 0);
        cr_assert_eq(warn_mark(80, p), p >= 100 ? 100 : p >= 95 ? 95 : p > 75 ? 80 : 0);
        cr_assert_eq(warn_mark(95, p), p >= 100 ? 100 : p > 90 ? 95 : p > 75 ? 80 : 0);
        cr_assert_eq(warn_mark(100, p), p > 95 ? 100 : p > 90 ? 95 : p > 75 ? 80 : 0);
    }
}
