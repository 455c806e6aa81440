/* The far end of a client's rsync: the real program, in a sandbox of the server that the paths name.  Here its arguments are checked and bytes
   are moved; it ends with the link to the supervisor that came with it. */
#include <stdlib.h>
#include <string.h>

#include "base/conf.h"
#include "base/die.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rights.h"
#include "sshd/session/errand.h"
#include "sshd/session/rsync_args.h"
#include "sshd/session/verbs.h"

enum { IDLE_MS = 600000, CODE_MOST = 35, CODE_CANNOT = 126, CODE_MISSING = 127 };

struct copy {
    struct exec *x;
    struct rsync_args args;
    struct buf list;                 /* first the client's secluded arguments as they come, then ours for rsync */
    bool asked, eof;                 /* the supervisor was; the client sends no more */
    struct errand *errand;           /* NULL until it runs */
};

static void drop(struct exec *x)
{
    struct copy *g = x->state;
    errand_free(g->errand);
    rsync_args_free(&g->args);
    buf_free(&g->list);
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

static void ended(struct exec *x, const struct errand_end *end)
{
    if (end->why[0])
        exec_fail(x, end->code == CODE_CANNOT ? EXIT_DISABLED : EXIT_FAILED, "rsync was ended: %s", end->why);
    else if (end->signal)
        exec_fail(x, EXIT_FAILED, "rsync was ended by signal %u (%s)", end->signal, strsignal((int)end->signal));
    else
        finish_code(x, end->code);
}

static const struct errand_kind kind = { .name = "rsync", .idle_ms = IDLE_MS, .ended = ended };

/* ---- the beginning ---- */

static void room(struct exec *x)
{
    struct copy *g = x->state;
    errand_room(g->errand);
}

static void on_input_end(struct exec *x)
{
    struct copy *g = x->state;
    g->eof = true;
    if (!g->asked)
        exec_fail(x, EXIT_USAGE, "rsync: the arguments end too early");
    else if (g->errand)
        errand_input_end(g->errand);
}

static void started(struct exec *x, int code, const char *text, struct msg *m)
{
    struct copy *g = x->state;
    if (!exec_ok(x, code, text))
        return;
    g->errand = errand_new(x, m, false, &g->list, &kind);
    x->room = room;
    channel_resume(x->channel);
    if (g->eof)
        errand_input_end(g->errand);
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
    return g->errand ? errand_input(g->errand, bytes, size) : 0;
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
    *g = (struct copy){ .x = x, .list = BUF(2 * RSYNC_LIST_MOST) };
    rsync_args_init(&g->args, session_home(x->session));
    x->state = g;
    x->drop = drop;
    x->input = on_input;
    x->input_end = on_input_end;
    begin(g);
}
