#include "sshd/session/channel.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/die.h"
#include "base/mem.h"
#include "sshd/session/activity.h"
#include "sshd/session/asked.h"
#include "sshd/session/conn.h"
#include "sshd/session/doing.h"
#include "sshd/session/pace.h"
#include "sshd/session/wire.h"

enum {
    QUEUE_MOST = 32 * 1024 * 1024,     /* past CHANNEL_QUEUE is the caller's fault, past this it is a bug */
    WINDOW = 3 * 1024 * 1024,          /* of a channel that is sent much: see widen */
    WINDOW_STEP = 1024 * 1024,
    LEFT_MOST = 2 * WINDOW,            /* so much input held back: the client ignores the window */
    BATCH = 4 * 32758,                 /* four full packets of what OpenSSH takes: they leave in one system call */
    FETCH = 64 * 1024,
    REST_CAP = 16 * 1024,
    LAST_WORDS = 4096,                 /* of a command whose connection ends with it, as that of one that removed its own key */
};

struct channel {
    struct channel *next, **prev;
    struct session *s;
    ssh_channel ssh;
    struct ssh_channel_callbacks_struct callbacks;
    const struct channel_ops *ops;     /* NULL before something runs and after it has ended */
    void *data;
    struct asked asked;
    uint8_t last;                      /* byte written; 0: none */
    struct buf out, err, held;
    size_t left;                       /* input libssh holds for us, behind `held` */
    size_t since;                      /* input since the window was widened */
    struct pace pace;
    bool resume, eof, eof_told, tight;
    bool exiting, exited, closed;      /* by us: wanted, said; by the client */
    bool cut;                          /* its end waits for nobody */
    int code;
};

static void work(struct channel *c) { c->s->work = true; }
static void again(void *data) { work(data); }

static size_t offer(struct channel *c, const uint8_t *bytes, size_t size)
{
    if (c->exiting)
        return size;
    size_t used = c->ops ? c->ops->data(c->data, c, bytes, size) : 0;
    invariant(used <= size);
    return used;
}

static int on_data(ssh_session ssh, ssh_channel channel, void *bytes, uint32_t size, int is_stderr, void *data)
{
    struct channel *c = data;
    (void)ssh, (void)channel;
    if (is_stderr)
        return (int)size;
    size_t used = buf_size(&c->held) == 0 ? offer(c, bytes, size) : 0;
    /* libssh shows all it holds, not only what is new. */
    c->since += size - c->left;
    c->left = size - used;
    if (c->left > LEFT_MOST)
        die("the client ignores the window");
    return (int)used;
}

static void on_eof(ssh_session ssh, ssh_channel channel, void *data)
{
    struct channel *c = data;
    (void)ssh, (void)channel;
    c->eof = true;
    work(c);
}

static void on_close(ssh_session ssh, ssh_channel channel, void *data)
{
    struct channel *c = data;
    (void)ssh, (void)channel;
    c->closed = true;
    work(c);
}

static void on_signal(ssh_session ssh, ssh_channel channel, const char *signal, void *data)
{
    struct channel *c = data;
    (void)ssh, (void)channel;
    if (c->ops && c->ops->interrupt && !c->exiting)
        c->ops->interrupt(c->data, c, signal);
}

static int on_resize(ssh_session ssh, ssh_channel channel, int columns, int rows, int px, int py, void *data)
{
    struct channel *c = data;
    (void)ssh, (void)channel, (void)px, (void)py;
    if (!c->asked.terminal)
        return 0;
    asked_size(&c->asked, columns, rows);
    if (c->ops && c->ops->resize && !c->exiting)
        c->ops->resize(c->data, c, c->asked.columns, c->asked.rows);
    return 0;
}

ssh_channel channel_open(struct session *s)
{
    if (!s->in || s->over || s->nchannels >= s->channels) {
        if (s->refusals_logged++ < REFUSALS_LOGGED)
            session_log(s, "request.refused", "request=channel open=%u most=%u", s->nchannels, s->channels);
        return NULL;
    }
    ssh_channel ssh = ssh_channel_new(s->ssh);
    if (ssh == NULL)
        return NULL;
    struct channel *c = mem_new(sizeof *c);
    *c = (struct channel){ .s = s, .asked = { .s = s }, .ssh = ssh, .next = s->list, .prev = &s->list, .out = BUF(QUEUE_MOST),
                           .err = BUF(QUEUE_MOST), .held = BUF(LEFT_MOST) };
    pace_open(&c->pace, s, again, c);
    c->callbacks = (struct ssh_channel_callbacks_struct){
        .userdata = c,
        .channel_data_function = on_data,
        .channel_eof_function = on_eof,
        .channel_close_function = on_close,
        .channel_signal_function = on_signal,
        .channel_pty_window_change_function = on_resize,
    };
    asked_callbacks(&c->callbacks);
    ssh_callbacks_init(&c->callbacks);
    if (ssh_set_channel_callbacks(ssh, &c->callbacks) != SSH_OK)
        die("libssh: no callbacks");
    if (c->next)
        c->next->prev = &c->next;
    s->list = c;
    s->nchannels++;
    return ssh;
}

