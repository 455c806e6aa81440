/* The console: on a terminal a line editor in front of the server, else a filter. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "sshd/session/display.h"
#include "sshd/session/doing.h"
#include "sshd/session/verbs.h"
#include "sshd/session/viewer.h"

enum { HISTORY = 64 * 1024, LINE_MOST = 4096, DRAIN_MS = 300, DRAIN_MOST_MS = 5000, KEY_DETACH = 0x1d };

struct console {
    struct exec *x;
    struct viewer *viewer;
    bool writes, raw;
    struct buf line;        /* being typed */
    struct buf waiting;     /* input the shim has not taken yet */
    int escape;             /* inside a key's escape sequence: 1 after ESC, 2 after ESC [ */
    uint8_t last;           /* last byte shown */
    struct display display;
    bool ending;            /* the filter's input has ended */
    struct timer *drain;
    uint64_t drained_ms;
};

static void drop(struct exec *x)
{
    struct console *k = x->state;
    viewer_free(k->viewer);
    timer_free(k->drain);
    buf_free(&k->line);
    buf_free(&k->waiting);
    free(k);
}

/* ---- output ---- */

/* A server on pipes ends its lines with "\n" only; one on a terminal of its own with both. */
static void show(struct console *k, const uint8_t *p, size_t size)
{
    struct channel *c = k->x->channel;
    size_t from = 0;
    for (size_t i = 0; i < size; i++) {
        if (p[i] == '\n' && k->last != '\r') {
            channel_write(c, p + from, i - from);
            channel_write(c, "\r", 1);
            from = i;
        }
        k->last = p[i];
    }
    channel_write(c, p + from, size - from);
}

static void show_line(struct console *k)
{
    channel_write(k->x->channel, buf_head(&k->line), buf_size(&k->line));
}

static void put(struct console *k, const char *text) { channel_write(k->x->channel, text, strlen(text)); }

/* What is being typed is taken away, and put back behind what came. */
static void output_terminal(struct console *k, const uint8_t *bytes, size_t size)
{
    bool typing = buf_size(&k->line) > 0;
    FREE_MEM uint8_t *shown = mem_new(size + DISPLAY_HELD);
    size = display(&k->display, bytes, size, shown);
    if (size == 0)
        return;
    if (typing)
        put(k, "\r\033[K");
    show(k, shown, size);
    if (typing) {
        if (k->last != '\n')
            put(k, "\r\n");
        show_line(k);
    }
}

/* Its colours are not ours. */
static void output_ends(struct console *k)
{
    uint8_t plain[DISPLAY_HELD];
    if (!k->raw)
        channel_write(k->x->channel, plain, display_end(&k->display, plain));
}

static void drained(void *data);

static void output(void *data, const uint8_t *bytes, size_t size)
{
    struct console *k = data;
    if (exec_terminal(k->x) && !k->raw)
        output_terminal(k, bytes, size);
    else if (exec_terminal(k->x))
        show(k, bytes, size);
    else
        channel_write(k->x->channel, bytes, size);
    if (channel_room(k->x->channel) < CHANNEL_LOW)
        viewer_pause(k->viewer, true);
    if (k->ending && k->drained_ms < DRAIN_MOST_MS) {
        timer_free(k->drain);
        k->drained_ms += DRAIN_MS / 10;
        k->drain = exec_timer(k->x, DRAIN_MS, drained);
    }
}

static void room(struct exec *x)
{
    struct console *k = x->state;
    viewer_pause(k->viewer, false);
}

static void say(struct console *k, const char *text)
{
    output_ends(k);
    exec_note(k->x, "[%s]", text);
}

static void notice(void *data, const char *text)
{
    say(data, text);
}

static void end(void *data, bool bye, unsigned code, unsigned signal)
{
    struct console *k = data;
    struct exec *x = k->x;
    output_ends(k);
    if (!bye) {
        exec_fail(x, EXIT_UNAVAILABLE, "the console was closed");
        return;
    }
    if (signal)
        exec_note(x, "[the server has ended by signal %u]", signal);
    else
        exec_note(x, "[the server has ended with exit code %u]", code);
    exec_end(x, EXIT_DONE);
}

/* ---- input ---- */

static void push(struct console *k)
{
    size_t n = viewer_input(k->viewer, buf_head(&k->waiting), buf_size(&k->waiting));
    buf_drop(&k->waiting, n);
}

static void finish_filter(struct console *k)
{
    if (k->ending && buf_size(&k->waiting) == 0 && k->drain == NULL)
        k->drain = exec_timer(k->x, DRAIN_MS, drained);
}

static void writable(void *data)
{
    struct console *k = data;
    push(k);
    if (buf_size(&k->waiting) == 0)
        channel_resume(k->x->channel);
    finish_filter(k);
}

static void drained(void *data)
{
    struct exec *x = data;
    struct console *k = x->state;
    k->drain = NULL;
    output_ends(k);
    exec_end(x, EXIT_DONE);
}

/* Bytes for the server; how many were taken. */
static size_t feed(struct console *k, const uint8_t *bytes, size_t size)
{
    if (buf_size(&k->waiting) > 0)
        return 0;
    return viewer_input(k->viewer, bytes, size);
}

static void send_line(struct console *k)
{
    put(k, "\r\n");
    buf_put_u8(&k->line, '\n');
    buf_put(&k->waiting, buf_head(&k->line), buf_size(&k->line));
    buf_reset(&k->line);
    push(k);
}

/* The last character, of one to four bytes. */
static void erase(struct console *k)
{
    size_t n = buf_size(&k->line);
    if (n == 0)
        return;
    do
        n--;
    while (n > 0 && (buf_head(&k->line)[n] & 0xc0) == 0x80);
    k->line.len = k->line.off + n;
    put(k, "\b \b");
}

