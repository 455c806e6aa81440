#include "sshd/supervisor/told.h"

#include <stdlib.h>

#include "base/mem.h"
#include "quota/quotafs_proto.h"
#include "sshd/supervisor/disk.h"

struct told {
    struct server *server;
    struct link *link;
    uint64_t bytes, inodes;
};

static void on_msg(void *data, struct link *l UNUSED, struct msg *m)
{
    struct told *t = data;
    if (m->type != QUOTAFS_USAGE)
        return;
    uint64_t bytes = msg_get_u64(m), inodes = msg_get_u64(m);
    msg_get_u64(m);
    msg_get_u64(m);
    msg_get_u32(m);
    if (!msg_end(m))
        return;
    t->bytes = bytes;
    t->inodes = inodes;
}

static void on_gone(void *data, struct link *l UNUSED)
{
    struct server *v = ((struct told *)data)->server;
    told_end(v);
    disk_lost(v);
}

static const struct link_events events = { .msg = on_msg, .gone = on_gone, .client = true, .queue = 4 };

void told_begin(struct server *v, int link)
{
    struct msg m;
    told_end(v);
    struct told *t = mem_new(sizeof *t);
    *t = (struct told){ .server = v };
    t->link = link_new(v->super->loop, link, &events, t);
    v->told = t;
    msg_begin(&m, QUOTAFS_WATCH, 1);
    link_send(t->link, &m);
}

void told_end(struct server *v)
{
    if (v->told == NULL)
        return;
    link_free(v->told->link);
    free(v->told);
    v->told = NULL;
}

void told_used(const struct server *v, uint64_t *bytes, uint64_t *inodes)
{
    *bytes = v->told ? v->told->bytes : 0;
    *inodes = v->told ? v->told->inodes : 0;
}
