/* Who asks stays on its processor, who answers comes there; and both are free again. */
#include <criterion/criterion.h>
#include <unistd.h>

#include "base/place.h"

static struct place p;
static cpu_set_t all;

/* The processors this test may run on; a machine with one of them has nothing to test. */
static void up(void)
{
    cr_assert_eq(sched_getaffinity(0, sizeof all, &all), 0);
    place_open(&p);
    if (!p.able)
        cr_skip_test("one processor");
}

static int now_allowed(void)
{
    cpu_set_t set;
    cr_assert_eq(sched_getaffinity(0, sizeof set, &set), 0);
    return CPU_COUNT(&set);
}

/* The Nth processor of all, counted from 1 as messages do. */
static uint8_t nth(int n)
{
    for (size_t i = 0; i < PLACE_MOST; i++)
        if (CPU_ISSET(i, &all) && n-- == 0)
            return (uint8_t)(i + 1);
    cr_assert(false, "no such processor");
    return 0;
}

static void asked_from(uint8_t from, int times)
{
    for (int i = 0; i < times; i++)
        place_follow(&p, from);
}

/* It stays when it has asked a moment ago.  Where it is, and it waits for an answer. */
static uint8_t often(void)
{
    uint8_t at;
    while ((at = place_hold(&p)) == 0)
        place_let_go(&p);
    return at;
}

Test(place, the_asker_stays_and_is_free_behind_some_milliseconds)
{
    up();
    uint8_t at = often();
    cr_assert_eq(now_allowed(), 1);
    cr_assert_eq(sched_getcpu() + 1, at);
    usleep((PLACE_MS + 5) * 1000);
    place_turn(&p);
    cr_assert_eq(now_allowed(), 1, "it still waits for an answer");
    cr_assert_eq(place_hold(&p), at, "a second question");
    place_let_go(&p);
    place_turn(&p);
    cr_assert_eq(now_allowed(), 1);
    place_let_go(&p);
    place_turn(&p);
    cr_assert_eq(now_allowed(), CPU_COUNT(&all));
}

Test(place, who_asks_seldom_does_not_stay)
{
    up();
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(place_hold(&p), 0);
        cr_assert_eq(now_allowed(), CPU_COUNT(&all));
        place_let_go(&p);
        place_turn(&p);
        usleep((PLACE_OFTEN_MS + 2) * 1000);
    }
}

Test(place, the_asker_stays_over_many_questions)
{
    up();
    bool stayed = false;
    /* Once is enough: this machine may be too busy for two questions within PLACE_MS. */
    for (int i = 0; i < 1000 && !stayed; i++) {
        place_hold(&p);
        place_let_go(&p);
        place_turn(&p);
        stayed = now_allowed() == 1;
    }
    cr_assert(stayed);
}

Test(place, who_answers_comes_when_it_is_asked_from_there_some_times)
{
    up();
    asked_from(nth(1), PLACE_TIMES - 1);
    cr_assert_eq(now_allowed(), CPU_COUNT(&all));
    asked_from(nth(1), 1);
    cr_assert_eq(now_allowed(), 1);
    cr_assert_eq(sched_getcpu() + 1, nth(1));
    /* Neither once from elsewhere nor by turns. */
    for (int i = 0; i < 5; i++) {
        asked_from(nth(0), PLACE_TIMES - 1);
        asked_from(nth(1), 1);
    }
    cr_assert_eq(sched_getcpu() + 1, nth(1));
    asked_from(nth(0), PLACE_TIMES);
    cr_assert_eq(sched_getcpu() + 1, nth(0));
}

Test(place, who_answers_is_free_where_nothing_is_said)
{
    up();
    asked_from(nth(0), PLACE_TIMES);
    cr_assert_eq(now_allowed(), 1);
    asked_from(0, 1);
    cr_assert_eq(now_allowed(), CPU_COUNT(&all));
}

/* The session may have been taken over. */
Test(place, nobody_leads_it_off_its_processors)
{
    up();
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET((size_t)nth(0) - 1, &one);
    p.all = one;
    asked_from(nth(1), 2 * PLACE_TIMES);
    cr_assert_eq(now_allowed(), CPU_COUNT(&all));
    asked_from(255, 2 * PLACE_TIMES);
    cr_assert_eq(now_allowed(), CPU_COUNT(&all));
    asked_from(nth(0), PLACE_TIMES);
    cr_assert_eq(now_allowed(), 1);
}

Test(place, on_one_processor_it_does_nothing)
{
    struct place q = { .able = false };
    cr_assert_eq(place_hold(&q), 0);
    place_let_go(&q);
    place_turn(&q);
    place_follow(&q, 1);
    place_follow(&q, 0);
    cr_assert_eq(q.at, 0);
}
