#include "sshd/session/viewer.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/msg.h"
#include "sandbox/proto.h"
#include "sshd/session/typed.h"

enum { PIECE = 4096, MESSAGES_A_ROUND = 32, LAST_WORD_MS = 1000 };

struct viewer {
    struct session *s;
    int fd;
    struct session_watch *watch;     /* NULL while there is nothing to wait for: a closed link would wake us for ever */
    const struct viewer_events *events;
    void *data;
    struct typed *typed;             /* NULL: not recorded */
    struct session_turn *finishing;
    bool paused, blocked;
    bool calling, dead;              /* freed from within a handler: the memory goes when the handler has returned */
};

static void ready(void *data, int fd, short revents);

static void wait_again(struct viewer *v)
{
    if (v->dead)
        return;
    short events = (short)((v->paused ? 0 : POLLIN) | (v->blocked ? POLLOUT : 0));
    if (events == 0) {
        session_watch_free(v->watch);
        v->watch = NULL;
    } else if (v->watch == NULL) {
        v->watch = session_watch_new(v->s, v->fd, events, ready, v);
    } else {
        session_watch_events(v->watch, events);
    }
}

struct viewer *viewer_new(struct session *s, int fd, const struct viewer_events *events, void *data)
{
    struct viewer *v = mem_new(sizeof *v);
    *v = (struct viewer){ .s = s, .fd = fd, .events = events, .data = data };
    io_nonblock(fd);
    wait_again(v);
    return v;
}

void viewer_free(struct viewer *v)
{
    if (v == NULL)
        return;
    session_watch_free(v->watch);
    v->watch = NULL;
    typed_free(v->typed);
    v->typed = NULL;
    session_turn_free(v->finishing);
    v->finishing = NULL;
    v->dead = true;
    if (v->calling)
        return;
    close(v->fd);
    free(v);
}

static void finish_now(void *data)
{
    struct viewer *v = data;
    v->finishing = NULL;
    shutdown(v->fd, SHUT_WR);
}

static void judged(struct viewer *v, struct msg *m)
{
    uint64_t size = msg_get_u64(m);
    uint32_t what = msg_get_u32(m);
    if (!msg_end(m) || v->typed == NULL)
        return;
    typed_judged(v->typed, size, what);
    if (v->finishing && !typed_waits(v->typed)) {
        session_turn_free(v->finishing);
        finish_now(v);
    }
}

/* One message; false when the viewer has ended. */
static bool take(struct viewer *v, struct msg *m)
{
    bool bye = m->type == SHIM_BYE;
    if (m->type == SHIM_OUTPUT) {
        size_t size;
        const uint8_t *p = msg_get_bytes(m, &size);
        if (p && size > 0)
            v->events->output(v->data, p, size);
    } else if (m->type == SHIM_NOTICE) {
        FREE_MEM char *text = msg_get_str(m);
        if (v->events->notice)
            v->events->notice(v->data, text);
    } else if (m->type == SHIM_TAKEN) {
        judged(v, m);
    } else if (bye) {
        uint32_t code = msg_get_u32(m), sig = msg_get_u32(m);
        v->events->end(v->data, true, code, sig);
    }
    return !bye;
}

static void take_all(struct viewer *v)
{
    for (int i = 0; i < MESSAGES_A_ROUND && !v->paused && !v->dead; i++) {
        struct msg m;
        /* The shim keeps a hostile program's company: what it sends ends the view, not the connection. */
        int n = msg_recv_client(v->fd, &m);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            v->events->end(v->data, false, 0, 0);
            return;
        }
        bool more = take(v, &m);
        msg_free(&m);
        if (!more)
            return;
    }
}

static void ready(void *data, int fd, short revents)
{
    struct viewer *v = data;
    (void)fd;
    v->calling = true;
    if (revents & POLLOUT) {
        v->blocked = false;
        wait_again(v);
        if (v->events->writable)
            v->events->writable(v->data);
    }
    take_all(v);
    v->calling = false;
    if (v->dead)
        viewer_free(v);
}

size_t viewer_input(struct viewer *v, const uint8_t *bytes, size_t size)
{
    size_t at = 0;
    while (at < size && !v->blocked) {
        size_t n = size - at < PIECE ? size - at : PIECE;
        struct msg m;
        msg_begin(&m, SHIM_INPUT, 0);
        msg_put_bytes(&m, bytes + at, n);
        int sent = msg_send(v->fd, &m);
        int error = errno;
        msg_free(&m);
        if (sent < 0 && error == EAGAIN) {
            v->blocked = true;
            wait_again(v);
            break;
        }
        if (v->typed)
            typed_sent(v->typed, bytes + at, n);
        /* A broken link is found out by reading. */
        at += n;
    }
    return at;
}

void viewer_resize(struct viewer *v, unsigned columns, unsigned rows)
{
    struct msg m;
    msg_begin(&m, SHIM_RESIZE, 0);
    msg_put_u32(&m, columns);
    msg_put_u32(&m, rows);
    msg_send(v->fd, &m);
    msg_free(&m);
}

void viewer_pause(struct viewer *v, bool pause)
{
    v->paused = pause;
    wait_again(v);
}

void viewer_finish(struct viewer *v)
{
    if (v->finishing)
        return;
    if (v->typed && typed_waits(v->typed))
        v->finishing = session_turn_later(v->s, LAST_WORD_MS, finish_now, v);
    else
        finish_now(v);
}

void viewer_record(struct viewer *v, const char *server)
{
    v->typed = typed_new(v->s, server);
}
