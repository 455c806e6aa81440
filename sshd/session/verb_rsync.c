/* The far end of a client's rsync: the real program, in a sandbox of the server that the paths name.  Here its arguments are checked and bytes
   are moved; it ends with the link to the supervisor that came with it. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/conf.h"
#include "base/die.h"
#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rights.h"
#include "sshd/proto.h"
#include "sshd/session/rsync_args.h"
#include "sshd/session/verbs.h"

enum { PIECE = 64 * 1024, IDLE_MS = 600000, CODE_MOST = 35, CODE_CANNOT = 126, CODE_MISSING = 127 };

enum { TO_STDOUT, TO_STDERR, STREAMS };

struct copy;

/* From rsync to the client. */
struct stream {
    struct copy *copy;
    int fd;                          /* -1 at its end, and before it is there */
    struct session_watch *watch;     /* NULL while the client's window is full */
    void (*put)(struct channel *c, const void *bytes, size_t size);
};

struct copy {
    struct exec *x;
    struct rsync_args args;
    struct buf list;                 /* first the client's secluded arguments as they come, then ours for rsync, until written */
    bool asked;
    int in, status;                  /* -1: closed, or not there yet */
    struct session_watch *in_watch, *status_watch;
    struct stream streams[STREAMS];
    bool full, eof;                  /* rsync takes no more now; the client sends no more */
    bool ended;
    uint32_t code, signal;
    char *why;
    uint64_t moved;                  /* ms of the last byte */
    struct timer *idle;
};

static void close_in(struct copy *g)
{
    session_watch_free(g->in_watch);
    g->in_watch = NULL;
    if (g->in >= 0)
        close(fd_steal(&g->in));
}

static void close_stream(struct stream *t)
{
    session_watch_free(t->watch);
    t->watch = NULL;
    if (t->fd >= 0)
        close(fd_steal(&t->fd));
}

static void drop(struct exec *x)
{
    struct copy *g = x->state;
    close_in(g);
    for (size_t i = 0; i < STREAMS; i++)
        close_stream(&g->streams[i]);
    session_watch_free(g->status_watch);
    if (g->status >= 0)
        close(g->status);
    timer_free(g->idle);
    rsync_args_free(&g->args);
    buf_free(&g->list);
    free(g->why);
    free(g);
}

/* ---- the end ---- */

static void finish_code(struct exec *x, uint32_t code)
{
    if (code == CODE_MISSING)
        exec_fail(x, EXIT_DISABLED, "rsync is not installed on this machine");
    else if (code == CODE_CANNOT)
        exec_fail(x, EXIT_DISABLED, "rsync cannot be run on this machine");
    else if (code > CODE_MOST)
        exec_fail(x, EXIT_FAILED, "rsync ended with exit code %u", code);
    else
        exec_end(x, (int)code);
}

/* Told by the supervisor when nothing of it is left, so what it wrote ends as well: read to that. */
static void finish(struct copy *g)
{
    if (!g->ended || g->streams[TO_STDOUT].fd >= 0 || g->streams[TO_STDERR].fd >= 0)
        return;
    if (g->why[0])
        exec_fail(g->x, g->code == CODE_CANNOT ? EXIT_DISABLED : EXIT_FAILED, "rsync was ended: %s", g->why);
    else if (g->signal)
        exec_fail(g->x, EXIT_FAILED, "rsync was ended by signal %u (%s)", g->signal, strsignal((int)g->signal));
    else
        finish_code(g->x, g->code);
}

static void on_status(void *data, int fd, short revents)
{
    struct copy *g = data;
    struct msg m MSG_FREE;
    (void)revents;
    msg_begin(&m, 0, 0);
    int n = msg_recv(fd, &m);
    if (n < 0 && errno == EAGAIN)
        return;
    session_watch_free(g->status_watch);
    g->status_watch = NULL;
    if (n <= 0) {
        exec_fail(g->x, EXIT_UNAVAILABLE, "rsync was ended: the daemon has gone");
        return;
    }
    if (m.type != ERRAND_ENDED)
        die("the supervisor sent message %u about an errand", m.type);
    g->code = msg_get_u32(&m);
    g->signal = msg_get_u32(&m);
    g->why = msg_get_str(&m);
    msg_end(&m);
    g->ended = true;
    close_in(g);
    channel_resume(g->x->channel);
    finish(g);
}

