/* When a channel's output is held back, and that nobody is kept waiting for good. */
#include <criterion/criterion.h>

#include "base/io.h"
#include "sshd/session/pace.h"
#include "sshd/session/session.h"
#include "sshd/session/wire.h"

enum { WINDOW = 2 * 1024 * 1024, BATCH = 128 * 1024 };

static uint32_t round_trip = 50;
static session_turn_fn *due;
static void *due_data;
static unsigned called, asked;
static uint64_t us = 1000000, due_at;

uint64_t now_us(void) { return us; }

uint32_t wire_round_trip(void)
{
    asked++;
    return round_trip;
}

struct session_turn *session_turn_later(struct session *s, uint64_t ms, session_turn_fn *fn, void *data)
{
    (void)s;
    cr_assert_eq(ms, PACE_MOST_MS);
    cr_assert_null(due, "one is out already");
    due = fn;
    due_data = data;
    due_at = us + ms * 1000;
    return (struct session_turn *)&due;
}

void session_turn_free(struct session_turn *t)
{
    if (t)
        due = NULL;
}

static void again(void *data)
{
    (void)data;
    called++;
}

static void time_passes(void)
{
    session_turn_fn *fn = due;
    due = NULL;
    if (fn)
        fn(due_data);
}

/* Writes until it is held back or the window is shut; what is out then. */
static size_t write_all(struct pace *p, size_t *window)
{
    while (*window >= BATCH && !pace_holds(p, *window, BATCH)) {
        pace_wrote(p, BATCH);
        *window -= BATCH;
    }
    return WINDOW - *window;
}

static void give_all(struct pace *p, size_t step, size_t *window)
{
    while (*window + step <= WINDOW) {
        *window += step;
        pace_holds(p, *window, BATCH);
    }
    time_passes();
}

/* A client that has been served a full window and gives back STEP at a time. */
static void served(struct pace *p, size_t step, size_t *window)
{
    pace_open(p, NULL, again, NULL);
    *window = WINDOW;
    cr_assert_eq(write_all(p, window), WINDOW, "nothing is known of the client yet");
    give_all(p, step, window);
}

/* And then has shown that it is near. */
static void served_near(struct pace *p, size_t *window)
{
    served(p, BATCH, window);
    for (int i = 0; i < 10; i++) {
        write_all(p, window);
        *window += BATCH;
    }
    time_passes();
    cr_assert_eq(p->round, ROUND_SHORT);
}

Test(pace, little_is_out_with_a_client_that_gives_back_in_small_steps)
{
    size_t window;
    struct pace p;
    served(&p, BATCH, &window);
    size_t out = write_all(&p, &window);
    cr_assert_leq(out, PACE_AHEAD + 50 * PACE_LINE);
    cr_assert_gt(out, PACE_AHEAD - BATCH);
    for (int i = 0; i < 100; i++) {
        window += BATCH;
        cr_assert_eq(write_all(&p, &window), out, "as much as was given back");
    }
    cr_assert_eq(asked, 1);
    pace_close(&p);
    cr_assert_null(due);
}

Test(pace, a_client_that_waits_for_much_gets_its_window)
{
    size_t window;
    struct pace p;
    served(&p, WINDOW / 2, &window);
    cr_assert_eq(write_all(&p, &window), WINDOW);
    cr_assert_null(due);
}

Test(pace, so_does_a_long_line_and_one_not_known)
{
    size_t window;
    round_trip = 50000;
    struct pace p;
    served(&p, BATCH, &window);
    cr_assert_eq(write_all(&p, &window), WINDOW);
    round_trip = UINT32_MAX;
    served(&p, BATCH, &window);
    cr_assert_eq(write_all(&p, &window), WINDOW);
}

Test(pace, a_small_window_is_used_up)
{
    size_t window = PACE_AHEAD;
    struct pace p;
    pace_open(&p, NULL, again, NULL);
    for (int i = 0; i < 10; i++) {
        cr_assert_not(pace_holds(&p, window, BATCH));
        pace_wrote(&p, BATCH);
    }
}

