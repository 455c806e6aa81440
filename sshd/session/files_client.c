#include "sshd/session/files_client.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/die.h"
#include "base/io.h"
#include "base/mem.h"
#include "sshd/attrs.h"
#include "sshd/proto.h"
#include "sshd/session/session.h"

enum { WAIT_MOST = 30 * 1000, LATER_MS = 20, LATER_MOST = 100, KEEP_MS = 1000 };

struct call {
    struct call *next;
    uint32_t id;
    files_fn *fn;
    void *data;
    bool waits;      /* the session has nothing else to do meanwhile: it stays on its processor */
    bool opens;      /* a file for reading, when it is forgotten */
};

struct unsent {
    struct unsent *next;
    struct msg m;
};

struct files {
    struct session *session;
    struct session_watch *watch;
    int fd;
    uint32_t id;
    struct call *calls, **calls_end;      /* in the order they were asked, which is the order they are answered in */
    struct unsent *unsent, **unsent_end;
    struct session_turn *later;           /* sends what is there by then */
    uint64_t told, pause;                 /* ms: when something was told, while nothing was asked since; until it asks again, on average */
    files_gone_fn *gone;
    void *data;
    char *server;                         /* it is lent for; NULL: it is not */
    uint32_t rights;
    struct files *next;                   /* in `lent` */
    struct session_turn *keeping;         /* until it is over */
    unsigned busy;    /* depth of our own functions on the stack */
    bool broken, ended;
};

static struct files *lent, *kept;   /* kept: the one of `lent` that has no owner */

static void on_ready(void *data, int fd, short revents);

struct files *files_new(struct session *s, int fd, files_gone_fn *gone, void *data)
{
    if (io_nonblock(fd) < 0)
        die_errno("files: fcntl");
    struct files *f = mem_new(sizeof *f);
    *f = (struct files){ .session = s, .fd = fd, .gone = gone, .data = data };
    f->calls_end = &f->calls;
    f->unsent_end = &f->unsent;
    f->watch = session_watch_new(s, fd, POLLIN, on_ready, f);
    return f;
}

static void leave(struct files *f)
{
    if (--f->busy == 0 && f->ended)
        free(f);
}

static struct call *call_take(struct files *f, uint32_t id)
{
    for (struct call **at = &f->calls; *at; at = &(*at)->next)
        if ((*at)->id == id) {
            struct call *c = *at;
            *at = c->next;
            if (*at == NULL)
                f->calls_end = at;
            if (c->waits)
                session_let_go(f->session);
            return c;
        }
    return NULL;
}

static void refuse_all(struct files *f, uint32_t status, const char *text)
{
    while (f->calls) {
        struct call *c = call_take(f, f->calls->id);
        c->fn(c->data, status, text, NULL);
        free(c);
    }
}

static void unlend(struct files *f)
{
    for (struct files **at = &lent; *at; at = &(*at)->next)
        if (*at == f) {
            *at = f->next;
            break;
        }
    free(f->server);
    f->server = NULL;
    session_turn_free(f->keeping);
    if (kept == f)
        kept = NULL;
}

static void unsent_pop(struct files *f)
{
    struct unsent *u = f->unsent;
    f->unsent = u->next;
    if (f->unsent == NULL)
        f->unsent_end = &f->unsent;
    msg_free(&u->m);
    free(u);
}

void files_end(struct files *f, uint32_t status, const char *text)
{
    if (f == NULL || f->ended)
        return;
    f->busy++;
    f->ended = f->broken = true;
    if (f->server)
        unlend(f);
    session_watch_free(f->watch);
    session_turn_free(f->later);
    close(f->fd);
    while (f->unsent)
        unsent_pop(f);
    refuse_all(f, status, text);
    leave(f);
}

static void gone(struct files *f, const char *ended)
{
    if (f->broken)
        return;
    f->broken = true;
    refuse_all(f, FX_FAILURE, ended ? ended : "the worker for this server's files has ended; try again");
    f->gone(f->data, f, ended);
}

static void worker_gone(struct files *f)
{
    gone(f, NULL);
}

static void flush(struct files *f)
{
    while (f->unsent && !f->broken) {
        if (msg_send(f->fd, &f->unsent->m) == 0)
            unsent_pop(f);
        else if (errno == EAGAIN || errno == ENOBUFS)
            return;
        else
            worker_gone(f);
    }
    if (!f->broken)
        session_watch_events(f->watch, POLLIN);
}

static void enqueue(struct files *f, struct msg *m)
{
    struct unsent *u = mem_new(sizeof *u);
    u->m = *m;
    *f->unsent_end = u;
    f->unsent_end = &u->next;
}

static void push(struct files *f)
{
    flush(f);
    if (f->unsent && !f->broken)
        session_watch_events(f->watch, POLLIN | POLLOUT);
}

