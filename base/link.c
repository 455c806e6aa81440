#include "base/link.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/die.h"
#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"

enum { ROUND = 16 };

struct waiting {
    struct waiting *next;
    struct msg m;
};

struct link {
    struct loop *loop;
    struct watch *watch;
    struct timer *breaking, *resting;
    const struct link_events *events;
    void *data;
    struct waiting *first, **last;
    unsigned waiting, rest;
    unsigned kept;              /* given to `msg` and still in the socket, in front */
    int fd;
    bool broken, busy, freed;
};

static void on_ready(void *data, int fd, unsigned events);

struct link *link_new(struct loop *loop, int fd, const struct link_events *events, void *data)
{
    if (io_nonblock(fd) < 0)
        die_errno("link: fcntl");
    /* Each look goes on behind the last, as long as nothing was taken out. */
    if (events->keep && setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &(int){ 0 }, sizeof(int)) < 0)
        die_errno("link: SO_PEEK_OFF");
    struct link *l = mem_new(sizeof *l);
    *l = (struct link){ .loop = loop, .events = events, .data = data, .fd = fd };
    l->last = &l->first;
    l->watch = loop_watch(loop, fd, LOOP_READ, on_ready, l);
    return l;
}

static void close_sent(struct msg *m)
{
    for (unsigned i = 0; i < m->nfds; i++)
        close(m->fds[i]);
    msg_free(m);
}

static void pop(struct link *l)
{
    struct waiting *w = l->first;
    l->first = w->next;
    if (l->first == NULL)
        l->last = &l->first;
    l->waiting--;
    close_sent(&w->m);
    free(w);
}

static void destroy(struct link *l)
{
    while (l->first)
        pop(l);
    free(l);
}

void link_free(struct link *l)
{
    if (l == NULL || l->freed)
        return;
    l->freed = true;
    watch_free(l->watch);
    timer_free(l->breaking);
    timer_free(l->resting);
    close(l->fd);
    if (!l->busy)
        destroy(l);
}

static void tell_gone(void *data)
{
    struct link *l = data;
    l->breaking = NULL;
    l->events->gone(l->data, l);
}

/* From the loop and not from here: who sends must not find its link freed when the call returns. */
static void break_later(struct link *l)
{
    if (l->broken)
        return;
    l->broken = true;
    watch_free(l->watch);
    l->watch = NULL;
    timer_free(l->resting);
    l->resting = NULL;
    l->breaking = loop_timer(l->loop, 0, tell_gone, l);
}

static void watch(struct link *l)
{
    watch_events(l->watch, (l->resting ? 0u : (unsigned)LOOP_READ) | (l->first ? (unsigned)LOOP_WRITE : 0u));
}

static void flush(struct link *l)
{
    while (l->first) {
        if (msg_send(l->fd, &l->first->m) < 0) {
            if (errno != EAGAIN && errno != ENOBUFS)
                break_later(l);
            return;
        }
        pop(l);
    }
    if (l->broken)
        return;
    watch(l);
    if (l->events->room)
        l->events->room(l->data, l);
}

static void enqueue(struct link *l, struct msg *m)
{
    unsigned most = l->events->queue ? l->events->queue : 256;
    if (l->waiting >= most) {
        log_warn("link.full", "fd=%d waiting=%u", l->fd, l->waiting);
        break_later(l);
        msg_free(m);
        return;
    }
    struct waiting *w = mem_new(sizeof *w);
    w->m = *m;
    for (unsigned i = 0; i < w->m.nfds; i++)
        if ((w->m.fds[i] = fcntl(m->fds[i], F_DUPFD_CLOEXEC, 0)) < 0)
            die_errno("link: dup");
    *l->last = w;
    l->last = &w->next;
    l->waiting++;
    watch(l);
}

int link_send(struct link *l, struct msg *m)
{
    if (l->broken || l->freed) {
        msg_free(m);
        return -1;
    }
    if (l->first) {
        enqueue(l, m);
        return 0;
    }
    if (msg_send(l->fd, m) == 0) {
        msg_free(m);
        return 0;
    }
    if (errno == EMSGSIZE)
        bug("message %u does not fit", m->type);
    if (errno == EAGAIN || errno == ENOBUFS)
        enqueue(l, m);
    else {
        msg_free(m);
        break_later(l);
    }
    return 0;
}

static void rested(void *data)
{
    struct link *l = data;
    l->resting = NULL;
    watch(l);
}

static void take_kept(struct link *l)
{
    for (char none; l->kept > 0; l->kept--)
        recv(l->fd, &none, 0, MSG_DONTWAIT);
}

void link_settle(struct link *l)
{
    if (l->kept == 0 || l->freed)
        return;
    l->events->round(l->data, l);
    if (!l->freed)
        take_kept(l);
}

/* 1: one that is kept was handled.  0: what comes next is none, or the end.  -1: there is nothing. */
static int read_kept(struct link *l)
{
    struct msg m;
    int n = msg_peek_client(l->fd, &m);
    if (n <= 0)
        return n < 0 && errno == EAGAIN ? -1 : 0;
    bool kept = l->events->keep(m.type);
    if (kept) {
        l->kept++;
        l->events->msg(l->data, l, &m);
    }
    msg_free(&m);
    return kept;
}

static void rest(struct link *l)
{
    if (l->rest == 0 || l->resting)
        return;
    l->resting = loop_timer(l->loop, l->rest, rested, l);
    watch(l);
}

/* True if there may be more. */
static bool read_one(struct link *l)
{
    struct msg m;
    int kept = l->events->keep ? read_kept(l) : 0;
    if (kept > 0)
        return true;
    /* Not asked for again in another way: what has come since the look may be one to keep. */
    if (kept < 0) {
        rest(l);
        return false;
    }
    link_settle(l);
    if (l->freed)
        return false;
    int n = l->events->client ? msg_recv_client(l->fd, &m) : msg_recv(l->fd, &m);
    if (n > 0) {
        l->events->msg(l->data, l, &m);
        msg_free(&m);
        return true;
    }
    if (n == 0 || errno != EAGAIN)
        break_later(l);
    else
        rest(l);
    return false;
}

/* A bounded number, so that one talker does not starve the others; true if there may be more. */
static bool read_round(struct link *l)
{
    int n = 0;
    l->rest = 0;
    while (n < ROUND && !l->freed && !l->broken && read_one(l))
        n++;
    if (n > 0 && !l->freed && l->events->round)
        l->events->round(l->data, l);
    if (!l->freed)
        take_kept(l);
    return n == ROUND && !l->freed && !l->broken;
}

static void leave(struct link *l)
{
    l->busy = false;
    if (l->freed)
        destroy(l);
}

static void on_ready(void *data, int fd UNUSED, unsigned events)
{
    struct link *l = data;
    l->busy = true;
    if (events & LOOP_WRITE)
        flush(l);
    if (events & (LOOP_READ | LOOP_GONE))
        read_round(l);
    leave(l);
}

void link_rest(struct link *l, unsigned ms)
{
    l->rest = ms;
}

void link_wake(struct link *l)
{
    enum { ROUNDS = 64 };
    if (l->busy || l->broken || l->freed)
        return;
    l->busy = true;
    for (int i = 0; i < ROUNDS && read_round(l); i++) {}
    leave(l);
}

unsigned link_waiting(const struct link *l) { return l->waiting; }
int link_fd(const struct link *l) { return l->fd; }
void *link_data(const struct link *l) { return l->data; }
