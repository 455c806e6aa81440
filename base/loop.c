#include "base/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/die.h"
#include "base/io.h"
#include "base/mem.h"

struct watch {
    struct loop *loop;
    struct watch *next_dead;
    struct watch **prev, *next;
    int fd;
    unsigned events;
    watch_fn *fn;   /* NULL once freed: kept until the round ends, as a later event of the round may name it */
    void *data;
};

struct timer {
    struct loop *loop;
    struct timer **prev, *next;
    uint64_t due;
    timer_fn *fn;
    void *data;
};

struct loop {
    int epoll;
    bool stop;
    struct watch *watches, *dead;
    struct timer *timers;   /* sorted by due */
};

struct loop *loop_new(void)
{
    struct loop *l = mem_new(sizeof *l);
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (l->epoll < 0)
        die_errno("epoll_create1");
    return l;
}

static void bury(struct loop *l)
{
    while (l->dead) {
        struct watch *w = l->dead;
        l->dead = w->next_dead;
        free(w);
    }
}

void loop_free(struct loop *l)
{
    while (l->watches)
        watch_free(l->watches);
    while (l->timers)
        timer_free(l->timers);
    bury(l);
    close(l->epoll);
    free(l);
}

struct watch *loop_watch(struct loop *l, int fd, unsigned events, watch_fn *fn, void *data)
{
    struct watch *w = mem_new(sizeof *w);
    *w = (struct watch){ .loop = l, .fd = fd, .events = events, .fn = fn, .data = data, .next = l->watches,
                         .prev = &l->watches };
    if (w->next)
        w->next->prev = &w->next;
    l->watches = w;
    struct epoll_event ev = { .events = events, .data.ptr = w };
    if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &ev) < 0)
        die_errno("epoll_ctl add %d", fd);
    return w;
}

void watch_events(struct watch *w, unsigned events)
{
    if (w->events == events)
        return;
    w->events = events;
    struct epoll_event ev = { .events = events, .data.ptr = w };
    if (epoll_ctl(w->loop->epoll, EPOLL_CTL_MOD, w->fd, &ev) < 0)
        die_errno("epoll_ctl mod %d", w->fd);
}

void watch_free(struct watch *w)
{
    if (w == NULL)
        return;
    epoll_ctl(w->loop->epoll, EPOLL_CTL_DEL, w->fd, NULL);
    *w->prev = w->next;
    if (w->next)
        w->next->prev = w->prev;
    w->fn = NULL;
    w->next_dead = w->loop->dead;
    w->loop->dead = w;
}

struct timer *loop_timer(struct loop *l, uint64_t ms, timer_fn *fn, void *data)
{
    struct timer *t = mem_new(sizeof *t);
    *t = (struct timer){ .loop = l, .due = now_ms() + ms, .fn = fn, .data = data };
    struct timer **at = &l->timers;
    while (*at && (*at)->due <= t->due)
        at = &(*at)->next;
    t->next = *at;
    t->prev = at;
    if (t->next)
        t->next->prev = &t->next;
    *at = t;
    return t;
}

void timer_free(struct timer *t)
{
    if (t == NULL)
        return;
    *t->prev = t->next;
    if (t->next)
        t->next->prev = t->prev;
    free(t);
}

static int wait_for(const struct loop *l, int ms)
{
    if (l->timers == NULL)
        return ms;
    uint64_t now = now_ms();
    uint64_t left = l->timers->due > now ? l->timers->due - now : 0;
    if (left > 3600000)
        left = 3600000;
    return ms >= 0 && (uint64_t)ms < left ? ms : (int)left;
}

static void ring(struct loop *l)
{
    uint64_t now = now_ms();
    while (l->timers && l->timers->due <= now) {
        timer_fn *fn = l->timers->fn;
        void *data = l->timers->data;
        timer_free(l->timers);
        fn(data);
    }
}

int loop_once(struct loop *l, int ms)
{
    struct epoll_event ev[64];
    int n = epoll_wait(l->epoll, ev, countof(ev), wait_for(l, ms));
    if (n < 0 && errno != EINTR)
        die_errno("epoll_wait");
    for (int i = 0; i < n; i++) {
        struct watch *w = ev[i].data.ptr;
        unsigned events = ev[i].events & (EPOLLIN | EPOLLOUT);
        if (ev[i].events & (EPOLLHUP | EPOLLERR))
            events |= LOOP_GONE;
        if (w->fn)
            w->fn(w->data, w->fd, events);
    }
    ring(l);
    bury(l);
    return n > 0 ? n : 0;
}

void loop_run(struct loop *l)
{
    l->stop = false;
    while (!l->stop)
        loop_once(l, -1);
}

void loop_stop(struct loop *l)
{
    l->stop = true;
}
