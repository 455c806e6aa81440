#include "sshd/supervisor/tool_quota.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "sshd/proto.h"
#include "sshd/supervisor/count.h"
#include "sshd/supervisor/disk.h"
#include "sshd/supervisor/server.h"
#include "sshd/supervisor/store.h"
#include "sshd/supervisor/tool_client.h"
#include "sshd/supervisor/tool_quota_migrate.h"
#include "sshd/supervisor/usage_disk.h"

enum { TRIES = 3, OUTPUT_MOST = 4 << 20 };

static const char *backend(const struct server *v)
{
    return disk_backend(v)[0] ? disk_backend(v) : "?";
}

static void flush(struct client *c, struct buf *b)
{
    client_put(c, (const char *)buf_head(b), buf_size(b));
    buf_free(b);
}

/* ---- list ---- */

static void list_json(struct buf *b, const struct server *v, bool up, uint64_t used, uint64_t inodes)
{
    json_begin(b, NULL);
    json_str(b, "server", v->name);
    json_str(b, "backend", backend(v));
    json_bool(b, "up", up);
    json_u64(b, "used", used);
    json_u64(b, "limit", v->disk_limit);
    json_u64(b, "inodes_used", inodes);
    json_u64(b, "inodes_limit", v->inodes_limit);
    json_u64(b, "percent", up ? v->full : 0);
    json_end(b);
    json_line(b);
}

static void list_one(struct buf *b, bool json, struct server *v)
{
    uint64_t inodes, used = server_disk_used(v, &inodes);
    bool up = v->disk == DISK_UP;
    if (json)
        list_json(b, v, up, used, inodes);
    else if (up)
        buf_put_fmt(b, "%-32s %-8s %15" PRIu64 " of %15" PRIu64 " bytes %10" PRIu64 " of %10" PRIu64 " inodes %3u%%\n", v->name, backend(v), used,
                    v->disk_limit, inodes, v->inodes_limit, v->full);
    else
        buf_put_fmt(b, "%-32s %-8s its disk is not mounted\n", v->name, backend(v));
}

static bool meant(const struct client *c, const struct server *v)
{
    return c->argc > 1 ? strcmp(v->name, c->argv[1]) == 0 : conf_server(&c->super->conf, v->name) != NULL;
}

static void list(struct client *c)
{
    struct buf b = BUF(OUTPUT_MOST);
    for (struct server *v = c->super->servers; v; v = v->next)
        if (meant(c, v))
            list_one(&b, c->json, v);
    flush(c, &b);
    client_done(c, 0, "");
}

/* ---- check ---- */

struct checking {
    struct client *client;
    struct count *count;
    struct server *at;
    char (*names)[NAME_MOST + 1];
    size_t n, next;
    unsigned tries, wrong;
    uint64_t used, inodes;     /* before the count */
};

static void next(struct checking *k);

static void end(struct checking *k, const char *why)
{
    struct client *c = k->client;
    char text[120];
    snprintf(text, sizeof text, "%u server%s where the numbers differ or could not be compared", k->wrong, k->wrong == 1 ? "" : "s");
    client_done(c, why || k->wrong ? CODE_FAILED : 0, why ? why : k->wrong ? text : "");
    c->left = NULL;
    count_end(k->count);
    free(k->names);
    free(k);
    client_release(c);
}

static void left(void *data)
{
    end(data, "");
}

/* What one server came to.  The kernel's numbers before and after the count: what was written meanwhile lies between. */
struct found {
    const struct server *v;
    const struct counted *c;
    uint64_t low, high, inodes_low, inodes_high, leased;
    struct usage_apart apart;
    int64_t off, inodes_off;   /* the count, without what is apart, below low or above high */
    const char *why;           /* "" when equal */
};

static int64_t outside(uint64_t n, uint64_t a, uint64_t b)
{
    uint64_t low = a < b ? a : b, high = a < b ? b : a;
    return n < low ? -(int64_t)(low - n) : n > high ? (int64_t)(n - high) : 0;
}

static const char *reason(const struct found *f)
{
    if (f->c->why)
        return f->c->why;
    if (f->c->unseen)
        return "directories that the server's own user cannot read were not counted";
    if (f->c->twice)
        return "more inodes with several names than are remembered: some may be counted twice";
    if (f->off < 0)
        return "used but in no file: files that were deleted and are still open, or damage";
    if (f->off > 0)
        return "in files but not used: blocks that files share (extended attributes), or changes while it was counted";
    return f->inodes_off ? "inodes: files that were deleted and are still open, or damage" : "";
}

static void judge(struct found *f)
{
    uint64_t bytes = f->c->bytes > f->apart.bytes ? f->c->bytes - f->apart.bytes : 0;
    uint64_t inodes = f->c->inodes > f->apart.inodes ? f->c->inodes - f->apart.inodes : 0;
    f->off = outside(bytes, f->low, f->high);
    /* Where the file system has no table of them there is nothing to compare. */
    f->inodes_off = f->v->inodes_limit ? outside(inodes, f->inodes_low, f->inodes_high) : 0;
    f->why = reason(f);
}

static void put_json(struct buf *b, const struct found *f)
{
    json_begin(b, NULL);
    json_str(b, "server", f->v->name);
    json_str(b, "backend", backend(f->v));
    json_u64(b, "used", f->high);
    json_u64(b, "inodes_used", f->inodes_high);
    json_u64(b, "counted", f->c->bytes);
    json_u64(b, "inodes_counted", f->c->inodes);
    json_u64(b, "apart", f->apart.bytes);
    json_u64(b, "inodes_apart", f->apart.inodes);
    json_i64(b, "difference", f->off);
    json_i64(b, "inodes_difference", f->inodes_off);
    json_u64(b, "unseen", f->c->unseen);
    json_u64(b, "leased", f->leased);
    json_bool(b, "equal", f->why[0] == '\0');
    json_str(b, "reason", f->why[0] ? f->why : NULL);
    json_end(b);
    json_line(b);
}

