/* The console: on a terminal a line editor (prompt.h) in front of the server, else a filter. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "sshd/session/display.h"
#include "sshd/session/doing.h"
#include "sshd/session/prompt.h"
#include "sshd/session/verbs.h"
#include "sshd/session/viewer.h"

enum { HISTORY = 64 * 1024, LINE_MOST = PROMPT_LINE_MOST + 1, DRAIN_MS = 300, DRAIN_MOST_MS = 5000, KEY_INTERRUPT = 3, KEY_DETACH = 0x1d };

struct console {
    struct exec *x;
    struct viewer *viewer;
    bool writes, raw;
    struct prompt *prompt;  /* edits what is typed; NULL: nothing is */
    bool prompt_ours;       /* and not that of the prompt where the verb was typed */
    bool editing;
    bool leaving;           /* with: */
    int code;
    char *words;            /* owned */
    struct buf waiting;     /* input the shim has not taken yet */
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
    if (k->prompt_ours)
        prompt_free(k->prompt);
    free(k->words);
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

/* Made safe, and above what is being typed. */
static void output_terminal(struct console *k, const uint8_t *bytes, size_t size)
{
    FREE_MEM uint8_t *shown = mem_new(size + DISPLAY_HELD);
    size = display(&k->display, bytes, size, shown);
    if (k->prompt == NULL)
        show(k, shown, size);
    else if (size > 0 && !prompt_output(k->prompt, false, shown, size))
        viewer_pause(k->viewer, true);
}

/* Its colours are not ours. */
static void output_ends(struct console *k)
{
    uint8_t plain[DISPLAY_HELD];
    size_t n = k->raw ? 0 : display_end(&k->display, plain);
    if (k->prompt)
        prompt_output(k->prompt, false, plain, n);
    else
        channel_write(k->x->channel, plain, n);
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
    if (k->prompt == NULL && channel_room(k->x->channel) < CHANNEL_LOW)
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
    if (k->prompt_ours)
        prompt_room(k->prompt);
    if (k->prompt == NULL)
        viewer_pause(k->viewer, false);
}

static void say(struct console *k, const char *text)
{
    output_ends(k);
    FREE_MEM char *line = mem_fmt("[%s]\n", text);
    if (k->editing)
        prompt_output(k->prompt, true, line, strlen(line));
    else
        exec_note(k->x, "[%s]", text);
}

static void notice(void *data, const char *text)
{
    say(data, text);
}

/* The terminal is ours again, or was all the time.  The editor leaves it at the beginning of a line. */
static void left(struct console *k)
{
    struct exec *x = k->x;
    int code = k->code;
    if (k->prompt == NULL && channel_midline(x->channel))
        exec_print(x, "\n");
    exec_note(x, "%s", k->words);
    exec_end(x, code);
}

static void leave(struct console *k, int code, const char *fmt, ...) PRINTF(3, 4);

static void leave(struct console *k, int code, const char *fmt, ...)
{
    char text[200];
    va_list ap;
    if (k->leaving)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    k->leaving = true;
    k->code = code;
    k->words = mem_str(text);
    if (k->editing)
        prompt_stop(k->prompt);
    else
        left(k);
}

