#include "sshd/supervisor/tool_image.h"

#include <string.h>

#include "base/io.h"
#include "base/mem.h"
#include "sshd/supervisor/image.h"
#include "sshd/supervisor/import.h"
#include "sshd/supervisor/store.h"
#include "sshd/supervisor/tool_client.h"

struct users { struct buf *b; bool json; unsigned n; };

static void put_user(void *data, const char *server, bool running)
{
    struct users *u = data;
    if (u->json)
        buf_put_fmt(u->b, "%s\"%s\"", u->n ? "," : "", server);
    else
        buf_put_fmt(u->b, "%s%s%s", u->n ? ", " : "  used by ", server, running ? " (until it stops)" : "");
    u->n++;
}

static void put_image(struct client *c, const char *name, struct buf *b)
{
    struct image_about a = { 0 };
    char created[24];
    struct users u = { .b = b, .json = c->json };
    if (image_read_about(&c->super->conf, name, &a) < 0)
        log_warn("image.about", "image=%s error=\"its file 'about' cannot be read\"", name);
    wall_text(a.created, created, sizeof created);
    if (c->json)
        buf_put_fmt(b, "{\"image\":\"%s\",\"size\":%llu,\"files\":%llu,\"created\":\"%s\",\"servers\":[", name, (unsigned long long)a.bytes,
                    (unsigned long long)a.files, created);
    else
        buf_put_fmt(b, "%-32s %8llu MiB %8llu files  %s", name, (unsigned long long)((a.bytes + (1 << 20) - 1) >> 20),
                    (unsigned long long)a.files, created);
    image_users(c->super, name, put_user, &u);
    buf_put_fmt(b, c->json ? "]}\n" : "\n");
}

static void list(struct client *c)
{
    struct buf b BUF_FREE = BUF(4 << 20);
    size_t n;
    char **names = image_names(&c->super->conf, &n);
    for (size_t i = 0; i < n; i++)
        put_image(c, names[i], &b);
    image_names_free(names, n);
    client_put(c, (const char *)buf_head(&b), buf_size(&b));
    client_done(c, 0, "");
}

static void import(struct client *c)
{
    if (c->fd < 0)
        client_done(c, CODE_USAGE, "no archive came with the request");
    else
        import_begin(c, c->argv[1], c->argv[2], c->fd);
}

static void rm(struct client *c)
{
    struct buf b BUF_FREE = BUF(65536);
    struct users u = { .b = &b };
    image_users(c->super, c->argv[1], put_user, &u);
    FREE_MEM char *why = u.n ? mem_fmt("image %s is%.*s: give the servers another one first", c->argv[1], (int)buf_size(&b) - 1,
                                       (const char *)buf_head(&b) + 1) : NULL;
    if (why)
        client_done(c, CODE_STATE, why);
    else
        import_remove(c, c->argv[1]);
}

static const struct { const char *name; unsigned argc; void (*run)(struct client *c); } words[] = {
    { "list", 1, list },
    { "import", 3, import },
    { "rm", 2, rm },
};

void tool_image(struct client *c)
{
    for (size_t i = 0; i < countof(words); i++) {
        if (strcmp(words[i].name, c->argv[0]) != 0 || words[i].argc != c->argc)
            continue;
        if (c->argc > 1 && (!name_ok(c->argv[1]) || image_is_host(c->argv[1])))
            client_done(c, CODE_USAGE, "bad name; allowed: 1 to 32 of a-z 0-9 . _ -, the first a letter or digit; not 'host', the machine's own");
        else
            words[i].run(c);
        return;
    }
    client_done(c, CODE_USAGE, "usage: image list, image import NAME FILE, image rm NAME");
}
