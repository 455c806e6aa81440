#include <poll.h>
#include <stdlib.h>

#include "base/mem.h"
#include "sshd/session/conn.h"

struct session_watch {
    struct watch *watch;
    session_watch_fn *fn;
    void *data;
};

_Static_assert(LOOP_READ == POLLIN && LOOP_WRITE == POLLOUT && LOOP_GONE == POLLHUP, "the loop's bits are poll's");

static void ready(void *data, int fd, unsigned events)
{
    struct session_watch *w = data;
    w->fn(w->data, fd, (short)events);
}

struct session_watch *session_watch_new(struct session *s, int fd, short events, session_watch_fn *fn, void *data)
{
    struct session_watch *w = mem_new(sizeof *w);
    w->fn = fn;
    w->data = data;
    w->watch = loop_watch(s->loop, fd, (unsigned)events, ready, w);
    return w;
}

void session_watch_events(struct session_watch *w, short events)
{
    watch_events(w->watch, (unsigned)events);
}

struct session_turn {
    struct timer *timer;
    session_turn_fn *fn;
    void *data;
};

static void turned(void *data)
{
    struct session_turn t = *(struct session_turn *)data;
    free(data);
    t.fn(t.data);
}

struct session_turn *session_turn_later(struct session *s, uint64_t ms, session_turn_fn *fn, void *data)
{
    struct session_turn *t = mem_new(sizeof *t);
    *t = (struct session_turn){ .fn = fn, .data = data };
    t->timer = loop_timer(s->loop, ms, turned, t);
    return t;
}

struct session_turn *session_turn_new(struct session *s, session_turn_fn *fn, void *data)
{
    return session_turn_later(s, 0, fn, data);
}

void session_turn_free(struct session_turn *t)
{
    if (t == NULL)
        return;
    timer_free(t->timer);
    free(t);
}

void session_watch_free(struct session_watch *w)
{
    if (w == NULL)
        return;
    watch_free(w->watch);
    free(w);
}

uint8_t session_hold(struct session *s)
{
    return place_hold(&s->place);
}

void session_let_go(struct session *s)
{
    place_let_go(&s->place);
}
