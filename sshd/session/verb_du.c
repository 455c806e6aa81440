/* du: what files and folders take, counted by the files worker in slices. */
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "sshd/session/exec_files.h"
#include "sshd/session/status.h"
#include "sshd/session/verbs.h"

enum { TOLD_MS = 5000 };

struct place { char *server, *path, *shown; };

struct du {
    struct place *v;       /* owned */
    size_t n, at;
    uint64_t told;         /* when a person was last told how far it is */
    bool failed;
};

static void drop(struct exec *x)
{
    struct du *d = x->state;
    for (size_t i = 0; i < d->n; i++) {
        free(d->v[i].server);
        free(d->v[i].path);
        free(d->v[i].shown);
    }
    free(d->v);
    free(d);
}

static void add(struct exec *x, const char *server, const char *path)
{
    struct du *d = x->state;
    d->v = mem_grow(d->v, d->n + 1, sizeof *d->v);
    bool home = session_home(x->session) != NULL;
    d->v[d->n++] = (struct place){ .server = mem_str(server), .path = mem_str(path),
                                   .shown = mem_fmt("%s%s%s%s", home ? "" : "/", home ? "" : server, *path || home ? "/" : "", path) };
}

static void ask(struct exec *x, bool begin);

static void next(struct exec *x)
{
    struct du *d = x->state;
    if (d->at == d->n)
        exec_end(x, d->failed ? EXIT_FAILED : EXIT_DONE);
    else
        ask(x, true);
}

/* ---- what is told ---- */

struct sums { uint64_t bytes, size, files, directories, unreadable; };

static char *beneath(const struct place *p, const char *path)
{
    size_t len = strlen(p->shown);
    return mem_fmt("%s%s%s", p->shown, len && p->shown[len - 1] == '/' ? "" : "/", path);
}

static void print_json(struct exec *x, const struct place *p, const struct sums *s)
{
    BUF_FREE struct buf b = BUF(64 * 1024);
    json_begin(&b, NULL);
    json_str(&b, "server", p->server);
    json_str(&b, "path", p->shown);
    json_str(&b, "kind", "sum");
    json_u64(&b, "bytes", s->bytes);
    json_u64(&b, "apparent", s->size);
    json_u64(&b, "files", s->files);
    json_u64(&b, "directories", s->directories);
    json_u64(&b, "unreadable", s->unreadable);
    json_end(&b);
    json_line(&b);
    exec_flush(x, &b);
}

static void print(struct exec *x, const struct place *p, const struct sums *s)
{
    char a[32], b[32];
    if (exec_json(x))
        print_json(x, p, s);
    else
        exec_print(x, "%8s  %8s  %10llu  %11llu  %s\n", size_text(s->bytes, a, sizeof a), size_text(s->size, b, sizeof b),
                   (unsigned long long)s->files, (unsigned long long)s->directories, esc_text(p->shown));
}

static void print_top(struct exec *x, const struct place *p, bool directory, uint64_t bytes, const char *path)
{
    char a[32];
    FREE_MEM char *shown = beneath(p, path);
    if (!exec_json(x)) {
        exec_print(x, "%8s  %s%s\n", size_text(bytes, a, sizeof a), esc_text(shown), directory ? "/" : "");
        return;
    }
    BUF_FREE struct buf b = BUF(64 * 1024);
    json_begin(&b, NULL);
    json_str(&b, "server", p->server);
    json_str(&b, "path", shown);
    json_str(&b, "kind", directory ? "directory" : "file");
    json_u64(&b, "bytes", bytes);
    json_end(&b);
    json_line(&b);
    exec_flush(x, &b);
}

/* ---- one after the other ---- */

/* Somebody sits there and waits. */
static void tell(struct exec *x, struct du *d, const struct sums *s)
{
    uint64_t now = now_ms();
    char a[32];
    if (!exec_terminal(x) || now - d->told < TOLD_MS)
        return;
    d->told = now;
    exec_note(x, "du: %s so far, %llu files", size_text(s->bytes, a, sizeof a), (unsigned long long)s->files);
}