static void put_text(struct buf *b, const struct found *f)
{
    buf_put_fmt(b, "%s: %s\n", f->v->name, f->why[0] ? "DIFFERS" : "equal");
    buf_put_fmt(b, "  used       %15" PRIu64 " bytes %10" PRIu64 " inodes  (%s)\n", f->high, f->inodes_high,
                f->v->usage == DISK_COUNT_LEDGER ? "the ledger" : "the kernel");
    buf_put_fmt(b, "  counted    %15" PRIu64 " bytes %10" PRIu64 " inodes\n", f->c->bytes, f->c->inodes);
    if (f->apart.words[0])
        buf_put_fmt(b, "  apart      %15" PRIu64 " bytes %10" PRIu64 " inodes  (%s)\n", f->apart.bytes, f->apart.inodes, f->apart.words);
    buf_put_fmt(b, "  difference %15" PRId64 " bytes %10" PRId64 " inodes\n", f->off, f->inodes_off);
    buf_put_fmt(b, "  in leases  %15" PRIu64 " bytes\n", f->leased);
    if (f->why[0])
        buf_put_fmt(b, "  why        %s\n", f->why);
}

static void put(struct checking *k, const struct found *f)
{
    struct buf b = BUF(8192);
    if (k->client->json)
        put_json(&b, f);
    else
        put_text(&b, f);
    flush(k->client, &b);
    k->wrong += f->why[0] != '\0';
}

static void begin(struct checking *k);

static void counted(void *data, const struct counted *c)
{
    struct checking *k = data;
    struct server *v = k->at;
    struct found f = { .v = v, .c = c, .low = k->used, .inodes_low = k->inodes, .apart = usage_apart(v) };
    k->count = NULL;
    f.high = server_disk_used(v, &f.inodes_high);
    f.leased = v->gate ? gate_leased(v->gate) : 0;
    judge(&f);
    /* Something was at work: the next time it may not be. */
    bool moved = f.low != f.high || f.inodes_low != f.inodes_high || f.leased > 0;
    if ((f.off || f.inodes_off) && moved && ++k->tries < TRIES) {
        begin(k);
        return;
    }
    put(k, &f);
    next(k);
}

static void skip(struct checking *k, const char *name, const char *why)
{
    struct buf b = BUF(8192);
    if (!k->client->json)
        buf_put_fmt(&b, "%s: not checked: %s\n", name, why);
    else {
        json_begin(&b, NULL);
        json_str(&b, "server", name);
        json_null(&b, "equal");
        json_str(&b, "reason", why);
        json_end(&b);
        json_line(&b);
    }
    flush(k->client, &b);
    /* Asked for by its name it has to be checked; else a disk that is not up is nothing wrong. */
    k->wrong += k->client->argc > 1;
}

static void begin(struct checking *k)
{
    struct err e;
    char line[400];
    k->used = server_disk_used(k->at, &k->inodes);
    k->count = count_once(k->at, counted, k, &e);
    if (k->count)
        return;
    skip(k, k->at->name, err_text(&e, line, sizeof line));
    k->wrong += k->client->argc <= 1;
    next(k);
}

static void next(struct checking *k)
{
    while (k->next < k->n) {
        const char *name = k->names[k->next++];
        k->at = server_find(k->client->super, name);
        k->tries = 0;
        if (k->at && k->at->disk == DISK_UP) {
            begin(k);
            return;
        }
        skip(k, name, "its disk is not mounted");
    }
    end(k, NULL);
}

static void ready(void *data, const char *error)
{
    struct checking *k = data;
    if (k->client->gone)
        end(k, "");
    else if (error)
        end(k, error);
    else {
        k->client->left = left;
        k->client->left_data = k;
        next(k);
    }
}

static void check(struct client *c)
{
    struct checking *k = mem_new(sizeof *k);
    *k = (struct checking){ .client = c };
    for (struct server *v = c->super->servers; v; v = v->next) {
        if (!meant(c, v))
            continue;
        k->names = mem_grow(k->names, k->n + 1, sizeof *k->names);
        memcpy(k->names[k->n++], v->name, sizeof v->name);
        k->at = v;
    }
    client_hold(c);
    if (c->argc > 1)
        disk_need(k->at, ready, k);
    else
        ready(k, NULL);
}

/* ---- words ---- */

static void migrate(struct client *c)
{
    tool_quota_migrate(c, server_find(c->super, c->argv[1]));
}

static const struct { const char *word; unsigned least, most; void (*run)(struct client *c); } words[] = {
    { "list", 1, 2, list }, { "check", 1, 2, check }, { "migrate", 3, 4, migrate },
};

void tool_quota(struct client *c)
{
    if (c->argc > 1 && (server_find(c->super, c->argv[1]) == NULL || conf_server(&c->super->conf, c->argv[1]) == NULL)) {
        client_done(c, CODE_FAILED, "no such server; see 'holdfast status'");
        return;
    }
    for (size_t i = 0; i < countof(words); i++)
        if (strcmp(words[i].word, c->argv[0]) == 0 && c->argc >= words[i].least && c->argc <= words[i].most) {
            words[i].run(c);
            return;
        }
    client_done(c, CODE_USAGE, "usage: quota list|check [SERVER], quota migrate SERVER BACKEND [--dry-run]");
}
