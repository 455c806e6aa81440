#include "sshd/supervisor/tool_ban.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "sshd/supervisor/source.h"
#include "sshd/supervisor/store.h"
#include "sshd/supervisor/tool_client.h"

enum { FLUSH = 32 * 1024 };

struct listing { struct client *client; struct buf *b; };

static void put(void *data, const struct source_state *st)
{
    struct listing *l = data;
    struct buf *b = l->b;
    char since[24] = "", until[24] = "";
    if (l->client->json) {
        json_begin(b, NULL);
        json_str(b, "source", source_text(st->source));
        json_bool(b, "refused", st->refused);
        json_str(b, "why", st->why ? penalty_word(st->why) : NULL);
        json_time(b, "since", (uint64_t)st->since);
        json_time(b, "until", (uint64_t)st->until);
        json_u64(b, "turned_away", st->turned_away);
        json_u64(b, "keys", st->keys);
        json_u64(b, "passwords", st->passwords);
        json_u64(b, "connections", st->connections);
        json_end(b);
        json_line(b);
    } else if (st->refused)
        buf_put_fmt(b, "%-40s %-14s since %s until %s  %u turned away\n", source_text(st->source), penalty_word(st->why),
                    wall_text(st->since, since, sizeof since), wall_text(st->until, until, sizeof until), st->turned_away);
    else
        buf_put_fmt(b, "%-40s %-14s %u keys, %u passwords tried\n", source_text(st->source), "watched", st->keys, st->passwords);
    if (buf_size(b) > FLUSH) {
        client_put(l->client, (const char *)buf_head(b), buf_size(b));
        buf_reset(b);
    }
}

static void list(struct client *c)
{
    struct buf b BUF_FREE = BUF(65536);
    struct listing l = { .client = c, .b = &b };
    source_list(c->super, put, &l);
    client_put(c, (const char *)buf_head(&b), buf_size(&b));
    client_done(c, 0, "");
}

static void refuse_words(struct client *c, const struct err *e)
{
    char text[400];
    client_done(c, CODE_USAGE, err_text(e, text, sizeof text));
}

static void rm(struct client *c)
{
    struct err e = { 0 };
    char text[80];
    int n = source_pardon(c->super, c->argv[1], &e);
    if (n < 0) {
        refuse_words(c, &e);
        return;
    }
    log_info("ban.rm", "source=%s n=%d", esc(c->argv[1]), n);
    if (n == 0 && strcmp(c->argv[1], "all") != 0)
        client_done(c, CODE_FAILED, "this source was not refused; what was counted against it is forgotten");
    else {
        int size = snprintf(text, sizeof text, "%d ban%s removed\n", n, n == 1 ? "" : "s");
        client_put(c, text, (size_t)size);
        client_done(c, 0, "");
    }
}

static void add(struct client *c)
{
    struct err e = { 0 };
    char *end;
    unsigned long long seconds = strtoull(c->argv[2], &end, 10);
    if (*end || c->argv[2][0] < '0' || c->argv[2][0] > '9' || seconds == 0 || seconds > SOURCE_BAN_MOST / 1000) {
        char text[80];
        snprintf(text, sizeof text, "seconds: allowed: 1 to %llu", SOURCE_BAN_MOST / 1000);
        client_done(c, CODE_USAGE, text);
    } else if (source_ban(c->super, c->argv[1], seconds * 1000, &e) < 0)
        refuse_words(c, &e);
    else
        client_done(c, 0, "");
}

static const struct { const char *name; unsigned argc; void (*run)(struct client *c); } words[] = {
    { "list", 1, list },
    { "rm", 2, rm },
    { "add", 3, add },
};

void tool_ban(struct client *c)
{
    for (size_t i = 0; i < countof(words); i++)
        if (strcmp(words[i].name, c->argv[0]) == 0 && words[i].argc == c->argc) {
            words[i].run(c);
            return;
        }
    client_done(c, CODE_USAGE, "usage: ban list, ban rm SOURCE, ban rm all, ban add SOURCE SECONDS");
}
