#include "sshd/supervisor/tool_store.h"

#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "sshd/supervisor/store.h"
#include "sshd/supervisor/store_aid.h"

static void rotated(void *data, const char *error, uint64_t texts, uint64_t broken)
{
    struct client *c = data;
    struct buf b BUF_FREE = BUF(1024);
    if (error[0] == '\0' && c->json) {
        json_begin(&b, NULL);
        json_u64(&b, "texts", texts);
        json_u64(&b, "broken", broken);
        json_end(&b);
        json_line(&b);
    } else if (error[0] == '\0') {
        buf_put_fmt(&b, "the secret key is a new one; %llu texts were sealed with it\n", (unsigned long long)texts);
        if (broken)
            buf_put_fmt(&b, "%llu texts did not open and were left as they are\n", (unsigned long long)broken);
    }
    client_put(c, (const char *)buf_head(&b), buf_size(&b));
    client_done(c, error[0] ? CODE_FAILED : 0, error);
    client_release(c);
}

void tool_key(struct client *c)
{
    bool force = c->argc == 2 && strcmp(c->argv[1], "force") == 0;
    if (strcmp(c->argv[0], "rotate") != 0 || (c->argc == 2 && !force)) {
        client_done(c, CODE_USAGE, "usage: key rotate [--force]");
        return;
    }
    client_hold(c);
    store_rotate(c->super, force, rotated, c);
}

void tool_store(struct client *c)
{
    if (strcmp(c->argv[0], "check") == 0)
        store_aid_check(c);
    else if (strcmp(c->argv[0], "backup") == 0 && c->fd >= 0)
        store_aid_copy(c);
    else
        client_done(c, CODE_USAGE, "usage: store check, store backup FILE [--force]");
}