void channel_run(struct channel *c, const struct channel_ops *ops, void *data)
{
    invariant(c->ops == NULL && !c->exiting);
    c->ops = ops;
    c->data = data;
    c->resume = true;
    work(c);
}

size_t channel_room(const struct channel *c)
{
    size_t have = buf_size(&c->out) + buf_size(&c->err);
    return have < CHANNEL_QUEUE ? CHANNEL_QUEUE - have : 0;
}

static void queued(struct channel *c, struct buf *b)
{
    if (b->bad)
        bug("a channel's queue passed %d bytes", QUEUE_MOST);
    if (channel_room(c) < CHANNEL_LOW)
        c->tight = true;
    work(c);
}

void channel_write(struct channel *c, const void *bytes, size_t size)
{
    if (c->exiting || c->closed)
        return;
    buf_put(&c->out, bytes, size);
    if (size > 0)
        c->last = ((const uint8_t *)bytes)[size - 1];
    queued(c, &c->out);
}

/* Room is made even on a channel that is going, as the caller may not be told "no". */
uint8_t *channel_reserve(struct channel *c, size_t size)
{
    uint8_t *at = buf_room(&c->out, size);
    if (at == NULL)
        queued(c, &c->out);
    return at;
}

void channel_wrote(struct channel *c, size_t size)
{
    if (c->exiting || c->closed)
        return;
    buf_added(&c->out, size);
    if (size > 0)
        c->last = c->out.p[c->out.len - 1];
    queued(c, &c->out);
}

void channel_error(struct channel *c, const void *bytes, size_t size)
{
    /* A terminal has one stream, and there the order of both matters. */
    if (c->asked.terminal) {
        channel_write(c, bytes, size);
        return;
    }
    if (c->exiting || c->closed)
        return;
    buf_put(&c->err, bytes, size);
    queued(c, &c->err);
}

void channel_resume(struct channel *c)
{
    c->resume = true;
    work(c);
}

void channel_exit(struct channel *c, int code)
{
    if (c->exiting)
        return;
    c->exiting = true;
    c->code = code;
    work(c);
}

void channel_cut(struct channel *c)
{
    buf_free(&c->out);
    buf_free(&c->err);
    c->cut = true;
    conn_cut(c->s);
    work(c);
}

bool channel_has_terminal(const struct channel *c) { return c->asked.terminal; }
const char *channel_term(const struct channel *c) { return c->asked.term; }
bool channel_midline(const struct channel *c) { return c->last && c->last != '\n'; }

void channel_size(const struct channel *c, unsigned *columns, unsigned *rows)
{
    *columns = c->asked.columns;
    *rows = c->asked.rows;
}

struct session *channel_session(const struct channel *c) { return c->s; }
struct asked *channel_asked(struct channel *c) { return &c->asked; }
bool channel_closed(const struct channel *c) { return c->closed; }

/* The program is told once and forgotten. */
static void end_program(struct channel *c)
{
    const struct channel_ops *ops = c->ops;
    c->ops = NULL;
    c->exiting = true;
    doing_end(c->s, c);
    if (ops)
        ops->closed(c->data, c);
}

/* All that libssh holds back, in `held`: every read opens the window anew, so pieces would let the client send without end.  Without bytes
   waiting libssh would start to read the socket here. */
static bool fetch(struct channel *c)
{
    if (buf_size(&c->held) > 0)
        return true;
    if (c->left == 0)
        return false;
    size_t size = c->left;
    uint8_t *room = buf_room(&c->held, size);
    ssh_set_fd_towrite(c->s->ssh);
    int n = ssh_channel_read_nonblocking(c->ssh, room, (uint32_t)size, 0);
    if (n <= 0) {
        c->left = 0;
        return false;
    }
    buf_added(&c->held, (size_t)n);
    c->left -= (size_t)n;
    return true;
}

/* By itself libssh lets a client have between 0.64 and 1.28 MB on the way: at a round trip of 50 ms that is half of what OpenSSH's server allows,
   and so was the speed.  It widens the window to what is said to be wanted next; as nothing of it is here, nothing is read. */
static void widen(struct channel *c)
{
    uint8_t none;
    c->since = 0;
    ssh_set_fd_towrite(c->s->ssh);
    ssh_channel_read_timeout(c->ssh, &none, WINDOW, 0, 0);
}

/* One piece a turn, so that other channels come in between. */
static void give(struct channel *c)
{
    c->resume = false;
    if (fetch(c)) {
        size_t all = buf_size(&c->held), size = all < FETCH ? all : FETCH;
        size_t used = offer(c, buf_head(&c->held), size);
        buf_drop(&c->held, used);
        if (used == size && (all > size || c->left > 0))
            channel_resume(c);
        else if (used > 0 && used < size && c->resume)
            work(c);
    } else if (c->ops->resumed && !c->exiting)
        c->ops->resumed(c->data, c);
    if (buf_size(&c->held) == 0 && c->left == 0 && c->eof)
        work(c);
}

