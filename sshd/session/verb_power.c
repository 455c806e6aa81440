#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "sshd/session/display.h"
#include "sshd/session/status.h"
#include "sshd/session/verbs.h"

enum {
    WAIT_MS = 60000, SLACK_MS = 60000,
    TAIL_MOST = 16 * 1024, TAIL_LINES = 10, LINE_MOST = 300,   /* of the log, when a start came to nothing */
};

static const struct { const char *verb; enum op op; bool starts; } powers[] = {
    { "start", OP_START, true }, { "stop", OP_STOP, false }, { "restart", OP_RESTART, true }, { "kill", OP_KILL, false },
};

/* A start that was waited for and came to nothing: what is to be said once its last lines are shown. */
struct failure {
    int code;
    char *text;              /* owned */
    char since[24];          /* when it was ordered, as the log writes times */
};

static void drop(struct exec *x)
{
    struct failure *f = x->state;
    free(f->text);
    free(f);
}

/* The shim's log: "TIME MARK TAB TEXT" a line; lines of before the order, and those that are the rest of a long one, are not shown. */
static void show_line(struct exec *x, const char *line, size_t size, const char *since)
{
    const char *tab = memchr(line, '\t', size);
    size_t head = strlen(since);
    if (tab == NULL || (size_t)(tab - line) < head || memcmp(line, since, head) < 0)
        return;
    struct display plain = { 0 };
    uint8_t shown[LINE_MOST + 2 * DISPLAY_HELD];
    size_t n = size - (size_t)(tab + 1 - line);
    n = display(&plain, (const uint8_t *)tab + 1, n < LINE_MOST ? n : LINE_MOST, shown);
    n += display_end(&plain, shown + n);
    exec_note(x, "| %.*s", (int)n, (const char *)shown);
}

/* Where its last lines begin. */
static const char *tail(const char *text, size_t size)
{
    const char *at = text + size;
    for (int lines = 0; at > text; at--)
        if (at[-1] == '\n' && at != text + size && ++lines == TAIL_LINES)
            break;
    return at;
}

static void show_tail(struct exec *x, int fd, const char *since)
{
    struct stat st;
    FREE_MEM char *text = mem_new(TAIL_MOST);
    if (fstat(fd, &st) < 0)
        return;
    off_t from = st.st_size > TAIL_MOST ? st.st_size - TAIL_MOST : 0;
    ssize_t size = pread(fd, text, TAIL_MOST, from);
    const char *at = size > 0 ? tail(text, (size_t)size) : text, *end = size > 0 ? text + size : text;
    while (at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        show_line(x, at, (size_t)((stop ? stop : end) - at), since);
        at = stop ? stop + 1 : end;
    }
}

/* Who may not read the log has the reason all the same. */
static void got_log(struct exec *x, int code, const char *text, struct msg *m)
{
    const struct failure *f = x->state;
    (void)text;
    uint32_t n = code == EXIT_DONE ? msg_get_u32(m) : 0;
    for (uint32_t i = 0; i < n; i++) {
        CLOSE_FD int fd = msg_get_fd(m);
        if (i == 0)
            show_tail(x, fd, f->since);
    }
    exec_ok(x, f->code, f->text);
}

static void power_answer(struct exec *x, int code, const char *text, struct msg *m)
{
    struct failure *f = x->state;
    if (f && (code == EXIT_FAILED || code == EXIT_LATER) && !exec_json(x)) {
        f->code = code;
        f->text = mem_str(text);
        exec_ask(x, OP_LOGS, x->server, 0, NULL, got_log);
        return;
    }
    if (!exec_ok(x, code, text))
        return;
    struct statuses all = { .n = 0 };
    status_read(&all, m);
    for (uint32_t i = 0; i < all.n; i++)
        exec_print(x, "%s: %s\n", all.v[i].server, all.v[i].state);
    status_free(&all);
    exec_end(x, EXIT_DONE);
}

static void may_fail(struct exec *x)
{
    struct failure *f = mem_new(sizeof *f);
    *f = (struct failure){ .code = EXIT_DONE };
    wall_text(wall_ms(), f->since, sizeof f->since);
    x->state = f;
    x->drop = drop;
}

void verb_power(struct exec *x)
{
    uint64_t wait = 0;
    /* A time limit without anything to limit would be a slip. */
    if (x->options & (OPTION_WAIT | OPTION_TIMEOUT))
        wait = x->timeout_ms ? x->timeout_ms : WAIT_MS;
    exec_deadline(x, wait + SLACK_MS);
    for (size_t i = 0; i < countof(powers); i++) {
        if (strcmp(powers[i].verb, x->verb->name) != 0)
            continue;
        if (wait && powers[i].starts)
            may_fail(x);
        exec_ask(x, powers[i].op, x->server, wait, NULL, power_answer);
    }
}
