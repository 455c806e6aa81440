/* No command, on a terminal: the greeting, then lines of a person's, each a command like one that comes with the connection. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "sshd/session/complete_files.h"
#include "sshd/session/exec.h"
#include "sshd/session/prompt.h"
#include "sshd/session/verbs.h"

enum { AHEAD_MOST = 16 * 1024, KEY_INTERRUPT = 3 };

struct interactive {
    struct channel *c;
    struct session *s;
    struct prompt *prompt;      /* NULL before it is started and after its end */
    struct exec *x;             /* the command that runs, the greeting first */
    struct buf ahead;           /* typed and not used yet */
    bool full;                  /* more of it waits with the channel */
    bool reading;               /* a line is edited */
    bool eof, leaving;
    struct finding *finding;    /* names for the completion ASKED for */
    uint32_t asked;
    int gone;                   /* 0; or the exit code of the end of the editor */
    char *why;                  /* owned */
};

static void pump(struct interactive *h);

static void leave(struct interactive *h, int code)
{
    h->leaving = true;
    channel_exit(h->c, code);
}

/* ---- lines ---- */

static void ask(struct interactive *h, int code)
{
    char text[100];
    if (channel_midline(h->c))
        channel_write(h->c, "\r\n", 2);
    if (code == EXIT_DONE)
        snprintf(text, sizeof text, "%s> ", session_account(h->s));
    else
        snprintf(text, sizeof text, "[%d] %s> ", code, session_account(h->s));
    h->reading = true;
    prompt_read(h->prompt, PROMPT_COMMANDS, "", text);
    pump(h);
}

static void no_prompt(struct interactive *h)
{
    FREE_MEM char *text = mem_fmt("%s%s\r\n", channel_midline(h->c) ? "\r\n" : "", h->why);
    channel_error(h->c, text, strlen(text));
    leave(h, h->gone);
}

static const struct prompt_events events;

static void done(void *data, struct exec *x, int code)
{
    struct interactive *h = data;
    bool left = x->verb && strcmp(x->verb->name, "exit") == 0 && code == EXIT_DONE;
    h->x = NULL;
    exec_ops.closed(x, h->c);
    /* What a command used it for, it was told in our place. */
    if (h->prompt && !h->gone && !prompt_alive(h->prompt)) {
        h->gone = EXIT_UNAVAILABLE;
        h->why = mem_str("the line editor of this terminal has ended");
    }
    if (left) {
        leave(h, EXIT_DONE);
    } else if (h->gone) {
        no_prompt(h);
    } else if (h->prompt == NULL) {
        h->prompt = prompt_new(h->c, &events, h);
    } else {
        prompt_use(h->prompt, &events, h);
        ask(h, code);
    }
}

static void run(struct interactive *h, const char *line)
{
    h->x = exec_within(h->c, h->prompt, line, done, h);
    pump(h);
}

static void on_ready(void *data) { ask(data, EXIT_DONE); }

static void on_line(void *data, const char *line, bool end)
{
    struct interactive *h = data;
    h->reading = false;
    if (h->leaving)
        return;
    if (end)
        leave(h, EXIT_DONE);
    else if (line[strspn(line, " \t")] == '\0')
        ask(h, EXIT_DONE);
    else
        run(h, line);
}

static void on_stopped(void *data)
{
    struct interactive *h = data;
    h->reading = false;
    leave(h, EXIT_DONE);
}

static void answer(struct interactive *h, uint32_t id, const struct completions *c)
{
    size_t fit = c->n < COMPLETIONS_MOST ? c->n : COMPLETIONS_MOST;
    prompt_completions(h->prompt, id, c->from, c->n - fit, c->words, fit);
}

static void forget_finding(struct interactive *h)
{
    finding_free(h->finding);
    h->finding = NULL;
}

static void found(void *data, struct completions *c)
{
    struct interactive *h = data;
    if (h->prompt && h->reading)
        answer(h, h->asked, c);
    forget_finding(h);
}

static void on_complete(void *data, uint32_t id, const char *left)
{
    struct interactive *h = data;
    struct completions c;
    size_t n;
    const struct server_right *servers = session_servers(h->s, &n);
    complete(left, servers, n, &c);
    forget_finding(h);
    h->asked = id;
    if (c.folder)
        h->finding = finding_new(h->s, &c, found, h);
    else
        answer(h, id, &c);
    completions_free(&c);
}

