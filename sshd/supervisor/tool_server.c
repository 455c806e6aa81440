#include "sshd/supervisor/tool_server.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "sshd/supervisor/server.h"
#include "sshd/supervisor/store.h"
#include "sshd/supervisor/tool_client.h"

static void put_address(struct buf *b, const char *key, uint32_t a)
{
    if (a)
        buf_put_fmt(b, "%s %u.%u.%u.%u\n", key, a >> 24, a >> 16 & 255, a >> 8 & 255, a & 255);
}

static void show(struct client *c, struct server *v)
{
    struct buf b BUF_FREE = BUF(65536);
    char six[INET6_ADDRSTRLEN];
    buf_put_fmt(&b, "server %s\nstate %s\n", v->name, server_state_word(v->state));
    if (v->pid)
        buf_put_fmt(&b, "pid %d\n", (int)v->pid);
    if (v->reason[0])
        buf_put_fmt(&b, "reason %s\n", v->reason);
    buf_put_fmt(&b, "uids %u to %u\n", server_uid_base(v), server_uid_base(v) + 65535);
    put_address(&b, "address", server_inside_address(v));
    put_address(&b, "gateway", server_host_address(v));
    server_inside6_address(v, six);
    if (six[0])
        buf_put_fmt(&b, "address6 %s\n", six);
    if (c->super->cgroup)
        buf_put_fmt(&b, "cgroup %s/%s\n", c->super->cgroup, v->name);
    buf_put_fmt(&b, "files %s/servers/%s\n", c->super->conf.paths.state, v->name);
    client_put(c, (const char *)buf_head(&b), buf_size(&b));
    client_done(c, 0, "");
}

static const struct { const char *name; void (*run)(struct client *c, struct server *v); } words[] = {
    { "show", show },
};

void tool_server(struct client *c)
{
    struct server *v = server_find(c->super, c->argv[1]);
    if (v == NULL || !v->numbered) {
        client_done(c, CODE_FAILED, "no such server; see 'holdfast status'");
        return;
    }
    struct buf allowed BUF_FREE = BUF(4096);
    for (size_t i = 0; i < countof(words); i++) {
        if (strcmp(words[i].name, c->argv[0]) == 0) {
            words[i].run(c, v);
            return;
        }
        buf_put_fmt(&allowed, " %s", words[i].name);
    }
    FREE_MEM char *why = mem_fmt("unknown word; allowed:%.*s", (int)buf_size(&allowed), (const char *)buf_head(&allowed));
    client_done(c, CODE_USAGE, why);
}
