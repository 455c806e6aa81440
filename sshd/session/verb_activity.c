/* Who did what: the store says behind which record the last ones begin, then tells them page by page. */
#include <stdio.h>
#include <stdlib.h>

#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/json.h"
#include "sshd/session/status.h"
#include "sshd/session/verbs.h"

enum { RECORDS = 50, RECORDS_MOST = 10000, LINE_MOST = 64 * 1024, PIECE = 100 };

static const char *const words[ACTIVITY_COUNT] = {
    [ACTIVITY_NONE] = "unknown",      [ACTIVITY_WRITE] = "write",       [ACTIVITY_RENAME] = "rename",
    [ACTIVITY_REMOVE] = "remove",     [ACTIVITY_RMDIR] = "rmdir",       [ACTIVITY_MKDIR] = "mkdir",
    [ACTIVITY_CHMOD] = "chmod",       [ACTIVITY_TRUNCATE] = "truncate", [ACTIVITY_LINK] = "link",
    [ACTIVITY_SYMLINK] = "symlink",   [ACTIVITY_LOST] = "lost",         [ACTIVITY_START] = "start",
    [ACTIVITY_STOP] = "stop",         [ACTIVITY_RESTART] = "restart",   [ACTIVITY_KILL] = "kill",
    [ACTIVITY_CONSOLE] = "console",   [ACTIVITY_BACKUP_CREATE] = "backup.create", [ACTIVITY_BACKUP_GET] = "backup.get",
    [ACTIVITY_RSYNC] = "rsync",       [ACTIVITY_INPUT] = "input",             [ACTIVITY_SHELL] = "shell",
    [ACTIVITY_SHELL_END] = "shell.end",
};

struct record {
    uint64_t id, at, number;
    char *account, *address, *server;   /* owned */
    const uint8_t *path, *other;        /* of the message */
    size_t npath, nother;
    uint32_t action, flags, times;
};

struct listing { uint64_t id, left; bool head; };

static void drop(struct exec *x)
{
    free(x->state);
}

/* Whole, however long: the log's helper cuts what is longer than a line of the log.  A path's blanks are marked, those of a typed line stay. */
static void put_escaped(struct buf *b, const uint8_t *bytes, size_t size, bool typed)
{
    for (size_t at = 0; at < size; at += PIECE) {
        size_t n = size - at < PIECE ? size - at : PIECE;
        FREE_MEM char *piece = mem_strn(bytes + at, n);
        buf_put_fmt(b, "%s", typed ? esc_text(piece) : escn(bytes + at, n));
    }
}

static const char *word_of(const struct record *r)
{
    return words[r->action < ACTIVITY_COUNT ? r->action : ACTIVITY_NONE];
}

static void put_number(struct buf *b, const struct record *r)
{
    unsigned long long n = r->number;
    if (r->action == ACTIVITY_WRITE)
        buf_put_fmt(b, "%llu bytes", n);
    else if (r->action == ACTIVITY_CHMOD)
        buf_put_fmt(b, "to %04llo", n);
    else if (r->action == ACTIVITY_TRUNCATE)
        buf_put_fmt(b, "to %llu bytes", n);
    else if (r->action == ACTIVITY_SHELL_END)
        buf_put_fmt(b, "exit code %llu", n);
    else if (r->action == ACTIVITY_LOST)
        buf_put_fmt(b, "%llu events lost", n);
    else if (r->flags & ACTIVITY_MORE)
        buf_put_fmt(b, "%llu lines more", n);
    else if (r->nother > 0) {
        buf_put_fmt(b, "to ");
        put_escaped(b, r->other, r->nother, false);
    }
}

static void put_detail(struct buf *b, const struct record *r)
{
    static const struct { uint32_t flag; const char *word; } flags[] = {
        { ACTIVITY_CREATED, "created" }, { ACTIVITY_EMPTIED, "truncated" }, { ACTIVITY_UNFINISHED, "unfinished" }, { ACTIVITY_WATCHED, "read-only" },
    };
    size_t start = buf_size(b);
    put_number(b, r);
    for (size_t i = 0; i < countof(flags); i++)
        if (r->flags & flags[i].flag)
            buf_put_fmt(b, "%s%s", buf_size(b) > start ? ", " : "", flags[i].word);
    if (r->times > 1)
        buf_put_fmt(b, "%s%u times", buf_size(b) > start ? ", " : "", r->times);
}

