#include "sshd/session/exec_files.h"

#include <stdlib.h>
#include <string.h>

#include "base/die.h"
#include "base/mem.h"

enum { ANSWER_MS = 30000, FILES = RIGHT_FILES };

struct exec_files {
    struct exec *x;
    struct files *files;     /* NULL: being started, or gone */
    struct msg m;            /* for the worker that is being started */
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

static void stop(struct exec_files *r)
{
    struct files *files = r->files;
    r->files = NULL;
    r->fn = NULL;
    if (r->has)
        msg_free(&r->m);
    r->has = false;
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

static void done(struct exec *x, uint32_t status, const char *text, struct msg *answer)
{
    exec_files_fn *fn = x->files->fn;
    x->files->fn = NULL;
    exec_deadline(x, 0);
    fn(x, status, text, answer);
}

/* DATA is the command, which outlives the worker: let_go ends the one before the other is freed. */
static void answered(void *data, uint32_t status, const char *text, struct msg *answer)
{
    struct exec *x = data;
    if (!x->ended && x->files && x->files->fn)
        done(x, status, text, answer);
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
        msg_free(&r->m);
        r->has = false;
        done(x, code == EXIT_NOT_PERMITTED ? FX_PERMISSION_DENIED : FX_FAILURE, *text ? text : "its files cannot be reached now", NULL);
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

void exec_files(struct exec *x, const char *server, uint32_t right, struct msg *m, exec_files_fn *fn)
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
    if (r->files) {
        files_ask(r->files, m, answered, x);
        return;
    }
    r->m = *m;
    r->has = true;
    /* No more than is needed, so that it need not end with what else is taken away. */
    exec_ask(x, OP_FILES, server, right & FILES, NULL, started);
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
    struct msg m;
    files_begin(&m, FILES_CLOSE);
    msg_put_u32(&m, msg_get_u32(answer));
    msg_get_u64(answer);
    msg_put_u64(&m, msg_get_u64(answer));
    msg_get_u32(answer);
    int fd = msg_get_fd(answer);
    exec_files_tell(x, &m);
    return fd;
}
