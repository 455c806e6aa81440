#include "sshd/session/prompt.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/die.h"
#include "base/io.h"
#include "base/link.h"
#include "base/mem.h"
#include "sshd/session/channel.h"
#include "sshd/session/conn.h"
#include "sshd/session/exec.h"

enum { PIECE = 16 * 1024, PIECES_A_ROUND = 8, WAITING_MUCH = 4, LINE_BYTES = PROMPT_LINE_MOST };

enum outcome { NOTHING, LINE, END, STOPPED };

struct prompt {
    struct session *s;
    struct channel *c;
    const struct prompt_events *events;
    void *data;
    uint32_t asked;                 /* for it, of the store; 0: answered */
    struct link *link;              /* NULL: not there yet, or gone */
    int pty;
    struct session_watch *watch;    /* of the pty; NULL while there is nothing to wait for */
    bool ready, editing, ended;
    bool line_fed, full, closed;    /* an end of line was fed; the terminal took less than all; its other end is closed */
    bool much, freed;
    unsigned calling;               /* handlers that are at work: the last one frees it */
    uint64_t fed;
    unsigned marks;
    enum outcome outcome;           /* told by the link; waits for the terminal's mark */
    char *line;                     /* owned */
};

static void wait_again(struct prompt *p);

static bool freed(struct prompt *p)
{
    bool gone = p->freed;
    p->calling--;
    if (gone && p->calling == 0)
        free(p);
    return gone;
}

/* ---- what it did ---- */

/* True when P may not be used any more. */
static bool settle(struct prompt *p)
{
    if (p->outcome == NOTHING || p->marks == 0)
        return p->freed;
    enum outcome outcome = p->outcome;
    FREE_MEM char *line = p->line;
    p->line = NULL;
    p->marks--;
    p->outcome = NOTHING;
    p->editing = p->line_fed = false;
    if (outcome == STOPPED)
        p->events->stopped(p->data);
    else
        p->events->line(p->data, line ? line : "", outcome == END);
    return p->freed;
}

static void write_seen(struct prompt *p, const uint8_t *bytes, size_t size)
{
    while (size > 0) {
        const uint8_t *mark = memchr(bytes, PROMPT_MARK, size);
        size_t n = mark ? (size_t)(mark - bytes) : size;
        channel_write(p->c, bytes, n);
        if (mark == NULL)
            return;
        p->marks++;
        bytes += n + 1;
        size -= n + 1;
    }
}

/* True when there may be more. */
static bool read_pty(struct prompt *p)
{
    uint8_t piece[PIECE];
    ssize_t n = read(p->pty, piece, sizeof piece);
    if (n > 0)
        write_seen(p, piece, (size_t)n);
    else if (n == 0 || (errno != EAGAIN && errno != EINTR))
        p->closed = true;
    return n > 0;
}

static void on_pty(void *data, int fd, short revents)
{
    struct prompt *p = data;
    (void)fd;
    p->calling++;
    if (revents & POLLOUT) {
        p->full = false;
        p->events->hungry(p->data);
    }
    for (int i = 0; i < PIECES_A_ROUND && !p->freed && channel_room(p->c) >= CHANNEL_LOW && read_pty(p); i++)
        ;
    if (p->freed || settle(p)) {
        freed(p);
        return;
    }
    p->calling--;
    wait_again(p);
}

static void wait_again(struct prompt *p)
{
    bool reads = channel_room(p->c) >= CHANNEL_LOW;
    short events = (short)(p->closed || p->pty < 0 ? 0 : (reads ? POLLIN : 0) | (p->full ? POLLOUT : 0));
    if (events == 0) {
        session_watch_free(p->watch);
        p->watch = NULL;
    } else if (p->watch == NULL)
        p->watch = session_watch_new(p->s, p->pty, events, on_pty, p);
    else
        session_watch_events(p->watch, events);
}

void prompt_room(struct prompt *p)
{
    if (p->link)
        wait_again(p);
}

/* ---- its messages ---- */

