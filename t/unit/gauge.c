/* Rates from counters, and pictures of them. */
#include <criterion/criterion.h>
#include <string.h>

#include "sshd/session/gauge.h"

static struct histories all;

static const struct history *look(uint64_t at, const char *server, uint64_t cpu, uint64_t sent)
{
    struct status one = { .server = (char *)(uintptr_t)server, .cpu_ms = cpu, .net_sent = sent, .memory = 77 };
    gauge_look(&all, &(struct statuses){ &one, 1 }, at);
    return gauge_find(&all, server);
}

static void drop(void) { gauge_free(&all); }

TestSuite(gauge, .fini = drop);

Test(gauge, the_first_look_says_nothing_of_rates)
{
    const struct history *h = look(1000, "a", 5000, 99999);
    cr_expect_eq(h->n, 0);
    h = look(3000, "a", 6000, 99999 + 4000);
    cr_expect_eq(h->now[GAUGE_CPU], 500, "a second of two: half a core");
    cr_expect_eq(h->now[GAUGE_SENT], 2000);
    cr_expect_eq(h->now[GAUGE_MEMORY], 77);
    cr_expect_eq(h->n, 1);
}

Test(gauge, a_counter_that_went_back_counts_from_nothing)
{
    look(1000, "a", 1000000, 0);
    cr_expect_eq(look(2000, "a", 300, 0)->now[GAUGE_CPU], 300);
}

Test(gauge, no_time_between_is_no_rate)
{
    look(1000, "a", 0, 0);
    cr_expect_eq(look(1000, "a", 300, 5)->now[GAUGE_SENT], 0);
}

Test(gauge, who_is_gone_is_forgotten)
{
    look(1000, "a", 0, 0);
    look(2000, "b", 0, 0);
    cr_expect_null(gauge_find(&all, "a"));
    cr_expect_not_null(gauge_find(&all, "b"));
}

Test(gauge, the_oldest_go)
{
    for (uint64_t i = 1; i < 1000; i++)
        look(i * 1000, "a", i * 10 * (i == 999 ? 2 : 1), 0);
    const struct history *h = gauge_find(&all, "a");
    cr_expect_eq(h->n, GAUGE_KEPT);
    cr_expect_eq(h->kept[GAUGE_CPU][0], 10);
    cr_expect_gt(h->kept[GAUGE_CPU][GAUGE_KEPT - 1], 9000);
}

static void drawn(const struct history *h, unsigned width, uint64_t full, const char *wanted)
{
    BUF_FREE struct buf b = BUF(4096);
    gauge_draw(&b, h, GAUGE_SENT, width, full);
    buf_put_u8(&b, '\0');
    cr_expect_str_eq((const char *)buf_head(&b), wanted);
}

Test(gauge, drawing)
{
    uint64_t sum = 0;
    look(0 + 1000, "a", 0, 0);
    const uint64_t v[] = { 0, 50, 100, 99, 1 };
    const struct history *h = NULL;
    for (size_t i = 0; i < 5; i++)
        h = look(2000 + i * 1000, "a", 0, sum += v[i]);
    drawn(h, 7, 0, "  ▁▅██▁");
    drawn(h, 2, 0, "█▁");
    drawn(h, 3, 400, "▃▂▁");
    drawn(h, 0, 0, "");
}