static void put_json(struct buf *b, const struct record *r)
{
    json_begin(b, NULL);
    json_time(b, "time", r->at);
    json_str(b, "account", r->account);
    json_str(b, "address", r->address);
    json_str(b, "server", r->server);
    json_str(b, "action", word_of(r));
    json_bytes(b, "path", r->path, r->npath);
    json_bytes(b, "other", r->other, r->nother);
    json_u64(b, "number", r->number);
    json_bool(b, "created", r->flags & ACTIVITY_CREATED);
    json_bool(b, "truncated", r->flags & ACTIVITY_EMPTIED);
    json_bool(b, "unfinished", r->flags & ACTIVITY_UNFINISHED);
    json_bool(b, "read_only", r->flags & ACTIVITY_WATCHED);
    json_bool(b, "hidden", r->flags & ACTIVITY_HIDDEN);
    json_u64(b, "times", r->times);
    json_end(b);
    json_line(b);
}

static void put_line(struct buf *b, const struct record *r)
{
    char when[32];
    buf_put_fmt(b, "%-24s  %-12s  %-15s  %-12s  %-8s  ", wall_text((int64_t)r->at, when, sizeof when), r->account, r->address, r->server, word_of(r));
    put_escaped(b, r->path, r->npath, r->action == ACTIVITY_INPUT);
    if (r->npath == 0)
        buf_put_u8(b, '-');
    buf_put_fmt(b, "  ");
    put_detail(b, r);
    /* Nothing to say: no blanks at the end. */
    while (b->len > b->off && b->p[b->len - 1] == ' ')
        b->len--;
    buf_put_u8(b, '\n');
}

static void print(struct exec *x, const struct record *r)
{
    struct listing *l = x->state;
    BUF_FREE struct buf b = BUF(LINE_MOST);
    if (exec_json(x))
        put_json(&b, r);
    else {
        if (!l->head)
            exec_print(x, "%-24s  %-12s  %-15s  %-12s  %-8s  %s  %s\n", "time", "account", "address", "server", "action", "path", "detail");
        put_line(&b, r);
    }
    l->head = true;
    exec_flush(x, &b);
}

static void get(struct record *r, struct msg *m)
{
    r->id = msg_get_u64(m);
    r->at = msg_get_u64(m);
    r->account = msg_get_str(m);
    r->address = msg_get_str(m);
    r->server = msg_get_str(m);
    r->action = msg_get_u32(m);
    r->path = msg_get_bytes(m, &r->npath);
    r->other = msg_get_bytes(m, &r->nother);
    r->number = msg_get_u64(m);
    r->flags = msg_get_u32(m);
    r->times = msg_get_u32(m);
}

static void ask(struct exec *x);

static void told(struct exec *x, int code, const char *text, struct msg *m)
{
    struct listing *l = x->state;
    if (!exec_ok(x, code, text))
        return;
    uint32_t n = msg_get_u32(m);
    for (uint32_t i = 0; i < n; i++) {
        struct record r;
        get(&r, m);
        l->id = r.id;
        /* What came while we asked was not asked for. */
        if (l->left > 0) {
            print(x, &r);
            l->left--;
        }
        free(r.account);
        free(r.address);
        free(r.server);
    }
    msg_end(m);
    if (n == 0 || l->left == 0)
        exec_end(x, EXIT_DONE);
    else if (channel_room(x->channel) >= CHANNEL_LOW)
        ask(x);
}

static void ask(struct exec *x)
{
    const struct listing *l = x->state;
    exec_ask(x, OP_ACTIVITY, x->server, l->id, NULL, told);
}

static void room(struct exec *x)
{
    if (x->asked == 0)
        ask(x);
}

static void begins(struct exec *x, int code, const char *text, struct msg *m)
{
    struct listing *l = x->state;
    if (!exec_ok(x, code, text))
        return;
    l->id = msg_get_u64(m);
    msg_end(m);
    x->room = room;
    ask(x);
}

void verb_activity(struct exec *x)
{
    uint64_t wanted = x->options & OPTION_LINES ? x->lines : RECORDS;
    if (wanted == 0 || wanted > RECORDS_MOST) {
        exec_fail(x, EXIT_USAGE, "-n: %llu records cannot be listed; allowed: 1 to %d", (unsigned long long)wanted, RECORDS_MOST);
        return;
    }
    struct listing *l = mem_new(sizeof *l);
    l->left = wanted;
    x->state = l;
    x->drop = drop;
    exec_ask(x, OP_ACTIVITY, x->server, wanted, "last", begins);
}
