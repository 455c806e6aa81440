#include "sshd/session/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/die.h"
#include "base/io.h"
#include "base/mem.h"

enum { PIECE = 64 * 1024, KEY_END = 4, TO_STDOUT = 0, TO_STDERR, STREAMS };

/* From the program to the client. */
struct stream {
    struct relay *relay;
    int fd;                          /* -1 at its end */
    struct session_watch *watch;     /* NULL while the client's window is full */
    void (*put)(struct channel *c, const void *bytes, size_t size);
};

struct relay {
    struct exec *x;
    bool terminal;
    struct buf first;                /* goes before the client's bytes */
    int in;                          /* -1: closed */
    struct session_watch *in_watch;
    struct stream streams[STREAMS];
    bool full, eof, stopped, told;   /* the program takes no more now; the client sends no more; the program has gone; over() was called */
    uint64_t moved;
    relay_over_fn *over;
    void *data;
};

static void close_in(struct relay *r)
{
    session_watch_free(r->in_watch);
    r->in_watch = NULL;
    if (r->in >= 0)
        close(fd_steal(&r->in));
}

static void close_stream(struct stream *t)
{
    session_watch_free(t->watch);
    t->watch = NULL;
    if (t->fd >= 0)
        close(fd_steal(&t->fd));
}

void relay_free(struct relay *r)
{
    if (r == NULL)
        return;
    close_in(r);
    for (size_t i = 0; i < STREAMS; i++)
        close_stream(&r->streams[i]);
    buf_free(&r->first);
    free(r);
}

bool relay_is_over(const struct relay *r)
{
    return r->streams[TO_STDOUT].fd < 0 && r->streams[TO_STDERR].fd < 0;
}

uint64_t relay_moved(const struct relay *r) { return r->moved; }

static void tell_over(struct relay *r)
{
    if (r->told || !relay_is_over(r))
        return;
    r->told = true;
    r->over(r->data);
}

/* ---- from the program ---- */

static void on_stream(void *data, int fd, short revents);

/* A watch that is not wanted must go: the end of a pipe cannot be masked. */
static void stream_wait(struct stream *t)
{
    struct exec *x = t->relay->x;
    bool room = channel_room(x->channel) >= PIECE;
    if (t->fd >= 0 && room && t->watch == NULL)
        t->watch = session_watch_new(x->session, t->fd, POLLIN, on_stream, t);
    if (!room && t->watch) {
        session_watch_free(t->watch);
        t->watch = NULL;
    }
}

/* A terminal whose last user has gone ends in EIO. */
static void on_stream(void *data, int fd, short revents)
{
    static uint8_t bytes[PIECE];
    struct stream *t = data;
    struct relay *r = t->relay;
    (void)revents;
    ssize_t n = read(fd, bytes, sizeof bytes);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0) {
        t->put(r->x->channel, bytes, (size_t)n);
        r->moved = now_ms();
        stream_wait(t);
        return;
    }
    close_stream(t);
    tell_over(r);
}

void relay_room(struct relay *r)
{
    for (size_t i = 0; i < STREAMS; i++)
        stream_wait(&r->streams[i]);
}

/* ---- to the program ---- */

static void on_writable(void *data, int fd, short revents);

static size_t write_in(struct relay *r, const uint8_t *bytes, size_t size)
{
    ssize_t n = r->in < 0 ? (ssize_t)size : write(r->in, bytes, size);
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        /* It has closed its end: the word on why follows. */
        close_in(r);
        return size;
    }
    r->moved = now_ms();
    r->full = n < (ssize_t)size;
    if (r->full && r->in_watch == NULL)
        r->in_watch = session_watch_new(r->x->session, r->in, POLLOUT, on_writable, r);
    return n < 0 ? 0 : (size_t)n;
}

/* True when it has gone, and the client's own bytes may follow. */
static bool write_first(struct relay *r)
{
    if (buf_size(&r->first) > 0)
        buf_drop(&r->first, write_in(r, buf_head(&r->first), buf_size(&r->first)));
    return buf_size(&r->first) == 0;
}

/* A terminal is told as its user would tell it: what reads lines from it takes that for their end. */
static void write_end(struct relay *r)
{
    static const uint8_t key = KEY_END;
    if (!r->eof || r->full || buf_size(&r->first) > 0)
        return;
    if (!r->terminal)
        close_in(r);
    else if (write_in(r, &key, 1) == 1)
        r->eof = false;
}

static void on_writable(void *data, int fd, short revents)
{
    struct relay *r = data;
    (void)fd;
    (void)revents;
    session_watch_free(r->in_watch);
    r->in_watch = NULL;
    r->full = false;
    if (write_first(r) && !r->eof)
        channel_resume(r->x->channel);
    write_end(r);
}

size_t relay_input(struct relay *r, const uint8_t *bytes, size_t size)
{
    if (r->stopped)
        return size;
    if (r->full || buf_size(&r->first) > 0)
        return 0;
    return write_in(r, bytes, size);
}

void relay_input_end(struct relay *r)
{
    r->eof = true;
    write_end(r);
}

void relay_resize(struct relay *r, unsigned columns, unsigned rows)
{
    struct winsize size = { .ws_col = (unsigned short)columns, .ws_row = (unsigned short)rows };
    if (r->terminal && r->in >= 0)
        ioctl(r->in, TIOCSWINSZ, &size);   /* refused by what is gone, whose end is told in another way */
}

void relay_stop(struct relay *r)
{
    r->stopped = true;
    close_in(r);
    channel_resume(r->x->channel);
}

/* ---- the beginning ---- */

struct relay *relay_new(struct exec *x, bool terminal, int in, int out, int err, const struct buf *first, relay_over_fn *over, void *data)
{
    struct relay *r = mem_new(sizeof *r);
    /* Two numbers, as each has a watch of its own. */
    if (terminal && (out = fcntl(in, F_DUPFD_CLOEXEC, 0)) < 0)
        die_errno("relay: dup");
    *r = (struct relay){ .x = x, .terminal = terminal, .in = in, .first = BUF(1 << 20), .moved = now_ms(), .over = over, .data = data };
    r->streams[TO_STDOUT] = (struct stream){ .relay = r, .fd = out, .put = channel_write };
    r->streams[TO_STDERR] = (struct stream){ .relay = r, .fd = err, .put = channel_error };
    if (io_nonblock(in) < 0 || io_nonblock(out) < 0 || (err >= 0 && io_nonblock(err) < 0))
        die_errno("relay: fcntl");
    if (first && buf_size(first) > 0)
        buf_put(&r->first, buf_head(first), buf_size(first));
    relay_room(r);
    write_first(r);
    return r;
}
