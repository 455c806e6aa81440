#include "sshd/session/errand.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/die.h"
#include "base/io.h"
#include "base/mem.h"
#include "sshd/proto.h"
#include "sshd/session/relay.h"

struct errand {
    struct exec *x;
    const struct errand_kind *kind;
    struct relay *relay;
    int status;
    struct session_watch *status_watch;
    bool ended;
    uint32_t code, signal;
    char *why;                       /* owned */
    struct timer *idle;
};

void errand_free(struct errand *r)
{
    if (r == NULL)
        return;
    relay_free(r->relay);
    session_watch_free(r->status_watch);
    if (r->status >= 0)
        close(r->status);
    timer_free(r->idle);
    free(r->why);
    free(r);
}

/* Told by the supervisor when nothing of it is left, so what it wrote ends as well: read to that. */
static void finish(void *data)
{
    struct errand *r = data;
    if (r->ended && relay_is_over(r->relay))
        r->kind->ended(r->x, &(struct errand_end){ r->code, r->signal, r->why });
}

static void on_status(void *data, int fd, short revents)
{
    struct errand *r = data;
    struct msg m MSG_FREE;
    (void)revents;
    msg_begin(&m, 0, 0);
    int n = msg_recv(fd, &m);
    if (n < 0 && errno == EAGAIN)
        return;
    session_watch_free(r->status_watch);
    r->status_watch = NULL;
    if (n <= 0) {
        exec_fail(r->x, EXIT_UNAVAILABLE, "%s was ended: the daemon has gone", r->kind->name);
        return;
    }
    if (m.type != ERRAND_ENDED)
        die("the supervisor sent message %u about an errand", m.type);
    r->code = msg_get_u32(&m);
    r->signal = msg_get_u32(&m);
    r->why = msg_get_str(&m);
    msg_end(&m);
    r->ended = true;
    relay_stop(r->relay);
    finish(r);
}

static void on_idle(void *data);

static void wait_idle(struct errand *r)
{
    uint64_t still = now_ms() - relay_moved(r->relay);
    r->idle = still < r->kind->idle_ms ? exec_timer_for(r->x, r->kind->idle_ms - still, on_idle, r) : NULL;
}

static void on_idle(void *data)
{
    struct errand *r = data;
    wait_idle(r);
    if (r->idle == NULL)
        exec_fail(r->x, EXIT_FAILED, "%s was ended: not a byte went either way for %llu minutes", r->kind->name,
                  (unsigned long long)r->kind->idle_ms / 60000);
}

size_t errand_input(struct errand *r, const uint8_t *bytes, size_t size) { return relay_input(r->relay, bytes, size); }
void errand_input_end(struct errand *r) { relay_input_end(r->relay); }
void errand_room(struct errand *r) { relay_room(r->relay); }
void errand_resize(struct errand *r, unsigned columns, unsigned rows) { relay_resize(r->relay, columns, rows); }

struct errand *errand_new(struct exec *x, struct msg *m, bool terminal, const struct buf *first, const struct errand_kind *kind)
{
    struct errand *r = mem_new(sizeof *r);
    int in = msg_get_fd(m), out = terminal ? -1 : msg_get_fd(m), err = terminal ? -1 : msg_get_fd(m);
    *r = (struct errand){ .x = x, .kind = kind, .status = msg_get_fd(m) };
    msg_end(m);
    if (io_nonblock(r->status) < 0)
        die_errno("errand: fcntl");
    r->status_watch = session_watch_new(x->session, r->status, POLLIN, on_status, r);
    r->relay = relay_new(x, terminal, in, out, err, first, finish, r);
    wait_idle(r);
    return r;
}
