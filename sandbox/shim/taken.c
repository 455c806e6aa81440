#include "sandbox/shim/taken.h"

#include <stdlib.h>

#include "base/io.h"
#include "base/mem.h"
#include "sandbox/shim/input.h"
#include "sandbox/shim/shim.h"

enum { MOMENT_MS = 100, LATEST_MS = 1000 };

/* Not told yet: FIRST bytes, of which WHAT is true, and REST behind them, which are hidden. */
struct taken {
    struct link *link;
    uint64_t first, rest;
    enum shim_taken what;
    bool ended;               /* the first line is */
    struct timer *moment;     /* until it may be told */
    uint64_t latest;
};

static void say(struct taken *t, uint64_t bytes, enum shim_taken what)
{
    struct msg m;
    msg_begin(&m, SHIM_TAKEN, 0);
    msg_put_u64(&m, bytes);
    msg_put_u32(&m, what);
    link_send(t->link, &m);
}

struct taken *taken_new(struct link *link)
{
    struct taken *t = mem_new(sizeof *t);
    *t = (struct taken){ .link = link };
    say(t, 0, TAKEN_SHOWN);
    return t;
}

void taken_free(struct taken *t)
{
    if (t == NULL)
        return;
    timer_free(t->moment);
    free(t);
}

/* For a viewer that does not read no more than this waits. */
void taken_tell(struct taken *t)
{
    if (t == NULL || t->first == 0 || t->moment || link_waiting(t->link) > 0)
        return;
    say(t, t->first, t->what);
    if (t->rest > 0)
        say(t, t->rest, TAKEN_HIDDEN);
    t->first = t->rest = 0;
    t->ended = false;
}

static void moment_over(void *data)
{
    struct taken *t = data;
    t->moment = NULL;
    if (t->what == TAKEN_SHOWN && input_hidden())
        t->what = TAKEN_HIDDEN;
    taken_tell(t);
}

static void wait(struct taken *t)
{
    uint64_t now = now_ms();
    if (t->moment == NULL)
        t->latest = now + LATEST_MS;
    timer_free(t->moment);
    uint64_t left = t->latest > now ? t->latest - now : 0;
    t->moment = loop_timer(shim.loop, left < MOMENT_MS ? left : MOMENT_MS, moment_over, t);
}

static void add_first(struct taken *t, size_t size, enum shim_taken what)
{
    t->what = t->first == 0 || t->what == what ? what : TAKEN_HIDDEN;
    t->first += size;
}

/* Up to its end, with that. */
static size_t line_of(const uint8_t *bytes, size_t size, bool *ended)
{
    size_t n = 0;
    while (n < size && !*ended) {
        *ended = bytes[n] == '\n' || bytes[n] == '\r';
        n++;
    }
    return n;
}

static void add_typed(struct taken *t, const uint8_t *bytes, size_t size, enum shim_taken what)
{
    bool late = t->first > 0 && t->moment == NULL, wait_on = !late && !t->ended;
    size_t n = wait_on ? line_of(bytes, size, &t->ended) : 0;
    if (n > 0)
        add_first(t, n, what);
    t->rest += size - n;
    if (wait_on)
        wait(t);
}

void taken_add(struct taken *t, const uint8_t *bytes, size_t size, enum shim_taken what)
{
    if (t == NULL || size == 0)
        return;
    if (shim.tty && !shim.ended) {
        add_typed(t, bytes, size, what);
        return;
    }
    add_first(t, size, what);
    taken_tell(t);
}
