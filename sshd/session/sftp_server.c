#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "sshd/session/channel.h"
#include "sshd/session/session.h"
#include "sshd/session/sftp.h"

enum { CODE_NOPERM = 77 };

static struct sftp_server *find(struct sftp *f, const char *name)
{
    for (size_t i = 0; i < f->nservers; i++)
        if (strcmp(f->servers[i]->name, name) == 0)
            return f->servers[i];
    return NULL;
}

static struct sftp_server *find_or_add(struct sftp *f, const char *name)
{
    struct sftp_server *s = find(f, name);
    if (s)
        return s;
    s = mem_new(sizeof *s);
    s->name = mem_str(name);
    s->sftp = f;
    f->servers = mem_grow(f->servers, f->nservers + 1, sizeof(struct sftp_server *));
    f->servers[f->nservers++] = s;
    return s;
}

void sftp_server_end(struct sftp *f, struct sftp_server *s, uint32_t status, const char *text)
{
    struct files *files = s->files;
    sftp_checks_end(f, s, status, text);
    s->files = NULL;
    s->stale = false;
    for (uint32_t i = 0; i < f->nhandles; i++) {
        struct sftp_handle *h = &f->handles[i];
        /* One that is opening ends with its call; one that is open stays as a number the client may still close. */
        if (h->server == s && (h->kind == HANDLE_FILE || h->kind == HANDLE_DIR)) {
            uint32_t generation = h->generation;
            sftp_handle_free(f, i);
            h->kind = HANDLE_DEAD;
            h->generation = generation;
        }
    }
    files_end(files, status, text);
}

/* Ended on purpose, it takes the channel along where that is in the middle of something, as lost rights do. */
static void worker_gone(void *data, struct files *files, const char *ended)
{
    struct sftp *f = data;
    sftp_enter(f);
    for (size_t i = 0; i < f->nservers; i++) {
        struct sftp_server *s = f->servers[i];
        if (s->files != files)
            continue;
        bool used = s->open || s->asked;
        sftp_server_end(f, s, FX_FAILURE, ended ? ended : "the worker for this server's files has ended; try again");
        if (ended && used) {
            FREE_MEM char *why = mem_fmt("%s: %s; the connection to them is closed", s->name, ended);
            sftp_cut(f, why);
        }
    }
    sftp_leave(f);
}

static uint32_t rights_now(const struct sftp *f, const char *name)
{
    const struct server_right *r = session_server(f->session, name);
    return r ? r->rights & RIGHT_FILES : 0;
}

static void outcome(struct sftp_server *s, uint32_t status, const char *text)
{
    free(s->text);
    s->why_not = status;
    s->text = mem_str(text);
}

static void started(void *data, int code, const char *text, struct msg *answer)
{
    struct sftp_server *s = data;
    struct sftp *f = s->sftp;
    sftp_enter(f);
    s->starting = 0;
    if (code != 0)
        outcome(s, code == CODE_NOPERM ? FX_PERMISSION_DENIED : FX_FAILURE, text[0] ? text : "this server's files cannot be reached now");
    else {
        CLOSE_FD int fd = msg_get_fd(answer);
        msg_end(answer);
        /* Taken away meanwhile: nobody was there yet to be told. */
        if (s->wanted & ~rights_now(f, s->name))
            outcome(s, FX_PERMISSION_DENIED, "your rights on this server have changed");
        else {
            s->rights = s->wanted;
            s->files = files_new(f->session, fd_steal(&fd), worker_gone, f);
            files_lend(s->files, s->name, s->rights);
        }
    }
    sftp_leave(f);
}

/* A disk that must be checked and mounted first takes its time: only this channel waits for it, and of that only what comes behind. */
static void start(struct sftp *f, uint32_t id, struct sftp_server *s)
{
    if (s->text) {
        sftp_status(f, id, s->why_not, s->text);
        free(s->text);
        s->text = NULL;
        return;
    }
    f->held = true;
    if (s->starting)
        return;
    s->wanted = rights_now(f, s->name);
    s->starting = session_do_later(f->session, OP_FILES, s->name, 0, "", started, s);
}

