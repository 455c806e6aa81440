#include "base/place.h"

#include "base/io.h"

void place_open(struct place *p)
{
    *p = (struct place){ .at = 0 };
    p->able = sched_getaffinity(0, sizeof p->all, &p->all) == 0 && CPU_COUNT(&p->all) > 1;
}

static void free_again(struct place *p)
{
    if (p->at)
        sched_setaffinity(0, sizeof p->all, &p->all);
    p->at = 0;
}

/* A processor that is taken from the machine meanwhile changes nothing. */
static void stay(struct place *p, uint8_t at)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET((size_t)at - 1, &one);
    if (CPU_ISSET((size_t)at - 1, &p->all) && sched_setaffinity(0, sizeof one, &one) == 0)
        p->at = at;
}

uint8_t place_hold(struct place *p)
{
    if (!p->able)
        return 0;
    uint64_t now = now_ms(), before = p->last;
    p->last = now;
    if (p->holds++ == 0 && p->at == 0 && now - before <= PLACE_OFTEN_MS) {
        int at = sched_getcpu();
        if (at >= 0 && at < PLACE_MOST)
            stay(p, (uint8_t)(at + 1));
        p->since = now;
    }
    return p->at;
}

void place_let_go(struct place *p)
{
    if (p->able)
        p->holds--;
}

void place_turn(struct place *p)
{
    if (p->at && p->holds == 0 && now_ms() - p->since >= PLACE_MS)
        free_again(p);
}

void place_follow(struct place *p, uint8_t from)
{
    if (from != p->asked)
        p->times = 0;
    p->asked = from;
    if (p->times < PLACE_TIMES)
        p->times++;
    if (!p->able || from == p->at)
        return;
    if (from == 0)
        free_again(p);
    else if (p->times >= PLACE_TIMES)
        stay(p, from);
}