static void later(void *data)
{
    struct files *f = data;
    f->busy++;
    f->later = NULL;
    push(f);
    leave(f);
}

void files_begin(struct msg *m, uint16_t type)
{
    msg_begin(m, type, 0);
}

void files_put_attrs(struct msg *m, const struct attrs *a)
{
    uint8_t space[ATTRS_MOST];
    struct buf b = { .p = space, .cap = sizeof space, .max = sizeof space };
    attrs_put(&b, a);
    msg_put_bytes(m, b.p, b.len);
}

static void put_one(struct msg *many, const struct msg *m)
{
    msg_put_u32(many, m->type);
    msg_put_bytes(many, buf_head(&m->body), buf_size(&m->body));
}

/* M with what was told before it, in one message: where the worker shares our processor, the first of two makes it run, and the second again.  False:
   nothing was sent. */
static bool send_behind(struct files *f, const struct msg *m)
{
    MSG_FREE struct msg many;
    msg_begin(&many, FILES_MANY, m->id);
    many.from = m->from;
    for (const struct unsent *u = f->unsent; u; u = u->next) {
        if (u->m.id != 0)
            return false;
        put_one(&many, &u->m);
    }
    put_one(&many, m);
    if (many.body.bad || msg_send(f->fd, &many) < 0)
        return false;
    while (f->unsent)
        unsent_pop(f);
    session_watch_events(f->watch, POLLIN);
    return true;
}

/* Its time is not to come behind the next file's close.  One long pause among short ones changes little. */
static void pause_over(struct files *f)
{
    session_turn_free(f->later);
    f->later = NULL;
    uint64_t pause = now_ms() - f->told;
    f->pause = (f->pause + (pause < 2 * LATER_MOST ? pause : 2 * LATER_MOST)) / 2;
    f->told = 0;
}

/* Sends M or queues it, and frees it. */
static void post(struct files *f, struct msg *m)
{
    if (f->told)
        pause_over(f);
    if (f->unsent && !f->broken && send_behind(f, m)) {
        msg_free(m);
        return;
    }
    if (f->unsent)
        push(f);
    int error = f->unsent ? EAGAIN : f->broken || msg_send(f->fd, m) == 0 ? 0 : errno;
    if (error == EAGAIN || error == ENOBUFS) {
        enqueue(f, m);
        session_watch_events(f->watch, POLLIN | POLLOUT);
        return;
    }
    if (error == EMSGSIZE)
        bug("a request of type %u does not fit", m->type);
    if (error)
        worker_gone(f);
    else if (f->broken)
        refuse_all(f, FX_FAILURE, "the worker for this server's files has ended; try again");
    msg_free(m);
}

/* Slices of work: a listing's is made while the client gets the one before. */
static bool takes_long(uint16_t type)
{
    return type == FILES_READDIR || type == FILES_COPY || type == FILES_DU || type == FILES_FSYNC;
}

static uint32_t ask(struct files *f, struct msg *m, files_fn *fn, void *data)
{
    struct call *c = mem_new(sizeof *c);
    *c = (struct call){ .id = ++f->id, .fn = fn, .data = data, .waits = f->calls == NULL && !takes_long(m->type),
                         .opens = m->type == FILES_OPEN };
    if (c->waits)
        m->from = session_hold(f->session);
    *f->calls_end = c;
    f->calls_end = &c->next;
    m->id = c->id;
    post(f, m);
    return f->id;
}

uint32_t files_ask(struct files *f, struct msg *m, files_fn *fn, void *data)
{
    f->busy++;
    uint32_t id = ask(f, m, fn, data);
    leave(f);
    return id;
}

/* Where the next request of a client that is far away, or one of many, comes later than LATER_MS, it is waited for somewhat longer than they took so far.
   Not for long: until it is told, the worker has the file open, and what is open for writing cannot be run.  A login, to start what was uploaded, takes
   several of these pauses. */
static uint64_t patience(const struct files *f)
{
    uint64_t long_enough = 3 * f->pause;
    return f->pause > LATER_MOST || long_enough < LATER_MS ? LATER_MS : long_enough < LATER_MOST ? long_enough : LATER_MOST;
}

/* A client that closes one file opens the next: sent together (send_behind) they wake the worker once.  Of a small file's upload that is the fourth part of the
   server's switches between processes. */
void files_tell(struct files *f, struct msg *m)
{
    if (f->broken) {
        msg_free(m);
        return;
    }
    enqueue(f, m);
    f->told = now_ms();
    if (f->later == NULL)
        f->later = session_turn_later(f->session, patience(f), later, f);
}

