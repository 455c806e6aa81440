#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "sshd/supervisor/source.h"
#include "sshd/supervisor/source_keep.h"
#include "sshd/supervisor/store.h"

static struct super super;

/* The store, as far as sources know it. */
static unsigned sent, sent_rows;
void store_send(struct super *s, struct msg *m)
{
    (void)s;
    sent++;
    if (m->type == STORE_SOURCES_SAVE)
        sent_rows += msg_get_u32(m);
    msg_free(m);
}
bool store_ready(const struct super *s) { (void)s; return true; }
bool store_wait(struct super *s, uint16_t type, uint64_t ms) { (void)s; (void)type; (void)ms; return true; }

static void begin(void)
{
    log_to(open("/dev/null", O_WRONLY | O_CLOEXEC));
    conf_init(&super.conf);
    super.loop = loop_new();
}

TestSuite(source, .init = begin);

static struct sockaddr_storage address(const char *text)
{
    struct sockaddr_storage a;
    memset(&a, 0, sizeof a);
    if (strchr(text, ':')) {
        a.ss_family = AF_INET6;
        cr_assert_eq(inet_pton(AF_INET6, text, &((struct sockaddr_in6 *)&a)->sin6_addr), 1);
    } else {
        a.ss_family = AF_INET;
        cr_assert_eq(inet_pton(AF_INET, text, &((struct sockaddr_in *)&a)->sin_addr), 1);
    }
    return a;
}

static struct source *enter(const char *text)
{
    struct sockaddr_storage a = address(text);
    return source_enter(&super, &a);
}

static struct source *find(const char *text)
{
    struct sockaddr_storage a = address(text);
    return source_find(&super, &a);
}

static bool refused(const struct source *src)
{
    uint64_t ms;
    return source_refused(src, &ms);
}

static void exempt(char *net)
{
    super.conf.limits.exempt.v = mem_array(1, sizeof(char *));
    super.conf.limits.exempt.v[0] = net;
    super.conf.limits.exempt.n = 1;
}

Test(source, is_an_address_of_ipv4_and_a_network_of_ipv6)
{
    struct source *four = enter("192.0.2.1"), *six = enter("2001:db8:1:2::1");
    cr_assert_eq(find("192.0.2.1"), four);
    cr_assert_null(find("192.0.2.2"));
    cr_assert_eq(find("2001:db8:1:2:ffff::9"), six);
    cr_assert_null(find("2001:db8:1:3::1"));
    cr_assert_eq(find("::ffff:192.0.2.1"), four, "a mapped address is the IPv4 one");
    cr_assert_str_eq(source_text(six), "2001:db8:1:2::/64");
    cr_assert_str_eq(source_text(four), "192.0.2.1");
}

/* Each kind: how many of it, one at once behind the other, until it is refused, and for how long then. */
Test(source, penalties_are_as_promised)
{
    static const struct { enum penalty why; unsigned times; uint64_t ms; } rows[] = {
        { PENALTY_CRASH, 1, 90000 },   { PENALTY_AUTH, 3, 15000 },   { PENALTY_USER, 3, 15000 },
        { PENALTY_NOAUTH, 15, 15000 }, { PENALTY_GRACE, 2, 20000 },
    };
    for (size_t i = 0; i < countof(rows); i++) {
        char text[32];
        uint64_t ms = 0;
        snprintf(text, sizeof text, "192.0.2.%zu", i + 1);
        struct source *s = enter(text);
        for (unsigned n = 1; n <= rows[i].times; n++) {
            cr_assert_not(refused(s), "%s, %u times", penalty_word(rows[i].why), n - 1);
            /* Time goes on meanwhile: what is left must not fall below a whole number of seconds. */
            s->until += s->until ? 50 : 0;
            source_punish(&super, s, rows[i].why);
        }
        cr_assert(source_refused(s, &ms), "%s", penalty_word(rows[i].why));
        cr_assert(ms > rows[i].ms - 2000 && ms <= rows[i].ms + 2000, "%s: %llu ms", penalty_word(rows[i].why), (unsigned long long)ms);
        cr_assert_eq(source_why(s), rows[i].why);
        cr_assert_not(refused(find("198.51.100.1")), "others are not");
        for (unsigned n = 0; n < 1000; n++)
            source_punish(&super, s, rows[i].why);
        cr_assert(source_refused(s, &ms));
        cr_assert(ms <= 600000 && ms > 590000, "ten minutes at most, not %llu ms", (unsigned long long)ms);
    }
}