static void erase_all(struct console *k)
{
    buf_reset(&k->line);
    put(k, "\r\033[K");
}

static void printable(struct console *k, uint8_t key)
{
    /* One byte stays free for the newline. */
    if (buf_size(&k->line) >= LINE_MOST - 1) {
        put(k, "\a");
        return;
    }
    buf_put_u8(&k->line, key);
    channel_write(k->x->channel, &key, 1);
}

/* Arrow keys and their like have no meaning here; their bytes must not become text. */
static bool in_escape(struct console *k, uint8_t key)
{
    if (k->escape == 1) {
        k->escape = key == '[' || key == 'O' ? 2 : 0;
        return true;
    }
    if (k->escape == 2) {
        if (key >= 0x40)
            k->escape = 0;
        return true;
    }
    k->escape = key == 0x1b;
    return k->escape;
}

/* False when the console has been left. */
static bool key(struct console *k, uint8_t c)
{
    if (c == KEY_DETACH) {
        put(k, "\r\n");
        say(k, "detached; the server runs on");
        exec_end(k->x, EXIT_DONE);
        return false;
    }
    if (c == 3 || c == 4)
        say(k, "nothing was sent; ctrl-] leaves the console, 'stop' stops the server");
    else if (!k->writes && !in_escape(k, c))
        put(k, "\a");
    else if (in_escape(k, c))
        return true;
    else if (c == '\r' || c == '\n')
        send_line(k);
    else if (c == 0x7f || c == '\b')
        erase(k);
    else if (c == 0x15)
        erase_all(k);
    else if (c >= ' ' || c == '\t')
        printable(k, c);
    return true;
}

static size_t input_keys(struct exec *x, const uint8_t *bytes, size_t size)
{
    struct console *k = x->state;
    size_t i = 0;
    while (i < size && buf_size(&k->waiting) == 0)
        if (!key(k, bytes[i++]))
            return size;
    return i;
}

static size_t input_raw(struct exec *x, const uint8_t *bytes, size_t size)
{
    struct console *k = x->state;
    const uint8_t *detach = memchr(bytes, KEY_DETACH, size);
    size_t n = k->writes ? feed(k, bytes, detach ? (size_t)(detach - bytes) : size) : size;
    if (detach && bytes + n >= detach) {
        key(k, KEY_DETACH);
        return size;
    }
    return n;
}

static size_t input_filter(struct exec *x, const uint8_t *bytes, size_t size)
{
    struct console *k = x->state;
    if (!k->writes) {
        exec_fail(x, EXIT_NOT_PERMITTED, "%s: you may watch this console, not type into it", x->server);
        return size;
    }
    return feed(k, bytes, size);
}

static void input_end(struct exec *x)
{
    struct console *k = x->state;
    k->ending = true;
    finish_filter(k);
}

static void resize(struct exec *x, unsigned columns, unsigned rows)
{
    struct console *k = x->state;
    viewer_resize(k->viewer, columns, rows);
}

static void interrupt(struct exec *x, const char *signal)
{
    if (strcmp(signal, "INT") == 0 && exec_terminal(x))
        say(x->state, "nothing was sent; ctrl-] leaves the console");
    else
        exec_end(x, EXIT_FAILED);
}

/* ---- the beginning ---- */

static const struct viewer_events events = { .output = output, .notice = notice, .writable = writable, .end = end };

static void attached(struct exec *x, int code, const char *text, struct msg *m)
{
    if (!exec_ok(x, code, text))
        return;
    int fd = msg_get_fd(m);
    msg_end(m);
    struct console *k = mem_new(sizeof *k);
    *k = (struct console){ .x = x, .line = BUF(LINE_MOST), .waiting = BUF(LINE_MOST), .raw = x->options & OPTION_RAW };
    const struct server_right *r = session_server(x->session, x->server);
    k->writes = r && (r->rights & RIGHT_SEND);
    if (k->writes)
        x->relied |= RIGHT_SEND;
    exec_deadline(x, 0);
    x->state = k;
    x->drop = drop;
    x->room = room;
    x->interrupt = interrupt;
    bool terminal = exec_terminal(x);
    x->input = !terminal ? input_filter : k->raw ? input_raw : input_keys;
    if (terminal) {
        say(k, k->writes ? "attached; ctrl-] leaves the console" : "attached, to watch only; ctrl-] leaves the console");
        x->resize = resize;
    } else {
        x->input_end = input_end;
    }
    k->viewer = viewer_new(x->session, fd, &events, k);
    if (k->writes)
        viewer_record(k->viewer, x->server);
    if (terminal) {
        unsigned columns, rows;
        channel_size(x->channel, &columns, &rows);
        viewer_resize(k->viewer, columns, rows);
    }
    /* An empty input may have ended before; on a terminal nobody asks. */
    if (x->lines == 0 && x->input_end)
        input_end(x);
    channel_resume(x->channel);
    if (terminal)
        doing_company(x);
}

/* Keys typed before the console is there wait. */
static size_t not_yet(struct exec *x, const uint8_t *bytes, size_t size)
{
    (void)x;
    (void)bytes;
    (void)size;
    return 0;
}

static void early_end(struct exec *x) { x->lines = 0; }

void verb_console(struct exec *x)
{
    enum { ATTACH_MS = 30000 };
    const struct server_right *r = session_server(x->session, x->server);
    bool writes = r && (r->rights & RIGHT_SEND);
    x->input = not_yet;
    x->input_end = early_end;
    exec_deadline(x, ATTACH_MS);
    exec_ask(x, OP_CONSOLE, x->server, exec_terminal(x) ? HISTORY : 0, writes ? "rw" : "ro", attached);
}