static void tell_eof(struct channel *c)
{
    if (!c->eof || c->eof_told || c->ops == NULL || c->exiting || c->left > 0 || buf_size(&c->held) > 0)
        return;
    c->eof_told = true;
    if (c->ops->eof)
        c->ops->eof(c->data, c);
}

typedef int write_fn(ssh_channel channel, const void *data, uint32_t size);

static bool write_some(struct channel *c, struct buf *b, write_fn *fn)
{
    size_t size = buf_size(b), window = ssh_channel_window_size(c->ssh);
    size = size < BATCH ? size : BATCH;
    size = size < window ? size : window;
    if (size == 0 || c->closed || (pace_holds(&c->pace, window, size) && !c->cut))
        return false;
    int n = fn(c->ssh, buf_head(b), (uint32_t)size);
    if (n < 0) {
        /* Closed by the client, which is found out just after this. */
        buf_free(&c->out);
        buf_free(&c->err);
        end_program(c);
        return false;
    }
    buf_drop(b, (size_t)n);
    pace_wrote(&c->pace, (size_t)n);
    return n > 0;
}

static bool put_out(struct channel *c)
{
    bool some = write_some(c, &c->err, ssh_channel_write_stderr);
    some = write_some(c, &c->out, ssh_channel_write) || some;
    if (c->tight && channel_room(c) >= CHANNEL_LOW) {
        c->tight = false;
        if (c->ops && c->ops->writable && !c->exiting)
            c->ops->writable(c->data, c);
    }
    return some;
}

static void say_exit(struct channel *c)
{
    if (!c->exiting || c->exited)
        return;
    /* A full wire must not hold up the last words of one that goes at once. */
    if (c->cut)
        put_out(c);
    else if (buf_size(&c->out) > 0 || buf_size(&c->err) > 0)
        return;
    c->exited = true;
    end_program(c);
    ssh_set_fd_towrite(c->s->ssh);
    if (c->code >= 0)
        ssh_channel_request_send_exit_status(c->ssh, c->code);
    ssh_channel_send_eof(c->ssh);
    ssh_channel_close(c->ssh);
}

/* The client has closed its side: so do we, and the memory goes. */
static void reap(struct channel *c)
{
    end_program(c);
    ssh_set_fd_towrite(c->s->ssh);
    ssh_channel_free(c->ssh);
    *c->prev = c->next;
    if (c->next)
        c->next->prev = c->prev;
    c->s->nchannels--;
    pace_close(&c->pace);
    asked_free(&c->asked);
    buf_free(&c->out);
    buf_free(&c->err);
    buf_free(&c->held);
    free(c);
}

static void turn(struct channel *c)
{
    if (asked_waits(&c->asked) && !c->closed)
        asked_start(&c->asked, c);
    if (c->resume && c->ops)
        give(c);
    if (c->since >= WINDOW_STEP && c->left == 0 && buf_size(&c->held) == 0 && c->ops && !c->eof && !c->closed && !c->exiting)
        widen(c);
    tell_eof(c);
}

/* Batches go round the channels until the wire is full or nothing is left that a window lets out. */
static void write_all(struct session *s)
{
    bool some = true;
    /* A large batch of answers may leave from here: what they tell of is told before. */
    activity_send(s);
    for (int round = 0; some && round < 4 && wire_unsent() < WIRE_FULL; round++) {
        some = false;
        struct channel *next;
        for (struct channel *c = s->list; c && wire_unsent() < WIRE_FULL; c = next) {
            next = c->next;
            some = put_out(c) || some;
        }
    }
    /* With the wire full the socket wakes us, with windows shut the client does. */
    if (some && wire_unsent() < WIRE_FULL)
        s->work = true;
}

/* Whoever came first in this round comes last in the next. */
static void rotate(struct session *s)
{
    struct channel *first = s->list, *last = first;
    if (first == NULL || first->next == NULL)
        return;
    while (last->next)
        last = last->next;
    s->list = first->next;
    s->list->prev = &s->list;
    last->next = first;
    first->prev = &last->next;
    first->next = NULL;
}

void channels_turn(struct session *s)
{
    s->work = false;
    struct channel *next;
    for (struct channel *c = s->list; c && !s->over; c = next) {
        next = c->next;
        turn(c);
    }
    write_all(s);
    rotate(s);
    for (struct channel *c = s->list; c; c = next) {
        next = c->next;
        say_exit(c);
        if (c->closed)
            reap(c);
    }
}

static void shrink(struct buf *b)
{
    if (buf_size(b) == 0 && b->cap > REST_CAP)
        buf_free(b);
}

void channels_rest(struct session *s)
{
    for (struct channel *c = s->list; c; c = c->next) {
        shrink(&c->out);
        shrink(&c->err);
        shrink(&c->held);
    }
}

bool channels_last(struct session *s)
{
    bool some = false;
    for (struct channel *c = s->list; c; c = c->next)
        if (c->exiting && !c->exited && !c->closed && buf_size(&c->out) + buf_size(&c->err) <= LAST_WORDS) {
            put_out(c);
            say_exit(c);
            some = true;
        }
    return some;
}

void channels_end(struct session *s)
{
    for (struct channel *c = s->list; c; c = c->next)
        end_program(c);
}
