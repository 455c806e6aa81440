#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/conf_table.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rate.h"

#define HOUR 3600000

static struct rate_left full(uint32_t burst, uint64_t ms)
{
    struct rate_left l = { 0 };
    rate_set(&l, &(struct rate){ burst, ms }, 1000);
    return l;
}

Test(rate, is_read)
{
    struct rate r;
    cr_assert_eq(rate_parse("backup.create 6/1h", &r, NULL), RATE_BACKUP_CREATE);
    cr_assert_eq(r.burst, 6);
    cr_assert_eq(r.ms, HOUR);
    cr_assert_eq(rate_parse("check-file \t 2G/10m", &r, NULL), RATE_CHECK_FILE);
    cr_assert_eq(r.burst, 2048);
    cr_assert_eq(r.ms, 600000);
    cr_assert_eq(rate_parse("rsync none", &r, NULL), RATE_RSYNC);
    cr_assert_eq(r.burst, 0);
}

Test(rate, bad_ones_are_refused_by_what_is_wrong)
{
    static const struct { const char *text, *why; } rows[] = {
        { "nosuch 1/1h", "'nosuch' has no rate; allowed: backup.create backup.get rsync sum check-file" },
        { "", "'' has no rate" },
        { "rsync", "must be BURST/TIME, or none" },
        { "rsync 5", "must be BURST/TIME, or none" },
        { "rsync 0/1h", "must be 1 to 1000000 times" },
        { "rsync -1/1h", "must be 1 to 1000000 times" },
        { "rsync 1G/1h", "must be 1 to 1000000 times" },
        { "rsync 1000001/1h", "must be 1 to 1000000 times" },
        { "sum 5/1h", "must be whole mebibytes, 1M to 64T" },
        { "sum 65T/1h", "must be whole mebibytes, 1M to 64T" },
        { "sum 1M/999ms", "must be a time of 1s to 30d" },
        { "sum 1M/31d", "must be a time of 1s to 30d" },
        { "sum 1M/", "must be a time of 1s to 30d" },
    };
    for (size_t i = 0; i < countof(rows); i++) {
        struct rate r;
        struct err e = { 0 };
        cr_assert_eq(rate_parse(rows[i].text, &r, &e), -1, "%s", rows[i].text);
        cr_assert_not_null(strstr(e.text, rows[i].why), "%s: %s", rows[i].text, e.text);
    }
}

Test(rate, its_defaults_stand_in_the_help)
{
    for (size_t i = 0; i < conf_nsections; i++) {
        size_t n;
        const struct conf_option *o = conf_sections[i].options(&n);
        for (size_t j = 0; j < n; j++)
            for (int v = 0; v < RATES && strcmp(o[j].key, "rate") == 0; v++) {
                struct rate d = rate_default((enum rate_verb)v);
                bool bytes = rate_bytes((enum rate_verb)v);
                cr_assert_eq(d.ms, HOUR);
                FREE_MEM char *text = mem_fmt("%s %u%s/1h", rate_name((enum rate_verb)v), bytes ? d.burst / 1024 : d.burst, bytes ? "G" : "");
                cr_assert_not_null(strstr(o[j].help, text), "%s", text);
            }
    }
}

Test(rate, fills_evenly)
{
    struct rate_left l = full(6, HOUR);
    for (int i = 0; i < 6; i++)
        cr_assert_eq(rate_take(&l, RATE_BACKUP_CREATE, 1, 1000), 0);
    cr_assert_eq(rate_take(&l, RATE_BACKUP_CREATE, 1, 1000), HOUR / 6);
    /* Over 10 hours at every second: 6 at first, 60 more, never two within ten minutes. */
    uint64_t last = 0;
    unsigned n = 0;
    for (uint64_t now = 2000; now <= 1000 + 10ull * HOUR; now += 1000)
        if (rate_take(&l, RATE_BACKUP_CREATE, 1, now) == 0) {
            cr_assert(last == 0 || now - last >= HOUR / 6, "%llu", (unsigned long long)(now - last));
            last = now;
            n++;
        }
    cr_assert_eq(n, 60);
}

Test(rate, of_bytes)
{
    struct rate_left l = full(64 * 1024, HOUR);
    uint64_t in;
    cr_assert_eq(rate_there(&l, RATE_SUM, 1000, &in), 64ull << 30);
    cr_assert_eq(in, 0);
    cr_assert_eq(rate_take(&l, RATE_SUM, 32ull << 30, 1000), 0);
    cr_assert_eq(rate_there(&l, RATE_SUM, 1000, &in), 32ull << 30);
    cr_assert_eq(in, HOUR / 2);
    cr_assert_eq(rate_take(&l, RATE_SUM, UINT64_MAX, 1000), HOUR / 2, "more than all is all");
    cr_assert_eq(rate_take(&l, RATE_SUM, UINT64_MAX, 1000 + HOUR / 2), 0);
    cr_assert_neq(rate_take(&l, RATE_SUM, 1, 1000 + HOUR / 2), 0, "one byte is not free");
    struct rate_left most = full(1u << 26, 30ull * 24 * HOUR);
    cr_assert_eq(rate_take(&most, RATE_SUM, 1ull << 45, 1000), 0);
    cr_assert_neq(rate_take(&most, RATE_SUM, 1ull << 45, 1000), 0, "the largest there are");
    cr_assert_leq(rate_there(&most, RATE_SUM, 1000, &in), 1ull << 45);
}

Test(rate, none_is_none_and_a_change_begins_anew)
{
    struct rate_left l = full(0, 0);
    for (int i = 0; i < 1000; i++)
        cr_assert_eq(rate_take(&l, RATE_RSYNC, 1, 1000), 0);
    l = full(1, HOUR);
    cr_assert_eq(rate_take(&l, RATE_RSYNC, 1, 1000), 0);
    rate_set(&l, &(struct rate){ 1, HOUR }, 1000);
    cr_assert_eq(rate_take(&l, RATE_RSYNC, 1, 1000), HOUR, "the same again is no change");
    rate_give_back(&l, RATE_RSYNC, 1);
    rate_give_back(&l, RATE_RSYNC, 1);
    cr_assert_eq(rate_take(&l, RATE_RSYNC, 1, 1000), 0);
    cr_assert_eq(rate_take(&l, RATE_RSYNC, 1, 1000), HOUR, "never more than the bucket holds");
    rate_set(&l, &(struct rate){ 2, HOUR }, 1000);
    cr_assert_eq(rate_take(&l, RATE_RSYNC, 1, 1000), 0);
}