static void on_hungry(void *data) { pump(data); }

static void on_prompt_gone(void *data, int code, const char *why)
{
    struct interactive *h = data;
    h->gone = code;
    h->why = mem_str(why);
    h->reading = false;
    if (h->x == NULL)
        no_prompt(h);
}

static const struct prompt_events events = {
    .ready = on_ready,
    .line = on_line,
    .stopped = on_stopped,
    .complete = on_complete,
    .hungry = on_hungry,
    .gone = on_prompt_gone,
};

/* ---- keys ---- */

static bool person_types(const struct interactive *h)
{
    return h->x->input && !(h->x->verb && h->x->verb->protocol);
}

/* To whom it is now; how many bytes were used. */
static size_t offer(struct interactive *h)
{
    const uint8_t *p = buf_head(&h->ahead);
    size_t size = buf_size(&h->ahead);
    if (h->x)
        return h->x->input && !h->x->ended ? exec_ops.data(h->x, h->c, p, size) : 0;
    return h->reading ? prompt_feed(h->prompt, p, size) : 0;
}

static void pump(struct interactive *h)
{
    for (size_t n = 1; n > 0 && buf_size(&h->ahead) > 0;) {
        n = offer(h);
        buf_drop(&h->ahead, n);
    }
    if (h->full && buf_size(&h->ahead) < AHEAD_MOST) {
        h->full = false;
        channel_resume(h->c);
    }
    if (h->eof && h->reading && buf_size(&h->ahead) == 0 && !prompt_fed(h->prompt))
        prompt_stop(h->prompt);
}

/* ctrl-C for a command that has no keys of its own: what was typed before it is void. */
static void interrupt(struct interactive *h)
{
    static const uint8_t key = KEY_INTERRUPT;
    buf_reset(&h->ahead);
    channel_write(h->c, "^C\r\n", 4);
    if (h->x->input == NULL)
        exec_ops.data(h->x, h->c, &key, 1);
    else
        exec_end(h->x, EXIT_FAILED);
}

static size_t on_data(void *data, struct channel *c, const uint8_t *bytes, size_t size)
{
    struct interactive *h = data;
    (void)c;
    if (h->leaving)
        return size;
    const uint8_t *key = h->x && !h->x->ended && !person_types(h) ? memrchr(bytes, KEY_INTERRUPT, size) : NULL;
    if (key) {
        interrupt(h);
        return (size_t)(key - bytes) + 1;
    }
    size_t room = AHEAD_MOST - buf_size(&h->ahead), n = size < room ? size : room;
    buf_put(&h->ahead, bytes, n);
    h->full = n < size;
    pump(h);
    return n;
}

static void on_resumed(void *data, struct channel *c)
{
    (void)c;
    pump(data);
}

static void on_eof(void *data, struct channel *c)
{
    struct interactive *h = data;
    h->eof = true;
    if (h->x)
        exec_ops.eof(h->x, c);
    pump(h);
}

static void on_writable(void *data, struct channel *c)
{
    struct interactive *h = data;
    if (h->prompt)
        prompt_room(h->prompt);
    if (h->x)
        exec_ops.writable(h->x, c);
}

static void on_resize(void *data, struct channel *c, unsigned columns, unsigned rows)
{
    struct interactive *h = data;
    if (h->prompt)
        prompt_resize(h->prompt, columns, rows);
    if (h->x)
        exec_ops.resize(h->x, c, columns, rows);
}

static void on_interrupt(void *data, struct channel *c, const char *signal)
{
    struct interactive *h = data;
    if (h->x)
        exec_ops.interrupt(h->x, c, signal);
}

static void on_closed(void *data, struct channel *c)
{
    struct interactive *h = data;
    if (h->x)
        exec_ops.closed(h->x, c);
    finding_free(h->finding);
    prompt_free(h->prompt);
    buf_free(&h->ahead);
    free(h->why);
    free(h);
}

static const struct channel_ops ops = {
    .data = on_data,
    .resumed = on_resumed,
    .eof = on_eof,
    .writable = on_writable,
    .resize = on_resize,
    .interrupt = on_interrupt,
    .closed = on_closed,
};

void interactive_start(struct channel *c)
{
    struct interactive *h = mem_new(sizeof *h);
    *h = (struct interactive){ .c = c, .s = channel_session(c), .ahead = BUF(AHEAD_MOST) };
    channel_run(c, &ops, h);
    run(h, "");
}
