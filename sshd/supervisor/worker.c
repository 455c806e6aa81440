#include "sshd/supervisor/worker.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "sshd/proto.h"
#include "sshd/supervisor/child.h"
#include "sshd/supervisor/disk.h"
#include "sshd/supervisor/handles.h"
#include "sshd/supervisor/order.h"

enum { WORKERS_PER_SESSION = 40, EXCESS_MS = 500 };

struct worker {
    struct worker *next;
    struct server *server;
    struct super *super;
    uint64_t session;
    uint32_t rights;        /* it was started with */
    char account[NAME_MOST + 1];
    pid_t pid;              /* 0: it has ended, and its session has yet to let go of its files */
    int link;               /* the worker's own end: what is said there reaches the session, whose end closing is seen there */
    struct watch *letting;  /* of the link, once it has ended */
    unsigned slot;          /* in the server's gate */
    struct handles *handles;
    unsigned handles_slot;
    char *deny;             /* the patterns it was started with, a line each */
    bool ended;             /* by us */
};

static struct worker *workers;

static char *deny_of(const struct conf_server *c)
{
    char *text = mem_str("");
    for (size_t i = 0; c && i < c->deny.n; i++) {
        char *longer = mem_fmt("%s%s\n", text, c->deny.v[i]);
        free(text);
        text = longer;
    }
    return text;
}

static void forget(struct worker *w)
{
    struct worker **at = &workers;
    while (*at != w)
        at = &(*at)->next;
    *at = w->next;
}

/* What W holds of others. */
static void let_go(struct worker *w)
{
    gate_slot_drop(w->server->gate, w->slot);
    handles_leave(w->handles, w->handles_slot);
    if (w->link >= 0)
        close(w->link);
    free(w->deny);
    free(w);
}

/* Nobody can write by its files any more: now its lease is free for others. */
static void ended(struct worker *w)
{
    struct server *v = w->server;
    v->workers--;
    struct session *c = conn_find(w->super, w->session);
    if (c)
        c->workers--;
    forget(w);
    let_go(w);
    server_tidy(v);
}

static void session_let_go(void *data, int fd UNUSED, unsigned events)
{
    struct worker *w = data;
    if ((events & LOOP_GONE) == 0)
        return;
    watch_free(w->letting);
    ended(w);
}

/* The session has descriptors of the same open files, and writes what it has a lease for until it learns of the end; so the lease stays out until
   the session's end of the link is closed, which comes after these, or with its death. */
static void on_end(void *data, pid_t pid UNUSED, int status)
{
    struct worker *w = data;
    if (status != 0 && !w->ended)
        log_warn("files.died", "session=%llu account=%s server=%s end=\"%s\"", (unsigned long long)w->session, w->account, w->server->name,
                 status_text(status));
    w->ended = true;
    w->pid = 0;
    if (shutdown(w->link, SHUT_WR) < 0)
        log_debug("files.end", "session=%llu link: %s", (unsigned long long)w->session, strerror(errno));
    w->letting = loop_watch(w->super->loop, w->link, 0, session_let_go, w);
}

static int send_start(struct super *s, const struct worker *w, uint32_t rights, int link, int root)
{
    const struct conf_limits *l = &s->conf.limits;
    const struct conf_server *c = conf_server(&s->conf, w->server->name);
    size_t n = c ? c->deny.n : 0;
    if (w->server->usage == DISK_COUNT_FILE && w->server->usage_fd < 0) {
        errno = ENOENT;     /* nobody tells what the disk holds */
        return -1;
    }
    struct msg m MSG_FREE;
    msg_begin(&m, START_FILES, 0);
    msg_put_str(&m, w->server->name);
    msg_put_u32(&m, rights);
    msg_put_u32(&m, w->slot);
    msg_put_u32(&m, handles_most(s));
    msg_put_u64(&m, w->session);
    msg_put_u32(&m, (uint32_t)s->conf.log.level);
    msg_put_u32(&m, w->handles_slot);
    msg_put_u32(&m, l->account_handles);
    msg_put_u32(&m, l->node_handles);
    msg_put_u32(&m, (uint32_t)n);
    for (size_t i = 0; i < n; i++)
        msg_put_str(&m, c->deny.v[i]);
    msg_put_str(&m, w->account);
    /* It may wait for whoever answers for the mount. */
    msg_put_u32(&m, (uint32_t)(w->server->usage == DISK_COUNT_TOLD ? DISK_COUNT_STATFS : w->server->usage));
    msg_put_fd(&m, root);
    msg_put_fd(&m, w->server->gate_fd);
    msg_put_fd(&m, handles_fd(w->handles));
    if (w->server->usage == DISK_COUNT_FILE)
        msg_put_fd(&m, w->server->usage_fd);
    return msg_send(link, &m);
}

