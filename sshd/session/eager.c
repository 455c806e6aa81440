#include "sshd/session/eager.h"

#include <sched.h>

#include "base/io.h"
#include "base/loop.h"

void eager_open(struct eager *e)
{
    cpu_set_t set;
    *e = (struct eager){ .able = sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 1 };
}

static bool look(struct loop *l)
{
    uint64_t start = now_us(), at = start;
    while (at - start < EAGER_LOOK_US) {
        if (loop_once(l, 0) > 0)
            return true;
        /* Whoever is woken here (a files worker, the client itself) goes first. */
        sched_yield();
        uint64_t now = now_us();
        if (now - at > EAGER_CROWDED_US)
            return false;
        at = now;
    }
    return false;
}

static bool worth_it(struct eager *e, uint64_t moved)
{
    uint64_t now = now_us();
    bool quick = now - e->last < EAGER_SOON_US && moved - e->moved < EAGER_SMALL;
    e->last = now;
    e->moved = moved;
    e->streak = quick ? e->streak + 1 : 0;
    if (!e->able || e->streak < EAGER_STREAK)
        return false;
    if (e->rest == 0)
        return true;
    e->rest--;
    return false;
}

bool eager_wait(struct eager *e, struct loop *l, uint64_t moved)
{
    if (!worth_it(e, moved))
        return false;
    if (look(l)) {
        e->vain /= 2;
        return true;
    }
    e->vain = e->vain == 0 ? EAGER_REST : e->vain < EAGER_REST_MOST ? e->vain * 2 : EAGER_REST_MOST;
    e->rest = e->vain;
    return false;
}