struct sftp_server *sftp_server(struct sftp *f, uint32_t id, const char *name)
{
    const struct server_right *r = session_server(f->session, name);
    if (r == NULL) {
        sftp_status(f, id, FX_NO_SUCH_FILE, "no such server");
        return NULL;
    }
    /* The worker would refuse as well; it need not be started for that. */
    if (f->op->writes && (r->rights & RIGHT_FILES_CHANGE) == 0) {
        sftp_status(f, id, FX_PERMISSION_DENIED, "read-only: your account may not change this server's files");
        return NULL;
    }
    struct sftp_server *s = find_or_add(f, name);
    if (s->files && s->stale && s->open == 0 && s->asked == 0)
        sftp_server_end(f, s, FX_FAILURE, "");
    if (s->files == NULL)
        start(f, id, s);
    return s->files ? s : NULL;
}

/* A client whose handles are closed under it does not all notice: where the channel is in the middle of something with the server, or was
   made for it, the channel ends.  One that merely looked at it before goes on with the others. */
void sftp_server_rights(void *data, const char *server, uint32_t rights, uint32_t gone UNUSED)
{
    struct sftp *f = data;
    struct sftp_server *s = find(f, server);
    const char *home = session_home(f->session);
    bool lost = s && s->files && (s->rights & ~rights), used = lost && (s->open || s->asked);
    sftp_enter(f);
    if (lost)
        sftp_server_end(f, s, FX_PERMISSION_DENIED, "your rights on this server have changed");
    else if (s && s->files && (rights & RIGHT_FILES) != s->rights)
        s->stale = true;
    used |= sftp_virtual_rights(f, server, rights);
    if (used || (home && strcmp(home, server) == 0 && (rights & RIGHT_FILES) == 0)) {
        FREE_MEM char *why = mem_fmt("%s: your rights on this server have changed; the connection to its files is closed", server);
        sftp_cut(f, why);
    }
    sftp_leave(f);
}

void sftp_servers_free(struct sftp *f)
{
    for (size_t i = 0; i < f->nservers; i++) {
        sftp_server_end(f, f->servers[i], FX_CONNECTION_LOST, "");
        if (f->servers[i]->starting)
            session_do_cancel(f->session, f->servers[i]->starting);
        free(f->servers[i]->text);
        free(f->servers[i]->name);
        free(f->servers[i]);
    }
    free(f->servers);
}

struct sftp_call *sftp_call(struct sftp *f, struct sftp_server *s, uint32_t id, sftp_answer_fn *answer)
{
    struct sftp_call *c = mem_new(sizeof *c);
    *c = (struct sftp_call){ .f = f, .server = s, .id = id, .cost = f->op->cost, .handle = -1, .answer = answer };
    f->cost += c->cost;
    s->asked++;
    return c;
}

void sftp_call_handle(struct sftp_call *c, uint32_t i)
{
    c->handle = (int)i;
    c->generation = c->f->handles[i].generation;
    c->f->handles[i].busy++;
}

static void answered(void *data, uint32_t status, const char *text, struct msg *answer)
{
    struct sftp_call *c = data;
    struct sftp *f = c->f;
    sftp_enter(f);
    f->cost -= c->cost;
    c->server->asked--;
    if (c->handle >= 0 && f->handles[c->handle].generation == c->generation && f->handles[c->handle].busy > 0)
        f->handles[c->handle].busy--;
    if (answer) {
        sftp_note_done(f, c);
        c->answer(f, c, answer);
    } else {
        if (c->refused)
            c->refused(f, c, NULL);
        sftp_status(f, c->id, status, text);
    }
    free(c->path);
    free(c->other);
    free(c);
    sftp_leave(f);
}

void sftp_call_send(struct sftp_call *c, struct msg *m)
{
    files_ask(c->server->files, m, answered, c);
}

void sftp_answer_ok(struct sftp *f, struct sftp_call *c, struct msg *answer UNUSED)
{
    sftp_status(f, c->id, FX_OK, "Success");
}

void sftp_answer_attrs(struct sftp *f, struct sftp_call *c, struct msg *answer)
{
    size_t size;
    const uint8_t *attrs = msg_get_bytes(answer, &size);
    sftp_reply_attrs(f, c->id, attrs, size);
}