static void finish(struct exec *x, struct du *d, const struct sums *s, struct msg *answer)
{
    const struct place *p = &d->v[d->at];
    uint32_t n = msg_get_u32(answer);
    print(x, p, s);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t directory = msg_get_u32(answer);
        uint64_t bytes = msg_get_u64(answer);
        FREE_MEM char *path = msg_get_str(answer);
        print_top(x, p, directory != 0, bytes, path);
    }
    msg_end(answer);
    if (s->unreadable) {
        exec_note(x, "du: %s: %llu directories could not be read; they count as themselves", esc(p->shown), (unsigned long long)s->unreadable);
        d->failed = true;
    }
    d->at++;
    next(x);
}

static void answered(struct exec *x, uint32_t status, const char *text, struct msg *answer)
{
    struct du *d = x->state;
    struct sums s;
    if (status != FX_OK) {
        exec_note(x, "du: %s: %s", esc(d->v[d->at].shown), text);
        d->failed = true;
        d->at++;
        next(x);
        return;
    }
    bool done = msg_get_u32(answer) != 0;
    s.bytes = msg_get_u64(answer);
    s.size = msg_get_u64(answer);
    s.files = msg_get_u64(answer);
    s.directories = msg_get_u64(answer);
    s.unreadable = msg_get_u64(answer);
    if (done) {
        finish(x, d, &s, answer);
        return;
    }
    msg_get_u32(answer);
    msg_end(answer);
    tell(x, d, &s);
    ask(x, false);
}

static void ask(struct exec *x, bool begin)
{
    struct du *d = x->state;
    struct msg m;
    files_begin(&m, FILES_DU);
    msg_put_u32(&m, begin ? DU_BEGIN : DU_GO_ON);
    msg_put_str(&m, begin ? d->v[d->at].path : "");
    msg_put_u32(&m, begin ? (uint32_t)x->top : 0);
    if (begin)
        d->told = now_ms();
    exec_files(x, d->v[d->at].server, RIGHT_FILES_READ, &m, answered);
}

/* ---- words ---- */

static void add_all(struct exec *x)
{
    size_t n;
    const struct server_right *r = session_servers(x->session, &n);
    for (size_t i = 0; i < n; i++)
        if (r[i].rights & RIGHT_FILES_READ)
            add(x, r[i].name, "");
}

/* The server that paths without a slash in front are below: the first word's, or the only one; NULL: they begin with its name. */
static const char *base_of(const struct exec *x, size_t *words)
{
    size_t n;
    const struct server_right *r = session_servers(x->session, &n);
    *words = 0;
    if (session_home(x->session))
        return NULL;
    if (x->nargs > 0 && session_server(x->session, x->args[0])) {
        *words = 1;
        return x->args[0];
    }
    return n == 1 ? r[0].name : NULL;
}

static bool add_path(struct exec *x, const char *base, const char *word)
{
    SPOT_FREE struct sftp_spot spot = { .path = NULL };
    FREE_MEM char *whole = base && word[0] != '/' ? mem_fmt("/%s/%s", base, word) : mem_str(word);
    const char *why = exec_place(x, whole, &spot);
    if (why) {
        exec_fail(x, EXIT_FAILED, "du: %s: %s", esc(word), why);
        return false;
    }
    if (sftp_is_top(&spot))
        add_all(x);
    else
        add(x, spot.name, spot.rest);
    return true;
}

static bool take_words(struct exec *x)
{
    size_t first;
    const char *base = base_of(x, &first);
    for (size_t i = first; i < x->nargs; i++)
        if (!add_path(x, base, x->args[i]))
            return false;
    return x->nargs > first || add_path(x, NULL, first ? x->args[0] : "/");
}

void verb_du(struct exec *x)
{
    struct du *d = mem_new(sizeof *d);
    x->state = d;
    x->drop = drop;
    if (!take_words(x))
        return;
    if (!exec_json(x))
        exec_print(x, "%8s  %8s  %10s  %11s  path\n", "bytes", "apparent", "files", "directories");
    next(x);
}