static void on_idle(void *data)
{
    struct exec *x = data;
    struct copy *g = x->state;
    uint64_t still = now_ms() - g->moved;
    g->idle = NULL;
    if (still >= IDLE_MS)
        exec_fail(x, EXIT_FAILED, "rsync was ended: not a byte went either way for %d minutes", IDLE_MS / 60000);
    else
        g->idle = exec_timer(x, IDLE_MS - still, on_idle);
}

/* ---- from rsync ---- */

static void on_stream(void *data, int fd, short revents);

/* A watch that is not wanted must go: the end of a pipe cannot be masked. */
static void stream_wait(struct stream *t)
{
    bool room = channel_room(t->copy->x->channel) >= PIECE;
    if (t->fd >= 0 && room && t->watch == NULL)
        t->watch = session_watch_new(t->copy->x->session, t->fd, POLLIN, on_stream, t);
    if (!room && t->watch) {
        session_watch_free(t->watch);
        t->watch = NULL;
    }
}

static void on_stream(void *data, int fd, short revents)
{
    static uint8_t bytes[PIECE];
    struct stream *t = data;
    struct copy *g = t->copy;
    (void)revents;
    ssize_t n = read(fd, bytes, sizeof bytes);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0) {
        t->put(g->x->channel, bytes, (size_t)n);
        g->moved = now_ms();
        stream_wait(t);
        return;
    }
    close_stream(t);
    finish(g);
}

static void on_room(struct exec *x)
{
    struct copy *g = x->state;
    for (size_t i = 0; i < STREAMS; i++)
        stream_wait(&g->streams[i]);
}

/* ---- to rsync ---- */

static void on_writable(void *data, int fd, short revents);

static size_t write_in(struct copy *g, const uint8_t *bytes, size_t size)
{
    ssize_t n = g->in < 0 ? (ssize_t)size : write(g->in, bytes, size);
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        /* It has closed its end: its word on why follows. */
        close_in(g);
        return size;
    }
    g->moved = now_ms();
    g->full = n < (ssize_t)size;
    if (g->full && g->in_watch == NULL)
        g->in_watch = session_watch_new(g->x->session, g->in, POLLOUT, on_writable, g);
    return n < 0 ? 0 : (size_t)n;
}

/* True when the arguments have gone, and the client's own bytes may follow. */
static bool write_list(struct copy *g)
{
    if (buf_size(&g->list) > 0)
        buf_drop(&g->list, write_in(g, buf_head(&g->list), buf_size(&g->list)));
    return buf_size(&g->list) == 0;
}

static void on_writable(void *data, int fd, short revents)
{
    struct copy *g = data;
    (void)fd;
    (void)revents;
    session_watch_free(g->in_watch);
    g->in_watch = NULL;
    g->full = false;
    if (write_list(g))
        channel_resume(g->x->channel);
    if (g->eof && buf_size(&g->list) == 0)
        close_in(g);
}

static void on_input_end(struct exec *x)
{
    struct copy *g = x->state;
    g->eof = true;
    if (!g->asked)
        exec_fail(x, EXIT_USAGE, "rsync: the arguments end too early");
    else if (g->status >= 0 && buf_size(&g->list) == 0)
        close_in(g);
}

/* ---- the beginning ---- */

static void started(struct exec *x, int code, const char *text, struct msg *m)
{
    struct copy *g = x->state;
    if (!exec_ok(x, code, text))
        return;
    g->in = msg_get_fd(m);
    g->streams[TO_STDOUT].fd = msg_get_fd(m);
    g->streams[TO_STDERR].fd = msg_get_fd(m);
    g->status = msg_get_fd(m);
    msg_end(m);
    if (io_nonblock(g->in) < 0 || io_nonblock(g->streams[TO_STDOUT].fd) < 0 || io_nonblock(g->streams[TO_STDERR].fd) < 0 ||
        io_nonblock(g->status) < 0)
        die_errno("rsync: fcntl");
    g->status_watch = session_watch_new(x->session, g->status, POLLIN, on_status, g);
    g->moved = now_ms();
    g->idle = exec_timer(x, IDLE_MS, on_idle);
    x->room = on_room;
    on_room(x);
    if (write_list(g))
        channel_resume(x->channel);
    if (g->eof && buf_size(&g->list) == 0)
        close_in(g);
}