Test(source, penalties_run_out)
{
    super.conf.limits.penalty_min = 40;
    super.conf.limits.penalty_auth = 50;
    struct source *s = enter("192.0.2.1");
    source_punish(&super, s, PENALTY_AUTH);
    cr_assert(refused(s));
    usleep(80000);
    cr_assert_not(refused(s));
    super.conf.limits.penalty_auth = 10;
    source_punish(&super, s, PENALTY_AUTH);
    cr_assert_not(refused(s), "what ran out does not count again");
}

Test(source, cools_down_after_too_many_tries_of_a_kind)
{
    super.conf.limits.cooldown = 60;
    struct source *s = enter("192.0.2.1");
    for (int i = 0; i < 2; i++)
        source_try(&super, s, TRY_PASSWORD);
    for (int i = 0; i < 19; i++)
        source_try(&super, s, TRY_KEY);
    cr_assert_not(refused(s), "2 of 3 and 19 of 20 do not add up");
    source_forgive(&super, s);
    source_try(&super, s, TRY_PASSWORD);
    source_try(&super, s, TRY_PASSWORD);
    cr_assert_not(refused(s), "a login between them starts anew");
    source_try(&super, s, TRY_PASSWORD);
    cr_assert(refused(s));
    cr_assert_eq(source_why(s), PENALTY_PASSWORDS);
    usleep(90000);
    cr_assert_not(refused(s));
    for (int i = 0; i < 20; i++)
        source_try(&super, s, TRY_KEY);
    cr_assert_eq(source_why(s), PENALTY_KEYS);
}

Test(source, is_kept_for_those_who_logged_in)
{
    struct source *s = enter("192.0.2.1");
    source_leave(s);
    cr_assert_eq(find("192.0.2.1"), s);
    source_punish(&super, s, PENALTY_CRASH);
    cr_assert(refused(find("192.0.2.1")), "the connection's end is still held against it");
    source_release(&super, s);
    cr_assert_eq(find("192.0.2.1"), s, "and beyond it");
    source_release(&super, (source_leave(s = enter("192.0.2.9")), s));
    cr_assert_null(find("192.0.2.9"), "who did nothing is forgotten");
}

Test(source, of_exempt_networks_is_never_punished)
{
    exempt((char[]){ "192.0.2.0/25" });
    struct source *s = enter("192.0.2.1");
    for (int i = 0; i < 100; i++) {
        source_punish(&super, s, PENALTY_CRASH);
        source_try(&super, s, TRY_PASSWORD);
    }
    cr_assert_not(refused(s));
    cr_assert(source_exempt(find("192.0.2.127")));
    cr_assert(source_exempt(find("::ffff:192.0.2.127")), "nor a mapped one");
    cr_assert_not(source_exempt(find("192.0.2.128")));
    cr_assert_not(source_exempt(find("2001:db8::1")));
    cr_assert_eq(source_pending(s), 0);
    exempt((char[]){ "2001:db8::/47" });
    cr_assert(source_exempt(find("2001:db8:1::1")));
    cr_assert_not(source_exempt(find("2001:db8:2::1")));
}

