#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "sshd/session/display.h"
#include "sshd/session/verbs.h"
#include "sshd/session/viewer.h"

enum { EXPECT_MS = 30000, ANSWER_MS = 10000, LINE_MOST = 8192, TEXT_MOST = 16 * 1024, RE_MOST = 256 };

struct sending {
    struct exec *x;
    struct viewer *viewer;
    struct buf text;        /* not taken by the shim yet */
    struct buf line;        /* output so far without its end */
    bool expecting, refused;
    bool found;             /* the line that was expected is out */
    regex_t re;
    struct timer *late;
};

static void drop(struct exec *x)
{
    struct sending *g = x->state;
    viewer_free(g->viewer);
    timer_free(g->late);
    buf_free(&g->text);
    buf_free(&g->line);
    if (g->expecting)
        regfree(&g->re);
    free(g);
}

static void put_line(struct exec *x, const char *line)
{
    struct display d = { 0 };
    size_t size = strlen(line);
    FREE_MEM uint8_t *shown = mem_new(size + DISPLAY_HELD);
    if (exec_terminal(x)) {
        exec_out(x, shown, display(&d, (const uint8_t *)line, size, shown));
        exec_out(x, shown, display_end(&d, shown));
    } else
        exec_out(x, line, size);
    exec_out(x, "\n", 1);
}

/* True when it was the one. */
static bool try_line(struct sending *g)
{
    size_t size = buf_size(&g->line);
    while (size > 0 && g->line.p[g->line.off + size - 1] == '\r')
        size--;
    FREE_MEM char *line = mem_strn(buf_head(&g->line) ? (const void *)buf_head(&g->line) : "", size);
    buf_reset(&g->line);
    if (regexec(&g->re, line, 0, NULL, 0) != 0)
        return false;
    put_line(g->x, line);
    g->found = true;
    viewer_finish(g->viewer);
    return true;
}

static void output(void *data, const uint8_t *bytes, size_t size)
{
    struct sending *g = data;
    if (!g->expecting || g->found)
        return;
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != '\n' && buf_size(&g->line) < LINE_MOST)
            buf_put_u8(&g->line, bytes[i]);
        if (bytes[i] == '\n' && try_line(g))
            return;
    }
}

static void notice(void *data, const char *text)
{
    struct sending *g = data;
    g->refused = true;
    exec_note(g->x, "%s: %s", g->x->server, text);
}

/* The shim's closing says that it has taken all. */
static void end(void *data, bool bye, unsigned code, unsigned signal)
{
    struct sending *g = data;
    (void)code;
    (void)signal;
    if (g->found)
        exec_end(g->x, EXIT_DONE);
    else if (bye || g->expecting)
        exec_fail(g->x, bye ? EXIT_STATE : EXIT_UNAVAILABLE, "%s: the server has ended", g->x->server);
    else
        exec_end(g->x, g->refused ? EXIT_FAILED : EXIT_DONE);
}

static void push(struct sending *g)
{
    size_t n = viewer_input(g->viewer, buf_head(&g->text), buf_size(&g->text));
    buf_drop(&g->text, n);
    if (buf_size(&g->text) == 0 && !g->expecting)
        viewer_finish(g->viewer);
}

static void writable(void *data) { push(data); }

static void late(void *data)
{
    struct exec *x = data;
    struct sending *g = x->state;
    g->late = NULL;
    if (g->found)
        exec_end(x, EXIT_DONE);
    else if (g->expecting)
        exec_fail(x, EXIT_FAILED, "%s: no line of output matched in time", x->server);
    else
        exec_fail(x, EXIT_LATER, "%s: the server's console does not take the line", x->server);
}

static const struct viewer_events events = { .output = output, .notice = notice, .writable = writable, .end = end };

static void attached(struct exec *x, int code, const char *text, struct msg *m)
{
    struct sending *g = x->state;
    if (!exec_ok(x, code, text))
        return;
    int fd = msg_get_fd(m);
    msg_end(m);
    exec_deadline(x, 0);
    g->viewer = viewer_new(x->session, fd, &events, g);
    viewer_record(g->viewer, x->server);
    g->late = exec_timer(x, !g->expecting ? ANSWER_MS : x->timeout_ms ? x->timeout_ms : EXPECT_MS, late);
    push(g);
}

/* Back-references make matching exponential; a stranger's pattern does without. */
static bool has_back_reference(const char *re)
{
    for (const char *at = re; (at = strchr(at, '\\')) != NULL && at[1] != '\0'; at += 2)
        if (at[1] >= '1' && at[1] <= '9')
            return true;
    return false;
}

static bool compile(struct exec *x, struct sending *g)
{
    if (strlen(x->expect) > RE_MOST || has_back_reference(x->expect)) {
        exec_fail(x, EXIT_USAGE, "--expect: allowed: an extended regular expression of at most %d bytes without back-references",
                  RE_MOST);
        return false;
    }
    int error = regcomp(&g->re, x->expect, REG_EXTENDED | REG_NOSUB);
    if (error != 0) {
        char why[128];
        regerror(error, &g->re, why, sizeof why);
        exec_fail(x, EXIT_USAGE, "--expect: '%s': %s", esc(x->expect), why);
        return false;
    }
    g->expecting = true;
    return true;
}

void verb_send(struct exec *x)
{
    enum { ATTACH_MS = 30000 };
    struct sending *g = mem_new(sizeof *g);
    *g = (struct sending){ .x = x, .text = BUF(TEXT_MOST), .line = BUF(LINE_MOST) };
    x->state = g;
    x->drop = drop;
    for (size_t i = 0; i < x->nargs; i++) {
        buf_put(&g->text, " ", i > 0);
        buf_put(&g->text, x->args[i], strlen(x->args[i]));
    }
    buf_put_u8(&g->text, '\n');
    if (g->text.bad) {
        exec_fail(x, EXIT_USAGE, "the text is too long; allowed: %d bytes", TEXT_MOST - 1);
        return;
    }
    if (x->options & OPTION_EXPECT ? !compile(x, g) : false)
        return;
    /* A console opened to type into is watched as well. */
    x->relied |= RIGHT_CONSOLE;
    exec_deadline(x, ATTACH_MS);
    exec_ask(x, OP_CONSOLE, x->server, 0, "rw", attached);
}