static void fail(struct prompt *p, int code, const char *why)
{
    if (p->ended)
        return;
    p->ended = true;
    link_free(p->link);
    p->link = NULL;
    /* What it still had to show. */
    for (int i = 0; i < PIECES_A_ROUND && p->pty >= 0 && read_pty(p); i++)
        ;
    session_watch_free(p->watch);
    p->watch = NULL;
    p->events->gone(p->data, code, why);
}

static void on_gone(void *data, struct link *l)
{
    struct prompt *p = data;
    (void)l;
    p->calling++;
    fail(p, EXIT_UNAVAILABLE, p->ready ? "the line editor of this terminal has ended" : "the line editor cannot be started");
    freed(p);
}

static void take_complete(struct prompt *p, struct msg *m)
{
    uint32_t id = m->id;
    size_t size;
    const uint8_t *bytes = msg_get_bytes(m, &size);
    FREE_MEM char *left = size <= LINE_BYTES && bytes && memchr(bytes, 0, size) == NULL ? mem_strn(bytes, size) : NULL;
    if (!msg_end(m) || left == NULL)
        return;
    if (p->events->complete && p->editing)
        p->events->complete(p->data, id, left);
    else
        prompt_completions(p, id, 0, 0, NULL, 0);
}

static void take_line(struct prompt *p, struct msg *m)
{
    bool end = msg_get_u32(m) != 0;
    size_t size;
    const uint8_t *bytes = msg_get_bytes(m, &size);
    if (m->bad || size > LINE_BYTES || !p->editing || p->outcome != NOTHING)
        return;
    p->line = mem_strn(size ? (const void *)bytes : "", size);
    p->outcome = end ? END : LINE;
}

static void take(struct prompt *p, struct msg *m)
{
    switch (m->type) {
    case PROMPT_READY:
        if (!p->ready) {
            p->ready = true;
            p->events->ready(p->data);
        }
        break;
    case PROMPT_LINE:
        take_line(p, m);
        break;
    case PROMPT_MORE:
        p->line_fed = false;
        p->events->hungry(p->data);
        break;
    case PROMPT_COMPLETE:
        take_complete(p, m);
        break;
    case PROMPT_STOPPED:
        if (p->editing && p->outcome == NOTHING)
            p->outcome = STOPPED;
        break;
    default:
        fail(p, EXIT_UNAVAILABLE, "the line editor broke a rule");
    }
}

static void on_msg(void *data, struct link *l, struct msg *m)
{
    struct prompt *p = data;
    (void)l;
    p->calling++;
    take(p, m);
    if (!p->freed)
        settle(p);
    freed(p);
}

static void on_room(void *data, struct link *l)
{
    struct prompt *p = data;
    (void)l;
    if (!p->much)
        return;
    p->much = false;
    p->calling++;
    if (p->events->room)
        p->events->room(p->data);
    freed(p);
}

static const struct link_events link_events = { .msg = on_msg, .gone = on_gone, .room = on_room, .client = true };

/* ---- its beginning and end ---- */

static void started(void *data, int code, const char *text, struct msg *m)
{
    struct prompt *p = data;
    p->asked = 0;
    p->calling++;
    if (code != EXIT_DONE) {
        fail(p, code == EXIT_LATER ? EXIT_LATER : EXIT_UNAVAILABLE, *text ? text : "the line editor cannot be started");
        freed(p);
        return;
    }
    int link = msg_get_fd(m);
    p->pty = msg_get_fd(m);
    msg_end(m);
    p->calling--;
    if (io_nonblock(p->pty) < 0)
        die_errno("the terminal of a line editor");
    p->link = link_new(p->s->loop, link, &link_events, p);
    wait_again(p);
}

struct prompt *prompt_new(struct channel *c, const struct prompt_events *events, void *data)
{
    struct prompt *p = mem_new(sizeof *p);
    unsigned columns, rows;
    channel_size(c, &columns, &rows);
    *p = (struct prompt){ .s = channel_session(c), .c = c, .events = events, .data = data, .pty = -1 };
    p->asked = session_do_later(p->s, OP_PROMPT, "", (uint64_t)columns << 16 | rows, channel_term(c), started, p);
    return p;
}

void prompt_use(struct prompt *p, const struct prompt_events *events, void *data)
{
    p->events = events;
    p->data = data;
}

