#include "sshd/supervisor/count.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "quota/proto.h"
#include "sshd/supervisor/child.h"
#include "sshd/supervisor/disk.h"

enum { THREADS = 2, AGAIN_MS = 1000, AGAIN_MOST_MS = 60000, STALE_MS = 30000, ASKED = 2 };

/* What had been written through the gate when a look was asked for: it is behind the one that then comes. */
struct asked { uint32_t id; uint64_t written; };

struct count {
    struct server *server;
    count_fn *fn;               /* NULL: it stays */
    void *data;
    pid_t pid;                  /* 0: it has ended */
    struct link *link;
    struct timer *again;        /* of the next start, or of the next question whether all is well */
    uint64_t again_ms;
    struct asked asked[ASKED];  /* the last ones */
    uint32_t ids;
    uint64_t at;                /* the written bytes that the ledger's last sums are behind */
    bool known;
};

static int run(struct count *c, struct err *e);

/* ---- the ledger ---- */

static void ask(struct count *c, bool now)
{
    struct msg m;
    struct asked a = { ++c->ids, gate_written(c->server->gate) };
    memmove(c->asked + 1, c->asked, sizeof c->asked - sizeof c->asked[0]);
    c->asked[0] = a;
    msg_begin(&m, COUNT_LOOK, a.id);
    msg_put_u32(&m, now);
    link_send(c->link, &m);
}

/* For an id that is older than all we remember the oldest of them: too much is counted twice then, never too little. */
static uint64_t written_at(const struct count *c, uint32_t id)
{
    for (size_t i = 0; i < ASKED; i++)
        if (c->asked[i].id == id)
            return c->asked[i].written;
    return c->at;
}

static void set(struct count *c, uint32_t id, const struct counted *r)
{
    c->at = written_at(c, id);
    gate_set_used(c->server->gate, r->bytes, r->inodes, c->at);
    if (r->unseen && !c->known)
        log_warn("count.unseen", "server=%s directories=%llu", c->server->name, (unsigned long long)r->unseen);
    c->known = true;
    c->again_ms = AGAIN_MS;
}

/* A lease that was given back unused counts as written; nothing on the disk changed, so nobody would look again. */
static void stale(void *data)
{
    struct count *c = data;
    c->again = loop_timer(c->server->super->loop, STALE_MS, stale, c);
    if (c->link && c->known && gate_written(c->server->gate) != c->at)
        ask(c, true);
}

/* ---- the process ---- */

static bool read_report(struct msg *m, struct counted *r, char *why, size_t size)
{
    uint32_t no = msg_get_u32(m);
    *r = (struct counted){ .bytes = msg_get_u64(m) };
    r->inodes = msg_get_u64(m);
    r->unseen = msg_get_u64(m);
    r->twice = msg_get_u64(m);
    if (!msg_end(m) || m->type != COUNT_REPORT)
        return false;
    snprintf(why, size, "%s", strerror((int)no));
    r->why = no ? why : NULL;
    return true;
}

static void tell(struct count *c, const struct counted *r)
{
    count_fn *fn = c->fn;
    void *data = c->data;
    /* It ends by itself now. */
    if (c->pid)
        child_forget(c->pid);
    c->pid = 0;
    count_end(c);
    fn(data, r);
}

static void on_msg(void *data, struct link *l, struct msg *m)
{
    struct count *c = data;
    struct counted r;
    char why[100];
    uint32_t id = m->id;
    (void)l;
    if (!read_report(m, &r, why, sizeof why)) {
        log_error("count", "server=%s error=\"a bad report\"", c->server->name);
        kill(c->pid, SIGKILL);
        return;
    }
    if (c->fn) {
        tell(c, &r);
        return;
    }
    if (r.why)
        log_error("count", "server=%s error=\"%s\"", c->server->name, r.why);
    else
        set(c, id, &r);
    ask(c, false);
}

