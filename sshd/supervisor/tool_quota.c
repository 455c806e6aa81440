#include "sshd/supervisor/tool_quota.h"

#include <string.h>

#include "sshd/supervisor/server.h"
#include "sshd/supervisor/store.h"
#include "sshd/supervisor/tool_client.h"
#include "sshd/supervisor/tool_quota_migrate.h"

static const struct { const char *name; unsigned least, most; void (*run)(struct client *c, struct server *v); } words[] = {
    { "migrate", 3, 4, tool_quota_migrate },
};

void tool_quota(struct client *c)
{
    struct server *v = server_find(c->super, c->argv[1]);
    for (size_t i = 0; i < countof(words); i++) {
        if (strcmp(words[i].name, c->argv[0]) != 0 || c->argc < words[i].least || c->argc > words[i].most)
            continue;
        if (v && v->numbered && conf_server(&c->super->conf, v->name))
            words[i].run(c, v);
        else
            client_done(c, CODE_FAILED, "no such server; see 'holdfast status'");
        return;
    }
    client_done(c, CODE_USAGE, "usage: quota migrate SERVER BACKEND [--dry-run]");
}