int files_take(struct files *f, struct msg *answer)
{
    struct msg m;
    files_begin(&m, FILES_CLOSE);
    msg_put_u32(&m, msg_get_u32(answer));
    msg_get_u64(answer);
    msg_put_u64(&m, msg_get_u64(answer));
    msg_get_u32(answer);
    int fd = msg_get_fd(answer);
    files_tell(f, &m);
    return fd;
}

static void forgotten(void *data UNUSED, uint32_t status UNUSED, const char *text UNUSED, struct msg *answer UNUSED) {}

void files_forget(struct files *f, uint32_t id)
{
    for (struct call *c = f->calls; c; c = c->next)
        if (c->id == id)
            c->fn = forgotten;
}

static void worker_ended(struct files *f, struct msg *m)
{
    FREE_MEM char *why = msg_get_text(m, 256);
    msg_end(m);
    gone(f, why);
}

static void answered(struct files *f, struct msg *m)
{
    if (m->type != FILES_ANSWER)
        die("peer broke a rule: message %u from a files worker", m->type);
    uint32_t status = msg_get_u32(m);
    FREE_MEM char *text = msg_get_text(m, 1024);
    struct call *c = call_take(f, m->id);
    if (c == NULL)
        die("peer broke a rule: an answer nobody asked for");
    if (status) {
        msg_end(m);
        c->fn(c->data, status, text, NULL);
    } else if (c->fn == forgotten) {
        if (c->opens)
            close(files_take(f, m));
    } else {
        c->fn(c->data, 0, "", m);
        msg_end(m);
    }
    free(c);
}

static void receive(struct files *f)
{
    /* With no answer outstanding there is nothing more to come but the end, which wakes us by itself. */
    for (int i = 0; i < 64 && !f->broken && (i == 0 || f->calls); i++) {
        MSG_FREE struct msg m = { 0 };
        int n = msg_recv(f->fd, &m);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0)
            worker_gone(f);
        else if (m.type == FILES_ENDED)
            worker_ended(f, &m);
        else
            answered(f, &m);
    }
}

static void on_ready(void *data, int fd UNUSED, short revents)
{
    struct files *f = data;
    f->busy++;
    if (revents & POLLOUT)
        flush(f);
    if (revents & (POLLIN | POLLHUP | POLLERR))
        receive(f);
    leave(f);
}

static bool waits(const struct files *f, uint32_t id)
{
    for (const struct call *c = f->calls; c; c = c->next)
        if (c->id == id)
            return true;
    return false;
}

/* True when ID was answered; false when the worker went first. */
static bool wait_for(struct files *f, uint32_t id)
{
    uint64_t until = now_ms() + WAIT_MOST;
    while (waits(f, id) && !f->broken) {
        struct pollfd p = { .fd = f->fd, .events = (short)(POLLIN | (f->unsent ? POLLOUT : 0)) };
        uint64_t now = now_ms();
        int n = now < until ? poll(&p, 1, (int)(until - now)) : 0;
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            worker_gone(f);
            break;
        }
        if (p.revents & POLLOUT)
            flush(f);
        if (p.revents & (POLLIN | POLLHUP | POLLERR))
            receive(f);
    }
    return !f->broken;
}

bool files_wait(struct files *f, uint32_t id)
{
    f->busy++;
    bool answered = wait_for(f, id);
    leave(f);
    return answered;
}

bool files_ask_now(struct files *f, struct msg *m, files_fn *fn, void *data)
{
    f->busy++;
    bool answered = wait_for(f, ask(f, m, fn, data));
    leave(f);
    return answered;
}

void files_lend(struct files *f, const char *server, uint32_t rights)
{
    invariant(f->server == NULL && !f->ended);
    f->server = mem_str(server);
    f->rights = rights;
    f->next = lent;
    lent = f;
}

static void kept_gone(void *data UNUSED, struct files *f, const char *ended UNUSED)
{
    files_end(f, FX_FAILURE, "");
}

static void kept_long(void *data)
{
    struct files *f = data;
    f->keeping = NULL;
    files_end(f, FX_CONNECTION_LOST, "");
}

void files_keep(struct files *f, const char *server, uint32_t rights)
{
    if (f->broken || f->calls || files_lent(f->session, server, rights)) {
        files_end(f, FX_CONNECTION_LOST, "");
        return;
    }
    files_end(kept, FX_CONNECTION_LOST, "");
    kept = f;
    f->gone = kept_gone;
    f->keeping = session_turn_later(f->session, KEEP_MS, kept_long, f);
    files_lend(f, server, rights);
}

struct files *files_lent(struct session *s, const char *server, uint32_t right)
{
    for (struct files *f = lent; f; f = f->next)
        if (f->session == s && !f->broken && f->calls == NULL && (right & ~f->rights) == 0 && strcmp(f->server, server) == 0)
            return f;
    return NULL;
}

bool files_over(const struct files *f) { return f->broken; }