static bool may(struct exec *x, const char *server, uint32_t needs)
{
    const struct server_right *r = session_server(x->session, server);
    char words[256];
    if (r == NULL)
        exec_fail(x, EXIT_NOT_PERMITTED, "no server '%s', or you may not see it", esc(server));
    else if ((r->rights & needs) != needs)
        exec_fail(x, EXIT_NOT_PERMITTED, "%s: you may not do this here; it needs the right: %s", server,
                  rights_text(needs & ~r->rights, words, sizeof words));
    return r && (r->rights & needs) == needs;
}

static void ask(struct copy *g)
{
    struct exec *x = g->x;
    buf_reset(&g->list);
    if (!rsync_args_end(&g->args, &g->list)) {
        exec_fail(x, EXIT_USAGE, "%s", g->args.why);
        return;
    }
    uint32_t needs = RIGHT_FILES_READ | (g->args.writes ? RIGHT_FILES_WRITE | RIGHT_FILES_DELETE : 0);
    if (!may(x, g->args.server, needs))
        return;
    x->server = mem_str(g->args.server);
    x->relied = needs;
    g->asked = true;
    exec_ask(x, OP_RSYNC, x->server, g->args.writes, NULL, started);
}

/* "rsync" NUL, a word and NUL each, NUL. */
static bool add_secluded(struct copy *g)
{
    char **words = mem_array(buf_size(&g->list) + 1, sizeof *words);
    size_t n = 0;
    for (const char *at = (const char *)buf_head(&g->list) + strlen((const char *)buf_head(&g->list)) + 1; *at; at += strlen(at) + 1)
        words[n++] = (char *)(uintptr_t)at;
    bool good = rsync_args_add(&g->args, words, false);
    free(words);
    return good;
}

/* The bytes up to the second of two NULs, from where they may have begun in what came before. */
static size_t list_end(struct copy *g, const uint8_t *bytes, size_t size)
{
    bool after_nul = buf_size(&g->list) > 0 && g->list.p[g->list.len - 1] == '\0';
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] == '\0' && after_nul)
            return i + 1;
        after_nul = bytes[i] == '\0';
    }
    return 0;
}

static size_t take_secluded(struct copy *g, const uint8_t *bytes, size_t size)
{
    size_t end = list_end(g, bytes, size);
    buf_put(&g->list, bytes, end ? end : size);
    if (g->list.bad)
        exec_fail(g->x, EXIT_USAGE, "rsync: too many arguments; allowed: %d bytes of them", RSYNC_LIST_MOST);
    else if (end && !add_secluded(g))
        exec_fail(g->x, EXIT_USAGE, "%s", g->args.why);
    else if (end)
        ask(g);
    return end ? end : size;
}

static size_t on_input(struct exec *x, const uint8_t *bytes, size_t size)
{
    struct copy *g = x->state;
    if (!g->asked)
        return take_secluded(g, bytes, size);
    if (g->ended)
        return size;
    if (g->status < 0 || g->full || buf_size(&g->list) > 0)
        return 0;
    return write_in(g, bytes, size);
}

static void begin(struct copy *g)
{
    struct exec *x = g->x;
    char **words;
    const char *why;
    if (conf_words_marked(x->line, &words, &why) < 0)
        bug("rsync: words that were none: %s", why);
    bool good = rsync_args_add(&g->args, words + 1, true);
    conf_words_free(words);
    if (!good)
        exec_fail(x, EXIT_USAGE, "%s", g->args.why);
    else if (!g->args.secluded)
        ask(g);
}

void verb_rsync(struct exec *x)
{
    if (x->nargs == 0 || strcmp(x->args[0], "--server") != 0) {
        exec_fail(x, EXIT_USAGE, "rsync: run it on your own machine: rsync -a FOLDER/ ACCOUNT@HOST:/SERVER/FOLDER");
        return;
    }
    if (exec_terminal(x)) {
        exec_fail(x, EXIT_USAGE, "rsync: not on a terminal: without -t");
        return;
    }
    struct copy *g = mem_new(sizeof *g);
    *g = (struct copy){ .x = x, .list = BUF(2 * RSYNC_LIST_MOST), .in = -1, .status = -1 };
    g->streams[TO_STDOUT] = (struct stream){ .copy = g, .fd = -1, .put = channel_write };
    g->streams[TO_STDERR] = (struct stream){ .copy = g, .fd = -1, .put = channel_error };
    rsync_args_init(&g->args, session_home(x->session));
    x->state = g;
    x->drop = drop;
    x->input = on_input;
    x->input_end = on_input_end;
    begin(g);
}