Test(source, an_admins_word)
{
    struct err e = { 0 };
    cr_assert_eq(source_ban(&super, "192.0.2.1", 3600000, &e), 0);
    cr_assert_eq(source_ban(&super, "2001:db8:1:2::77", 3600000, &e), 0);
    uint64_t ms;
    cr_assert(source_refused(find("192.0.2.1"), &ms));
    cr_assert(ms > 3590000, "longer than penalties may last");
    source_punish(&super, find("192.0.2.1"), PENALTY_AUTH);
    cr_assert(source_refused(find("192.0.2.1"), &ms) && ms > 3590000, "and a penalty does not shorten it");
    cr_assert(refused(find("2001:db8:1:2::1")));
    cr_assert_eq(source_pardon(&super, "2001:db8:1:2::/64", &e), 1);
    cr_assert_not(refused(find("2001:db8:1:2::1")));
    cr_assert_eq(source_pardon(&super, "198.51.100.9", &e), 0);
    cr_assert_eq(source_pardon(&super, "all", &e), 1);
    cr_assert_not(refused(find("192.0.2.1")));
    cr_assert_eq(source_pardon(&super, "192.0.2.0/24", &e), -1, "a network is no source");
    cr_assert_eq(source_ban(&super, "here", 1000, &e), -1);
    exempt((char[]){ "203.0.113.0/24" });
    cr_assert_eq(source_ban(&super, "203.0.113.5", 1000, &e), -1, "an exempt one");
}

/* --- the table ----------------------------------------------------------------------------------------------------------------------------- */

static struct sources *table;
static void make_table(void) { table = sources_new(); }
static void free_table(void) { sources_free(table); }
TestSuite(sources, .init = make_table, .fini = free_table);

static struct source *accrue(bool v6, uint64_t key, uint64_t until, bool in_force, uint64_t now)
{
    struct source *s = sources_need(table, v6, key, now);
    s->until = until;
    s->in_force = in_force;
    sources_place(table, s, now);
    return s;
}

Test(sources, forgets_in_the_order_of_their_ends)
{
    /* 7919 is a prime: every one once, in no order. */
    for (uint64_t i = 0; i < 5000; i++)
        accrue(i & 1, i, 1000 + i * 7919 % 5000, i % 3 == 0, 0);
    for (uint64_t now = 1000; now < 6000; now += 500) {
        sources_settle(table, now);
        uint32_t there = table->families[0].n + table->families[1].n;
        cr_assert_eq(there, 5999 - now, "at %llu: %u", (unsigned long long)now, there);
        for (uint64_t i = 0; i < 5000; i++)
            cr_assert_eq(sources_find(table, i & 1, i, now) != NULL, 1000 + i * 7919 % 5000 > now);
    }
}

Test(sources, when_full_the_least_counted_goes_and_no_ban)
{
    struct source *banned = accrue(false, 1, 500, true, 0), *busy = sources_need(table, false, 2, 0);
    busy->held = 1;
    sources_place(table, busy, 0);
    for (uint64_t i = 3; i <= SOURCES_MOST; i++)
        accrue(false, i, 10000 + i, false, 0);
    cr_assert_eq(table->families[0].n, (uint32_t)SOURCES_MOST);
    struct source *fresh = sources_need(table, false, 1u << 20, 100);
    cr_assert_not(fresh->shared);
    cr_assert_null(sources_find(table, false, 3, 100), "the one that would have been forgotten first");
    cr_assert_eq(sources_find(table, false, 1, 100), banned);
    cr_assert_eq(sources_find(table, false, 2, 100), busy);
    cr_assert_eq(table->families[0].n, (uint32_t)SOURCES_MOST);
    /* Another 200,000: the ban stays, as do connections. */
    for (uint64_t i = 0; i < 200000; i++)
        accrue(false, (1u << 21) + i, 20000, false, 100);
    cr_assert_eq(sources_find(table, false, 1, 100), banned);
    cr_assert_eq(sources_find(table, false, 2, 100), busy);
    cr_assert_eq(table->families[0].n, (uint32_t)SOURCES_MOST);
}

