/* A shell inside a server's sandbox, or one command there. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "sshd/proto.h"
#include "sshd/session/errand.h"
#include "sshd/session/verbs.h"

enum { IDLE_MS = 3600000, START_MS = 60000, CODE_CANNOT = 126, SIGNAL_CODE = 128 };

struct shell {
    bool eof;                   /* the client sends no more */
    struct errand *errand;      /* NULL until it runs */
};

static void drop(struct exec *x)
{
    struct shell *g = x->state;
    errand_free(g->errand);
    free(g);
}

/* The code is the program's, whatever it is; by a signal as shells have it. */
static void ended(struct exec *x, const struct errand_end *end)
{
    if (end->why[0])
        exec_fail(x, end->code == CODE_CANNOT ? EXIT_DISABLED : EXIT_FAILED, "the shell was ended: %s", end->why);
    else
        exec_end(x, (int)(end->signal ? SIGNAL_CODE + end->signal : end->code));
}

static const struct errand_kind kind = { .name = "the shell", .idle_ms = IDLE_MS, .ended = ended };

static size_t input(struct exec *x, const uint8_t *bytes, size_t size)
{
    struct shell *g = x->state;
    return g->errand ? errand_input(g->errand, bytes, size) : 0;
}

static void input_end(struct exec *x)
{
    struct shell *g = x->state;
    g->eof = true;
    if (g->errand)
        errand_input_end(g->errand);
}

static void room(struct exec *x)
{
    struct shell *g = x->state;
    errand_room(g->errand);
}

static void resize(struct exec *x, unsigned columns, unsigned rows)
{
    struct shell *g = x->state;
    if (g->errand)
        errand_resize(g->errand, columns, rows);
}

static void interrupt(struct exec *x, const char *signal)
{
    static const uint8_t key = 3;
    struct shell *g = x->state;
    if (g->errand && exec_terminal(x) && strcmp(signal, "INT") == 0)
        errand_input(g->errand, &key, 1);
    else
        exec_end(x, EXIT_FAILED);
}

static void started(struct exec *x, int code, const char *text, struct msg *m)
{
    struct shell *g = x->state;
    unsigned columns, rows;
    if (!exec_ok(x, code, text))
        return;
    exec_deadline(x, 0);
    g->errand = errand_new(x, m, exec_terminal(x), NULL, &kind);
    x->room = room;
    /* It may have changed meanwhile. */
    channel_size(x->channel, &columns, &rows);
    resize(x, columns, rows);
    channel_resume(x->channel);
    if (g->eof)
        errand_input_end(g->errand);
}

/* What it runs, as OP_SHELL wants it; NULL: the command has been ended. */
static char *words_of(struct exec *x)
{
    BUF_FREE struct buf b = BUF(SHELL_WORDS);
    buf_put_fmt(&b, "%s%c", exec_terminal(x) ? channel_term(x->channel) : "", SHELL_MARK);
    for (size_t i = 0; i < x->nargs; i++) {
        if (strchr(x->args[i], SHELL_MARK)) {
            exec_fail(x, EXIT_USAGE, "shell: '%s': a byte %d cannot be passed on", esc(x->args[i]), SHELL_MARK);
            return NULL;
        }
        buf_put(&b, x->args[i], strlen(x->args[i]));
        buf_put_u8(&b, SHELL_MARK);
    }
    if (b.bad || buf_size(&b) >= SHELL_WORDS)
        exec_fail(x, EXIT_USAGE, "shell: the command is too long; allowed: %d bytes", SHELL_WORDS - TERM_MOST - 2);
    else if (x->nargs > 0 && x->args[0][0] == '\0')
        exec_fail(x, EXIT_USAGE, "shell: the command has no name");
    else
        return mem_strn((const char *)buf_head(&b), buf_size(&b));
    return NULL;
}

void verb_shell(struct exec *x)
{
    unsigned columns, rows;
    FREE_MEM char *words = words_of(x);
    if (words == NULL)
        return;
    x->state = mem_new(sizeof(struct shell));
    x->drop = drop;
    x->input = input;
    x->input_end = input_end;
    x->interrupt = interrupt;
    if (exec_terminal(x))
        x->resize = resize;
    channel_size(x->channel, &columns, &rows);
    exec_deadline(x, START_MS);
    exec_ask(x, OP_SHELL, x->server, exec_terminal(x) ? (uint64_t)columns << 16 | rows : 0, words, started);
}