void prompt_free(struct prompt *p)
{
    if (p == NULL || p->freed)
        return;
    if (p->asked)
        session_do_cancel(p->s, p->asked);
    link_free(p->link);
    session_watch_free(p->watch);
    if (p->pty >= 0)
        close(p->pty);
    free(p->line);
    p->freed = true;
    if (p->calling == 0)
        free(p);
}

bool prompt_alive(const struct prompt *p) { return p->ready && !p->ended; }

/* ---- what it is to do ---- */

static bool tell(struct prompt *p, struct msg *m)
{
    if (p->link == NULL) {
        msg_free(m);
        return true;
    }
    if (link_send(p->link, m) == 0 && link_waiting(p->link) < WAITING_MUCH)
        return true;
    p->much = true;
    return false;
}

void prompt_read(struct prompt *p, enum prompt_kind kind, const char *history, const char *text)
{
    struct msg m;
    invariant(!p->editing);
    p->editing = true;
    msg_begin(&m, PROMPT_READ, 0);
    msg_put_u32(&m, kind);
    msg_put_str(&m, history);
    msg_put_str(&m, text);
    tell(p, &m);
}

size_t prompt_feed(struct prompt *p, const void *bytes, size_t size)
{
    const uint8_t *b = bytes;
    size_t n = 0;
    if (!p->editing || !p->ready || p->ended || p->line_fed || p->full || size == 0)
        return 0;
    while (n < size && b[n] != '\r' && b[n] != '\n')
        n++;
    n += n < size;
    ssize_t wrote = write(p->pty, b, n);
    if (wrote < 0 && errno != EAGAIN && errno != EINTR)
        return 0;       /* its end is told by the link */
    size_t took = wrote > 0 ? (size_t)wrote : 0;
    p->fed += took;
    p->line_fed = took > 0 && (b[took - 1] == '\r' || b[took - 1] == '\n');
    p->full = took < n;
    if (p->full)
        wait_again(p);
    return took;
}

bool prompt_fed(const struct prompt *p) { return p->line_fed; }

void prompt_stop(struct prompt *p)
{
    struct msg m;
    if (!p->editing)
        return;
    msg_begin(&m, PROMPT_STOP, 0);
    msg_put_u64(&m, p->fed);
    tell(p, &m);
}

bool prompt_output(struct prompt *p, bool own, const void *bytes, size_t size)
{
    const uint8_t *b = bytes;
    bool room = true;
    for (size_t n; size > 0; b += n, size -= n, own = false) {
        struct msg m;
        n = size < PROMPT_PIECE ? size : PROMPT_PIECE;
        msg_begin(&m, PROMPT_OUTPUT, 0);
        msg_put_u32(&m, own);
        msg_put_bytes(&m, b, n);
        room = tell(p, &m);
    }
    return room;
}

void prompt_resize(struct prompt *p, unsigned columns, unsigned rows)
{
    struct winsize size = { .ws_col = (unsigned short)columns, .ws_row = (unsigned short)rows };
    struct msg m;
    if (p->link == NULL || ioctl(p->pty, TIOCSWINSZ, &size) < 0)
        return;
    msg_begin(&m, PROMPT_RESIZE, 0);
    tell(p, &m);
}

void prompt_completions(struct prompt *p, uint32_t id, size_t from, size_t left_out, char *const *words, size_t n)
{
    enum { MOST = MSG_MOST - 1024, FIELD = 8 };
    struct msg m;
    size_t fit = 0, size = 0;
    while (fit < n && fit < COMPLETIONS_MOST && size + strlen(words[fit]) + FIELD <= MOST)
        size += strlen(words[fit++]) + FIELD;
    msg_begin(&m, PROMPT_COMPLETIONS, id);
    msg_put_u32(&m, (uint32_t)from);
    msg_put_u32(&m, (uint32_t)(left_out + n - fit));
    msg_put_u32(&m, (uint32_t)fit);
    for (size_t i = 0; i < fit; i++)
        msg_put_bytes(&m, words[i], strlen(words[i]));
    tell(p, &m);
}