Test(sources, when_all_are_refused_new_ones_share_an_entry)
{
    for (uint64_t i = 0; i < SOURCES_MOST; i++)
        accrue(false, i, 60000 + i, true, 0);
    struct source *shared = sources_need(table, false, 1u << 20, 0);
    cr_assert(shared->shared);
    cr_assert_str_eq(source_text(shared), "others of IPv4");
    cr_assert_eq(sources_find(table, false, 1u << 21, 0), shared);
    shared->until = 70000;
    shared->in_force = true;
    sources_place(table, shared, 0);
    cr_assert(source_banned(sources_find(table, false, 1u << 22, 0), 0), "counted and refused together");
    cr_assert_not(sources_need(table, true, 1, 0)->shared, "IPv6 has its own");
    cr_assert(source_banned(sources_find(table, false, 7, 0), 0), "nobody's ban is gone");
    cr_assert_null(sources_find(table, false, 1u << 20, 60000), "until a place is free");
    cr_assert_not(sources_need(table, false, 1u << 20, 60000)->shared);
}

#ifdef __SANITIZE_ADDRESS__
enum { MEMORY_TIMES = 4 };   /* AddressSanitizer keeps more beside each block, and blocks that are free */
#else
enum { MEMORY_TIMES = 1 };
#endif

static unsigned long rss_kib(void)
{
    unsigned long pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    cr_assert_eq(fscanf(f, "%*u %lu", &pages), 1);
    fclose(f);
    return pages * (unsigned long)sysconf(_SC_PAGESIZE) / 1024;
}

Test(sources, memory_is_bounded_and_given_back)
{
    unsigned long before = rss_kib();
    for (int v6 = 0; v6 < 2; v6++)
        for (uint64_t i = 0; i < 2 * SOURCES_MOST; i++)
            accrue(v6, i * 2654435761u, 1000 + i % 7, i & 1, 0);
    cr_assert_leq(rss_kib() - before, 24u * 1024 * MEMORY_TIMES, "%lu KiB", rss_kib() - before);
    sources_settle(table, 2000);
    if (MEMORY_TIMES == 1)
        cr_assert_leq(rss_kib() - before, 6u * 1024, "%lu KiB", rss_kib() - before);
}

Test(sources, what_is_to_be_saved_is_not_forgotten_before)
{
    struct source *s = accrue(false, 1, 500, false, 0);
    sources_change(table, s);
    sources_change(table, accrue(false, 2, 500, false, 0));
    sources_settle(table, 1000);
    cr_assert_eq(sources_find(table, false, 1, 1000), s);
    sources_saved(table, s, 1000);
    cr_assert_null(sources_find(table, false, 1, 1000));
    cr_assert_eq(table->nchanged, 1);
    cr_assert_eq(table->changed[0]->changed_at, 1);
}

/* --- rows and clocks ------------------------------------------------------------------------------------------------------------------------- */

#define WALL INT64_C(1800000000000)
#define MOST 600000
#define COOLDOWN 60000

static void banned_row(struct source_row *row)
{
    struct source s = { .key = 7, .until = 1000 + 300000, .in_force = true, .since = WALL - 5000, .why = PENALTY_AUTH, .refused = 12,
                        .forget = 1000 + 30000, .tries = { 4, 2 } };
    source_row_of(&s, 1000, WALL, row);
}

/* What is left of it when it is read with the wall clock at WALL + LATER, and the monotonic one at 50. */
static uint64_t left_after(struct source_row *row, int64_t later)
{
    source_row_take(table, row, 50, WALL + later, MOST, COOLDOWN);
    struct source *s = sources_find(table, row->v6, row->key, 50);
    return s && source_banned(s, 50) ? source_ban_end(s) - 50 : 0;
}

Test(sources, a_row_goes_on_where_it_was)
{
    struct source_row row;
    banned_row(&row);
    cr_assert_eq(left_after(&row, 100000), 200000);
    struct source *s = sources_find(table, false, 7, 50);
    cr_assert_eq(s->refused, 12);
    cr_assert_eq(s->why, PENALTY_AUTH);
    cr_assert_eq(s->since, WALL - 5000);
    cr_assert_eq(s->forget, 0, "its tries are forgotten by then");
    cr_assert_eq(s->changed_at, 0);
}

Test(sources, a_row_that_has_served_is_none)
{
    struct source_row row;
    banned_row(&row);
    cr_assert_eq(left_after(&row, 300000), 0);
    cr_assert_eq(table->families[0].n, 0);
}