Test(pace, a_few_bytes_are_never_held_back)
{
    size_t window;
    struct pace p;
    served(&p, BATCH, &window);
    write_all(&p, &window);
    cr_assert(pace_holds(&p, window, BATCH));
    cr_assert_not(pace_holds(&p, window, PACE_FEW));
}

Test(pace, nobody_waits_for_one_that_gives_nothing_back)
{
    size_t window;
    struct pace p;
    served(&p, BATCH, &window);
    for (unsigned i = 1; i <= PACE_VAIN; i++) {
        cr_assert_lt(write_all(&p, &window), WINDOW);
        unsigned before = called;
        time_passes();
        cr_assert_eq(called, before + 1);
        cr_assert_eq(p.vain, i);
        cr_assert_eq(write_all(&p, &window), WINDOW, "not held to any more");
        give_all(&p, BATCH, &window);
    }
    cr_assert_eq(write_all(&p, &window), WINDOW, "never again");
}

Test(pace, one_that_goes_on_giving_is_held_to_it)
{
    size_t window;
    struct pace p;
    served_near(&p, &window);
    for (int i = 0; i < 10; i++) {
        cr_assert_lt(write_all(&p, &window), WINDOW);
        window += BATCH;
        write_all(&p, &window);
        time_passes();
    }
    cr_assert_eq(p.vain, 0);
}

Test(pace, one_that_gives_while_it_is_held_and_then_stops_is_not_kept_waiting)
{
    size_t window;
    struct pace p;
    served_near(&p, &window);
    cr_assert_lt(write_all(&p, &window), WINDOW);
    window += BATCH;
    cr_assert_lt(write_all(&p, &window), WINDOW);
    for (int i = 0; i < 2; i++) {
        unsigned before = called;
        time_passes();
        cr_assert_eq(called, before + 1, "a look is owed as long as it is held");
        write_all(&p, &window);
    }
    cr_assert_lt(window, BATCH, "all of it was let out");
    pace_close(&p);
}

/* A line on which a byte's window is back DELAY after it was sent.  Bytes a client has been sent in the last half of two seconds. */
static uint64_t over_a_line(struct pace *p, uint64_t delay)
{
    enum { TICK = 500, TICKS = 4000, SENT_MOST = TICKS * 64 };
    static uint64_t sent_at[SENT_MOST];
    size_t window = WINDOW, sent = 0, back = 0, half = 0;
    pace_open(p, NULL, again, NULL);
    for (int tick = 0; tick < TICKS; tick++, us += TICK) {
        while (back < sent && sent_at[back] + delay <= us) {
            window += BATCH;
            back++;
            pace_holds(p, window, BATCH);
        }
        if (due && us >= due_at)
            time_passes();
        while (window >= BATCH && !pace_holds(p, window, BATCH)) {
            pace_wrote(p, BATCH);
            window -= BATCH;
            sent_at[sent++] = us;
        }
        half = tick < TICKS / 2 ? sent : half;
    }
    pace_close(p);
    return (uint64_t)(sent - half) * BATCH;
}

/* TCP ends at a host that is jumped over, near by; the client is far behind that. */
Test(pace, a_client_behind_a_near_host_gets_its_window)
{
    static const uint64_t delays[] = { 8000, 12000, 40000, 90000, 110000, 300000 };
    for (size_t i = 0; i < sizeof delays / sizeof delays[0]; i++) {
        struct pace p;
        uint64_t could = 1000000 / delays[i] * WINDOW, got = over_a_line(&p, delays[i]);
        cr_assert_geq(got, could - could / 10, "%u us: %zu of %zu", (unsigned)delays[i], (size_t)got, (size_t)could);
    }
}

Test(pace, one_that_is_near_is_held_to_it_all_the_same)
{
    struct pace p;
    over_a_line(&p, 1000);
    cr_assert_eq(p.round, ROUND_SHORT);
    cr_assert_eq(p.vain, 0);
    cr_assert_gt(p.top - p.left, PACE_AHEAD / 2);
    cr_assert_leq(p.top - p.left, PACE_AHEAD + 50 * PACE_LINE, "%zu", p.top - p.left);
}
