/* When a session looks for the next request before it sleeps, and when it does not. */
#include <criterion/criterion.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/io.h"
#include "base/loop.h"
#include "sshd/session/eager.h"

enum { TRIES = 100000, REQUEST = 100 };   /* tries: this machine may be too busy for two in quick succession */

static struct loop *loop;
static int far;
static uint64_t moved;

static void on_ready(void *data, int fd, unsigned events)
{
    char byte;
    (void)data;
    (void)events;
    cr_assert_eq(read(fd, &byte, 1), 1);
}

static struct eager up(void)
{
    int pair[2];
    cr_assert_eq(io_pair(pair), 0);
    loop = loop_new();
    loop_watch(loop, pair[0], LOOP_READ, on_ready, NULL);
    far = pair[1];
    return (struct eager){ .able = true };
}

/* The wait for a request that is there: was it looked for? */
static bool looks(struct eager *e, uint64_t size)
{
    cr_assert_eq(write(far, "x", 1), 1);
    bool found = eager_wait(e, loop, moved += size);
    if (!found)
        cr_assert_eq(loop_once(loop, 0), 1);
    return found;
}

static unsigned until_it_looks(struct eager *e)
{
    unsigned n = 1;
    while (n < TRIES && !looks(e, REQUEST))
        n++;
    cr_assert_lt(n, TRIES, "never");
    return n;
}

static void look_in_vain(struct eager *e)
{
    unsigned was = e->vain;
    for (int n = 0; n < TRIES && e->vain <= was; n++)
        cr_assert_not(eager_wait(e, loop, moved));
    cr_assert_gt(e->vain, was);
}

Test(eager, looks_where_requests_come_quickly)
{
    struct eager e = up();
    cr_assert_gt(until_it_looks(&e), EAGER_STREAK);
}

Test(eager, never_on_one_processor)
{
    struct eager e = up();
    e.able = false;
    for (int n = 0; n < 1000; n++)
        cr_assert_not(looks(&e, REQUEST));
}

Test(eager, never_with_bulk_data)
{
    struct eager e = up();
    for (int n = 0; n < 1000; n++)
        cr_assert_not(looks(&e, n % EAGER_STREAK ? REQUEST : EAGER_SMALL));
}

Test(eager, never_where_requests_come_slowly)
{
    struct eager e = up();
    for (int n = 0; n < 2 * EAGER_STREAK; n++) {
        usleep(EAGER_SOON_US);
        cr_assert_not(looks(&e, REQUEST));
    }
}

Test(eager, rests_longer_each_time_it_was_in_vain)
{
    struct eager e = up();
    for (unsigned rest = EAGER_REST; rest <= 4 * EAGER_REST; rest *= 2) {
        while (e.rest > 0)
            cr_assert_not(looks(&e, REQUEST));
        look_in_vain(&e);
        cr_assert_eq(e.rest, rest);
    }
}

Test(eager, looks_again_after_its_rest)
{
    struct eager e = up();
    look_in_vain(&e);
    cr_assert_gt(until_it_looks(&e), EAGER_REST);
}
