#include "sshd/session/exec_files.h"

#include <stdlib.h>
#include <string.h>

#include "base/die.h"
#include "base/mem.h"

enum { ANSWER_MS = 30000, FILES = RIGHT_FILES };

struct exec_files {
    struct exec *x;
    struct files *files;     /* NULL: being started, or gone */
    struct files *lent;      /* and asked; NULL: none */
    uint32_t lent_id;        /* the question to it */
    struct files *from;      /* whose answer is at hand */
    uint32_t rights;         /* it is started with */
    bool once;               /* `files` has been asked by exec_files_once alone: it has nothing open */
    struct msg m;            /* for the worker that is being started, or if the lent one goes */
    bool has;
    exec_files_fn *fn;
};

const char *exec_place(struct exec *x, const char *word, struct sftp_spot *spot)
{
    enum sftp_path_error why;
    if (!sftp_spot_of(x->session, (const uint8_t *)word, strlen(word), spot, &why))
        return sftp_path_why(why);
    if (word[0] == '\0' || (!sftp_is_top(spot) && session_server(x->session, spot->name) == NULL))
        return "no such file or directory";
    return NULL;
}

static void drop_question(struct exec_files *r)
{
    if (r->has)
        msg_free(&r->m);
    r->has = false;
}

static void stop(struct exec_files *r)
{
    struct files *files = r->files;
    bool idle = r->once && r->fn == NULL;   /* else it may have something open */
    r->files = NULL;
    r->fn = NULL;
    drop_question(r);
    if (r->lent)
        files_forget(r->lent, r->lent_id);
    r->lent = NULL;
    if (files && idle)
        files_keep(files, r->x->server, r->rights);
    else
        files_end(files, FX_CONNECTION_LOST, "");
}

void exec_files_end(struct exec *x)
{
    if (x->files == NULL)
        return;
    stop(x->files);
    free(x->files);
    x->files = NULL;
}

static void done(struct exec *x, struct files *from, uint32_t status, const char *text, struct msg *answer)
{
    exec_files_fn *fn = x->files->fn;
    x->files->fn = NULL;
    x->files->from = from;
    exec_deadline(x, 0);
    fn(x, status, text, answer);
}

/* DATA is the command, which outlives the worker: let_go ends the one before the other is freed. */
static void answered(void *data, uint32_t status, const char *text, struct msg *answer)
{
    struct exec *x = data;
    if (!x->ended && x->files && x->files->fn)
        done(x, x->files->files, status, text, answer);
}

static void gone(void *data, struct files *files, const char *ended)
{
    struct exec *x = data;
    if (x->files && x->files->files == files) {
        x->files->files = NULL;
        files_end(files, FX_FAILURE, "");
    }
    exec_fail(x, EXIT_UNAVAILABLE, "%s: %s; try again", x->server, ended ? ended : "the worker for this server's files has ended");
}

static void started(struct exec *x, int code, const char *text, struct msg *answer)
{
    struct exec_files *r = x->files;
    if (code != EXIT_DONE) {
        drop_question(r);
        done(x, NULL, code == EXIT_NOT_PERMITTED ? FX_PERMISSION_DENIED : FX_FAILURE, *text ? text : "its files cannot be reached now", NULL);
        return;
    }
    int fd = msg_get_fd(answer);
    msg_end(answer);
    r->files = files_new(x->session, fd, gone, x);
    r->has = false;
    files_ask(r->files, &r->m, answered, x);
}

void exec_about(struct exec *x, const char *server, uint32_t right)
{
    if (x->server == NULL || strcmp(x->server, server) != 0) {
        if (x->files)
            stop(x->files);
        char *copy = mem_str(server);
        free(x->server);
        x->server = copy;
    }
    x->relied = right;
}

static struct exec_files *about(struct exec *x, const char *server, uint32_t right, exec_files_fn *fn)
{
    exec_about(x, server, right);
    if (x->files == NULL) {
        x->files = mem_new(sizeof *x->files);
        x->files->x = x;
    }
    struct exec_files *r = x->files;
    invariant(r->fn == NULL && !r->has);
    r->fn = fn;
    exec_deadline(x, ANSWER_MS);
    return r;
}

/* No more rights than are needed, so that the worker need not end with what else is taken away. */
static void start(struct exec *x)
{
    x->files->rights = x->relied & FILES;
    exec_ask(x, OP_FILES, x->server, x->files->rights, NULL, started);
}

static void ask_ours(struct exec_files *r, struct msg *m)
{
    if (r->files) {
        files_ask(r->files, m, answered, r->x);
        return;
    }
    r->m = *m;
    r->has = true;
    start(r->x);
}

void exec_files(struct exec *x, const char *server, uint32_t right, struct msg *m, exec_files_fn *fn)
{
    struct exec_files *r = about(x, server, right, fn);
    r->once = false;
    ask_ours(r, m);
}

/* Whoever lends the worker may end it for reasons of its own: then it is asked anew, of one of ours. */
static void lent_answered(void *data, uint32_t status, const char *text, struct msg *answer)
{
    struct exec *x = data;
    struct exec_files *r = x->files;
    struct files *from = r->lent;
    r->lent = NULL;
    if (answer == NULL && files_over(from))
        start(x);
    else {
        drop_question(r);
        done(x, from, status, text, answer);
    }
}

void exec_files_once(struct exec *x, const char *server, uint32_t right, struct msg *m, exec_files_fn *fn)
{
    struct exec_files *r = about(x, server, right, fn);
    const struct server_right *now = session_server(x->session, server);
    /* A right that this connection knows to be lost is not used on a worker that has it still. */
    bool may = now && (right & ~now->rights) == 0;
    struct files *lent = may && r->files == NULL ? files_lent(x->session, server, right & FILES) : NULL;
    if (lent == NULL) {
        r->once |= r->files == NULL;
        ask_ours(r, m);
        return;
    }
    msg_begin(&r->m, m->type, 0);
    buf_put(&r->m.body, buf_head(&m->body), buf_size(&m->body));
    r->has = true;
    r->lent = lent;
    uint32_t id = files_ask(lent, m, lent_answered, x);
    if (r->lent)
        r->lent_id = id;
}

struct files *exec_files_link(const struct exec *x)
{
    return x->files ? x->files->files : NULL;
}

void exec_files_tell(struct exec *x, struct msg *m)
{
    if (x->files && x->files->files)
        files_tell(x->files->files, m);
    else
        msg_free(m);
}

int exec_files_take(struct exec *x, struct msg *answer)
{
    return files_take(x->files->from, answer);
}