Test(sources, tries_are_remembered)
{
    struct source_row row;
    banned_row(&row);
    left_after(&row, 10000);
    struct source *s = sources_find(table, false, 7, 50);
    cr_assert_eq(s->tries[TRY_KEY], 4);
    cr_assert_eq(s->tries[TRY_PASSWORD], 2);
    cr_assert_eq(s->forget, 50 + 20000);
}

Test(sources, a_clock_that_jumps_back_makes_no_ban_eternal)
{
    struct source_row row;
    banned_row(&row);
    /* Back by ten years: the whole term again, not ten years, and it is written anew with the clock of now. */
    cr_assert_eq(left_after(&row, -INT64_C(315360000000)), 300000);
    struct source *s = sources_find(table, false, 7, 50);
    cr_assert_neq(s->changed_at, 0);
    source_row_of(s, 50 + 100000, WALL - INT64_C(315360000000) + 100000, &row);
    cr_assert_eq(row.penalty, 200000);
    cr_assert_eq(row.saved, WALL - INT64_C(315360000000) + 100000);
    /* Forward by ten years: it is over. */
    sources_free(table);
    table = sources_new();
    banned_row(&row);
    cr_assert_eq(left_after(&row, INT64_C(315360000000)), 0);
}

Test(sources, no_row_lasts_longer_than_the_configuration_says)
{
    struct source_row row;
    banned_row(&row);
    row.penalty = UINT64_MAX;
    row.cool = UINT64_MAX / 2;
    cr_assert_eq(left_after(&row, 0), MOST);
    cr_assert_eq(sources_find(table, false, 7, 50)->cool, 50 + COOLDOWN);
    row.key = 8;
    row.why = PENALTY_ADMIN;
    cr_assert_eq(left_after(&row, 0), SOURCE_BAN_MOST, "but an admin's ban");
    row.key = 9;
    row.why = 4711;
    left_after(&row, 0);
    cr_assert_eq(sources_find(table, false, 9, 50)->why, PENALTY_NONE);
}

/* --- writing behind --------------------------------------------------------------------------------------------------------------------------- */

static bool was_loaded;
static void loaded(struct super *s)
{
    (void)s;
    was_loaded = true;
}

static void saved(uint32_t written)
{
    struct msg m;
    msg_begin(&m, STORE_SOURCES_SAVED, 0);
    msg_put_u32(&m, written);
    source_take_saved(&super, &m);
    msg_free(&m);
}

Test(source, is_written_behind_in_batches_and_a_ban_at_once)
{
    struct msg m;
    source_load(&super, loaded);
    cr_assert_eq(sent, 1, "asked for the rows");
    cr_assert_not(was_loaded);
    msg_begin(&m, STORE_SOURCES_PAGE, 0);
    msg_put_u32(&m, 0);
    source_take_rows(&super, &m);
    msg_free(&m);
    cr_assert(was_loaded);
    source_punish(&super, enter("192.0.2.1"), PENALTY_AUTH);
    source_punish(&super, enter("192.0.2.2"), PENALTY_AUTH);
    cr_assert_eq(sent, 1, "nothing at once");
    source_punish(&super, enter("192.0.2.3"), PENALTY_CRASH);
    cr_assert_eq(sent, 2, "a ban at once");
    cr_assert_eq(sent_rows, 3, "with what else there is");
    for (int i = 0; i < 1000; i++) {
        char text[32];
        snprintf(text, sizeof text, "10.0.%d.%d", i / 250, i % 250);
        source_punish(&super, enter(text), PENALTY_CRASH);
    }
    cr_assert_eq(sent, 2, "one batch at a time");
    saved(1);
    saved(1);
    saved(1);
    cr_assert_eq(sent, 5);
    cr_assert_eq(sent_rows, 1003);
    saved(1);
    cr_assert_eq(sent, 5, "and that was all");
    source_keeper_lost(&super);
    sent_rows = 0;
    source_load(&super, loaded);
    for (int i = 0; i < 3; i++)
        saved(1);
    cr_assert_eq(sent_rows, 1003, "a new store hears of all");
}
