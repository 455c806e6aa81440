#include "sshd/supervisor/worker.h"

#include <errno.h>
#include <stdlib.h>

#include "base/io.h"
#include "base/mem.h"
#include "sshd/proto.h"
#include "sshd/supervisor/child.h"
#include "sshd/supervisor/disk.h"

enum { WORKERS_PER_SESSION = 40 };

struct worker {
    struct server *server;
    struct super *super;
    uint64_t session;
    unsigned slot;
};

static void on_end(void *data, pid_t pid, int status)
{
    (void)pid;
    struct worker *w = data;
    gate_slot_drop(w->server->gate, w->slot);
    w->server->workers--;
    struct session *c = conn_find(w->super, w->session);
    if (c)
        c->workers--;
    if (status != 0)
        log_warn("files.died", "session=%llu server=%s end=\"%s\"", (unsigned long long)w->session, w->server->name,
                 status_text(status));
    server_tidy(w->server);
    free(w);
}

static int start(struct super *s, struct session *c, struct server *v, uint32_t rights, int slot, int root, struct err *e)
{
    int pair[2];
    if (io_pair(pair) < 0)
        return err_set(e, errno, "socketpair", "%s", "");
    CLOSE_FD int ours = pair[0], theirs = pair[1];
    struct msg m MSG_FREE;
    msg_begin(&m, START_FILES, 0);
    msg_put_str(&m, v->name);
    msg_put_u32(&m, rights);
    msg_put_u32(&m, (uint32_t)slot);
    msg_put_u32(&m, s->conf.limits.handles);
    msg_put_u64(&m, c->id);
    msg_put_u32(&m, (uint32_t)s->conf.log.level);
    msg_put_fd(&m, root);
    msg_put_fd(&m, v->gate_fd);
    if (msg_send(ours, &m) < 0)
        return err_set(e, errno, "files", "start message");
    struct worker *w = mem_new(sizeof *w);
    *w = (struct worker){ .server = v, .super = s, .session = c->id, .slot = (unsigned)slot };
    if (child_start(s, ROLE_FILES, server_uid(v), theirs, on_end, w, e) < 0) {
        free(w);
        return -1;
    }
    c->workers++;
    v->workers++;
    return fd_steal(&ours);
}

int worker_start(struct super *s, struct session *c, struct server *v, uint32_t rights, struct err *e)
{
    if (c->workers >= WORKERS_PER_SESSION)
        return err_set(e, EAGAIN, "files", "too many at once on this connection");
    CLOSE_FD int root = disk_open(v, e);
    if (root < 0)
        return -1;
    int slot = gate_slot_take(v->gate);
    if (slot < 0)
        return err_set(e, EAGAIN, "files", "too many at once on this server");
    int link = start(s, c, v, rights, slot, root, e);
    if (link < 0)
        gate_slot_drop(v->gate, (unsigned)slot);
    return link;
}