static int start(struct super *s, struct session *c, struct worker *w, uint32_t rights, int root, struct err *e)
{
    int pair[2];
    if (io_pair(pair) < 0)
        return err_set(e, errno, "socketpair", "%s", "");
    CLOSE_FD int ours = pair[0];
    w->link = pair[1];
    if (send_start(s, w, rights, ours, root) < 0)
        return err_set(e, errno, "files", "start message");
    w->pid = child_start(s, ROLE_FILES, server_uid(w->server), w->link, on_end, w, e);
    if (w->pid < 0)
        return -1;
    w->next = workers;
    workers = w;
    c->workers++;
    w->server->workers++;
    return fd_steal(&ours);
}

/* The places a worker needs; what was taken is given back when one is missing. */
static struct worker *places(struct super *s, const struct session *c, struct server *v, struct err *e)
{
    int slot = gate_slot_take(v->gate);
    if (slot < 0) {
        err_set(e, EAGAIN, "files", "too many at once on this server");
        return NULL;
    }
    struct worker *w = mem_new(sizeof *w);
    *w = (struct worker){ .server = v, .super = s, .session = c->id, .link = -1, .slot = (unsigned)slot };
    memcpy(w->account, c->account, sizeof w->account);
    w->handles = handles_join(s, c->account, &w->handles_slot, e);
    if (w->handles == NULL) {
        gate_slot_drop(v->gate, w->slot);
        free(w);
        return NULL;
    }
    w->deny = deny_of(conf_server(&s->conf, v->name));
    return w;
}

int worker_start(struct super *s, struct session *c, struct server *v, uint32_t rights, struct err *e)
{
    if (c->workers >= WORKERS_PER_SESSION)
        return err_set(e, EAGAIN, "files", "too many at once on this connection");
    CLOSE_FD int root = disk_open(v, e);
    if (root < 0)
        return -1;
    struct worker *w = places(s, c, v, e);
    if (w == NULL)
        return -1;
    w->rights = rights;
    int link = start(s, c, w, rights, root, e);
    if (link < 0)
        let_go(w);
    return link;
}

static void end(struct worker *w, const char *why)
{
    struct msg m MSG_FREE;
    w->ended = true;
    log_info("files.ended", "session=%llu account=%s server=%s why=\"%s\"", (unsigned long long)w->session, w->account, w->server->name, why);
    kill(w->pid, SIGKILL);
    /* The socket is the worker's as well, which from here on sends nothing; a session that has left no room is told by the end alone. */
    msg_begin(&m, FILES_ENDED, 0);
    msg_put_str(&m, why);
    if (io_nonblock(w->link) < 0 || msg_send(w->link, &m) < 0)
        log_warn("files.ended", "session=%llu account=%s could not be told", (unsigned long long)w->session, w->account);
}

/* A session that was told lets go of its worker by itself, with better words; one that does not, or was never told, loses it here. */
static void end_excess(void *data)
{
    struct super *s = data;
    for (struct worker *w = workers; w; w = w->next)
        if (!w->ended && (w->rights & ~order_rights(&s->conf, conf_server(&s->conf, w->server->name), w->account)))
            end(w, "your rights on this server have changed");
}

unsigned workers_apply(struct super *s)
{
    unsigned n = 0;
    loop_timer(s->loop, EXCESS_MS, end_excess, s);
    for (struct worker *w = workers; w; w = w->next) {
        const struct conf_server *c = conf_server(&s->conf, w->server->name);
        FREE_MEM char *deny = deny_of(c);
        if (c == NULL || w->ended || strcmp(deny, w->deny) == 0)
            continue;
        end(w, "the files of this server were re-configured");
        n++;
    }
    return n;
}
