#include "quota/quotafs/control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/io.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/msg.h"
#include "quota/quotafs/fs.h"
#include "quota/quotafs_proto.h"

enum { TELL_MS = 1000, LINKS_MOST = 16 };

struct control {
    struct fs *fs;
    struct loop *loop;
    struct link *links;
    unsigned n;
};

struct link {
    struct link *next;
    struct control *control;
    struct watch *watch;
    int fd;
    bool watches;
    struct ledger_sum told;
};

static void drop(struct link *l)
{
    struct control *c = l->control;
    struct link **at = &c->links;
    while (*at != l)
        at = &(*at)->next;
    *at = l->next;
    c->n--;
    watch_free(l->watch);
    close(l->fd);
    free(l);
}

/* Whoever does not read loses the link. */
static bool tell(struct link *l, uint32_t id)
{
    struct msg m MSG_FREE;
    l->told = ledger_sum(&l->control->fs->ledger);
    msg_begin(&m, QUOTAFS_USAGE, id);
    msg_put_u64(&m, l->told.bytes);
    msg_put_u64(&m, l->told.inodes);
    msg_put_u64(&m, l->told.bytes_most);
    msg_put_u64(&m, l->told.inodes_most);
    msg_put_u32(&m, l->control->fs->base);
    return msg_send(l->fd, &m) == 0;
}

/* Each takes its fields; false ends the link. */
static bool on_use(struct link *l UNUSED, struct msg *m UNUSED)
{
    return true;
}

static bool on_limit(struct link *l, struct msg *m)
{
    uint64_t bytes = msg_get_u64(m), inodes = msg_get_u64(m);
    if (m->bad)
        return false;
    ledger_set(&l->control->fs->ledger, bytes, inodes);
    log_info("limit", "bytes=%llu inodes=%llu", (unsigned long long)bytes, (unsigned long long)inodes);
    return true;
}

static bool on_watch(struct link *l, struct msg *m UNUSED)
{
    return l->watches = true;
}

static bool on_end(struct link *l, struct msg *m UNUSED)
{
    loop_stop(l->control->loop);
    return true;
}

static const struct { uint16_t type; bool (*fn)(struct link *, struct msg *); } orders[] = {
    { QUOTAFS_USE, on_use }, { QUOTAFS_LIMIT, on_limit }, { QUOTAFS_WATCH, on_watch }, { QUOTAFS_END, on_end },
};

static bool obey(struct link *l, struct msg *m)
{
    for (size_t i = 0; i < countof(orders); i++)
        if (orders[i].type == m->type)
            return orders[i].fn(l, m) && msg_end(m) && (m->type == QUOTAFS_END || tell(l, m->id));
    return false;
}

static void heard(void *data, int fd, unsigned events UNUSED)
{
    struct link *l = data;
    struct msg m MSG_FREE;
    msg_begin(&m, 0, 0);
    int n = msg_recv_client(fd, &m);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0 || !obey(l, &m))
        drop(l);
}

static bool same(const struct ledger_sum *a, const struct ledger_sum *b)
{
    return a->bytes == b->bytes && a->inodes == b->inodes && a->bytes_most == b->bytes_most && a->inodes_most == b->inodes_most;
}

static void tell_watchers(void *data)
{
    struct control *c = data;
    struct ledger_sum now = ledger_sum(&c->fs->ledger);
    for (struct link *l = c->links, *next; l; l = next) {
        next = l->next;
        if (l->watches && !same(&now, &l->told) && !tell(l, 0))
            drop(l);
    }
    loop_timer(c->loop, TELL_MS, tell_watchers, c);
}

/* Who is root on this machine has no id in our namespace, and neither have the server's processes if they are of another server. */
static bool peer_ok(struct control *c, int fd)
{
    struct ucred who;
    socklen_t size = sizeof who;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) == 0 && who.uid == c->fs->strangers;
}

static void came(void *data, int listener, unsigned events UNUSED)
{
    struct control *c = data;
    CLOSE_FD int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    if (c->n >= LINKS_MOST || !peer_ok(c, fd)) {
        log_warn("link refused", "links=%u", c->n);
        return;
    }
    struct link *l = mem_new(sizeof *l);
    *l = (struct link){ .next = c->links, .control = c, .fd = fd_steal(&fd) };
    l->watch = loop_watch(c->loop, l->fd, LOOP_READ, heard, l);
    c->links = l;
    c->n++;
}

static void gone(void *data, int fd UNUSED, unsigned events UNUSED)
{
    loop_stop(((struct control *)data)->loop);
}

void control_run(struct fs *fs, int listener, int over)
{
    struct control c = { .fs = fs, .loop = loop_new() };
    loop_watch(c.loop, listener, LOOP_READ, came, &c);
    loop_watch(c.loop, over, LOOP_READ, gone, &c);
    loop_timer(c.loop, TELL_MS, tell_watchers, &c);
    loop_run(c.loop);
    loop_free(c.loop);
}