static void end(void *data, bool bye, unsigned code, unsigned signal)
{
    struct console *k = data;
    bool terminal = exec_terminal(k->x);
    viewer_pause(k->viewer, true);
    output_ends(k);
    if (!bye && !terminal)
        exec_fail(k->x, EXIT_UNAVAILABLE, "the console was closed");
    else if (!bye)
        leave(k, EXIT_UNAVAILABLE, "the console was closed");
    else if (signal)
        leave(k, EXIT_DONE, "[the server has ended by signal %u]", signal);
    else
        leave(k, EXIT_DONE, "[the server has ended with exit code %u]", code);
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

static void edit(struct console *k)
{
    k->editing = true;
    prompt_read(k->prompt, PROMPT_TEXT, k->x->server, "");
    channel_resume(k->x->channel);
}

static void send_line(struct console *k, const char *line)
{
    buf_put(&k->waiting, line, strlen(line));
    buf_put_u8(&k->waiting, '\n');
    push(k);
}

static void typed(void *data, const char *line, bool end_key)
{
    struct console *k = data;
    k->editing = false;
    if (!end_key)
        send_line(k, line);
    if (k->leaving) {
        left(k);
        return;
    }
    if (end_key)
        say(k, "nothing was sent; ctrl-] leaves the console, 'stop' stops the server");
    edit(k);
}

static void stopped(void *data)
{
    struct console *k = data;
    k->editing = false;
    left(k);
}

static void editor_ready(void *data)
{
    struct console *k = data;
    viewer_pause(k->viewer, false);
    edit(k);
}

static void editor_hungry(void *data) { channel_resume(((struct console *)data)->x->channel); }
static void editor_room(void *data) { viewer_pause(((struct console *)data)->viewer, false); }

static void editor_gone(void *data, int code, const char *why)
{
    struct console *k = data;
    k->editing = false;
    if (channel_midline(k->x->channel))
        exec_print(k->x, "\n");
    exec_fail(k->x, code, "%s; the server runs on", why);
}

static const struct prompt_events editor = {
    .ready = editor_ready,
    .line = typed,
    .stopped = stopped,
    .hungry = editor_hungry,
    .room = editor_room,
    .gone = editor_gone,
};

static void detach(struct console *k)
{
    leave(k, EXIT_DONE, "[detached; the server runs on]");
}

/* What stands before a key of ours goes first, unless nobody takes it now. */
static size_t input_edited(struct exec *x, const uint8_t *bytes, size_t size)
{
    struct console *k = x->state;
    size_t at = 0;
    const uint8_t *out = buf_size(&k->waiting) > 0 ? memchr(bytes, KEY_DETACH, size) : NULL;
    if (out) {
        detach(k);
        return (size_t)(out - bytes) + 1;
    }
    while (at < size && buf_size(&k->waiting) == 0 && !k->leaving) {
        size_t n = at;
        while (n < size && bytes[n] != KEY_DETACH && bytes[n] != KEY_INTERRUPT)
            n++;
        size_t took = n > at ? prompt_feed(k->prompt, bytes + at, n - at) : 0;
        at += took;
        if (at < n || (n < size && prompt_fed(k->prompt)))
            return at;
        if (n < size && bytes[n] == KEY_DETACH) {
            detach(k);
            return n + 1;
        }
        if (n < size) {
            if (prompt_feed(k->prompt, bytes + n, 1) == 0)
                return at;
            say(k, "nothing was sent; ctrl-] leaves the console, 'stop' stops the server");
            at = n + 1;
        }
    }
    return at;
}

static size_t input_watched(struct exec *x, const uint8_t *bytes, size_t size)
{
    struct console *k = x->state;
    if (memchr(bytes, KEY_DETACH, size))
        detach(k);
    else
        channel_write(x->channel, "\a", 1);
    return size;
}

static size_t input_raw(struct exec *x, const uint8_t *bytes, size_t size)
{
    struct console *k = x->state;
    const uint8_t *detach_key = memchr(bytes, KEY_DETACH, size);
    size_t n = k->writes ? feed(k, bytes, detach_key ? (size_t)(detach_key - bytes) : size) : size;
    if (detach_key && bytes + n >= detach_key) {
        detach(k);
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
    if (k->prompt_ours)
        prompt_resize(k->prompt, columns, rows);
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

static void begin_editing(struct console *k)
{
    k->prompt = k->x->prompt;
    k->prompt_ours = k->prompt == NULL;
    if (k->prompt_ours)
        k->prompt = prompt_new(k->x->channel, &editor, k);
    else
        prompt_use(k->prompt, &editor, k);
}

static void attached(struct exec *x, int code, const char *text, struct msg *m)
{
    if (!exec_ok(x, code, text))
        return;
    int fd = msg_get_fd(m);
    msg_end(m);
    struct console *k = mem_new(sizeof *k);
    *k = (struct console){ .x = x, .waiting = BUF(LINE_MOST), .raw = x->options & OPTION_RAW };
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
    x->input = !terminal ? input_filter : k->raw ? input_raw : k->writes ? input_edited : input_watched;
    if (x->input == input_edited)
        begin_editing(k);
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
    if (k->prompt && !k->prompt_ours)
        edit(k);
    else if (k->prompt)
        viewer_pause(k->viewer, true);
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