static void on_gone(void *data, struct link *l)
{
    struct count *c = data;
    link_free(l);
    c->link = NULL;
    if (c->fn)
        tell(c, &(struct counted){ .why = "the counting process has ended" });
}

static const struct link_events events = { .msg = on_msg, .gone = on_gone, .client = true };

static void start_again(void *data)
{
    struct count *c = data;
    struct err e;
    char line[400];
    c->again = NULL;
    if (run(c, &e) == 0) {
        c->again = loop_timer(c->server->super->loop, STALE_MS, stale, c);
        return;
    }
    log_error("count", "server=%s error=\"%s\"", c->server->name, err_text(&e, line, sizeof line));
    c->again_ms = c->again_ms * 2 < AGAIN_MOST_MS ? c->again_ms * 2 : AGAIN_MOST_MS;
    c->again = loop_timer(c->server->super->loop, c->again_ms, start_again, c);
}

/* What it knew last stays in the ledger, and what is written goes on being added. */
static void on_end(void *data, pid_t pid, int status)
{
    struct count *c = data;
    (void)pid;
    c->pid = 0;
    if (c->fn)
        return;
    log_warn("count.died", "server=%s end=\"%s\"", c->server->name, status_text(status));
    link_free(c->link);
    c->link = NULL;
    timer_free(c->again);
    c->again = loop_timer(c->server->super->loop, c->again_ms, start_again, c);
    c->again_ms = c->again_ms * 2 < AGAIN_MOST_MS ? c->again_ms * 2 : AGAIN_MOST_MS;
}

static int send_start(struct count *c, int link, int root)
{
    struct msg m MSG_FREE;
    msg_begin(&m, START_COUNT, 0);
    msg_put_str(&m, c->server->name);
    msg_put_u32(&m, (uint32_t)c->server->super->conf.log.level);
    msg_put_u32(&m, c->fn == NULL);
    msg_put_u32(&m, THREADS);
    msg_put_u32(&m, COUNT_WATCHES);
    msg_put_u32(&m, COUNT_RECONCILE_MS);
    msg_put_u32(&m, COUNT_LOOK_MS);
    msg_put_fd(&m, root);
    return msg_send(link, &m);
}

static int run(struct count *c, struct err *e)
{
    struct server *v = c->server;
    int pair[2];
    CLOSE_FD int root = disk_open(v, e);
    if (root < 0)
        return -1;
    if (io_pair(pair) < 0)
        return err_set(e, errno, "socketpair", "%s", "");
    CLOSE_FD int ours = pair[0], theirs = pair[1];
    if (v->gate)
        c->asked[0] = (struct asked){ 0, gate_written(v->gate) };
    if (send_start(c, ours, root) < 0)
        return err_set(e, errno, "count", "start message");
    c->pid = child_start(v->super, ROLE_COUNT_FILES, server_uid(v), theirs, on_end, c, e);
    if (c->pid < 0) {
        c->pid = 0;
        return -1;
    }
    c->ids = 0;
    c->link = link_new(v->super->loop, fd_steal(&ours), &events, c);
    return 0;
}

struct count *count_once(struct server *v, count_fn *fn, void *data, struct err *e)
{
    struct count *c = mem_new(sizeof *c);
    *c = (struct count){ .server = v, .fn = fn, .data = data };
    if (run(c, e) == 0)
        return c;
    free(c);
    return NULL;
}

struct count *count_keep(struct server *v)
{
    struct count *c = mem_new(sizeof *c);
    *c = (struct count){ .server = v, .again_ms = AGAIN_MS };
    start_again(c);
    return c;
}

void count_end(struct count *c)
{
    if (c == NULL)
        return;
    timer_free(c->again);
    link_free(c->link);
    if (c->pid) {
        child_forget(c->pid);
        kill(c->pid, SIGKILL);
    }
    free(c);
}

bool count_known(const struct count *c)
{
    return c->known;
}
