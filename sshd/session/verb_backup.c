#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/json.h"
#include "sshd/session/status.h"
#include "sshd/session/verbs.h"

enum { LABEL_MOST = 64, ID_MOST = 64, CREATE_MS = 3700000, STUCK_MS = 600000, PIECE = 128 * 1024 };

/* ---- create ---- */

static void created(struct exec *x, int code, const char *text, struct msg *m)
{
    if (!exec_ok(x, code, text))
        return;
    FREE_MEM char *id = msg_get_str(m);
    uint64_t size = msg_get_u64(m);
    msg_end(m);
    if (exec_json(x)) {
        BUF_FREE struct buf b = BUF(4096);
        json_begin(&b, NULL);
        json_str(&b, "id", id);
        json_str(&b, "server", x->server);
        json_u64(&b, "size", size);
        json_str(&b, "label", x->nargs ? x->args[0] : "");
        json_end(&b);
        json_line(&b);
        exec_flush(x, &b);
    } else {
        char a[32];
        exec_print(x, "%s\n", id);
        exec_note(x, "%s: backup made, %s", x->server, size_text(size, a, sizeof a));
    }
    exec_end(x, EXIT_DONE);
}

static bool label_ok(const char *label)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ._-";
    size_t len = strlen(label);
    return len <= LABEL_MOST && strspn(label, allowed) == len;
}

void verb_backup_create(struct exec *x)
{
    const char *label = x->nargs ? x->args[0] : "";
    if (!label_ok(label)) {
        exec_fail(x, EXIT_USAGE, "label '%s': allowed: up to %d letters, digits, space . _ -", esc(label), LABEL_MOST);
        return;
    }
    exec_deadline(x, CREATE_MS);
    exec_ask(x, OP_BACKUP_CREATE, x->server, 0, label, created);
}

/* ---- list ---- */

struct list { char **names; size_t n, at; uint64_t seen; bool head; };   /* `seen`: backups of the one at hand */

static void list_drop(struct exec *x)
{
    struct list *l = x->state;
    for (size_t i = 0; i < l->n; i++)
        free(l->names[i]);
    free(l->names);
    free(l);
}

struct backup { char *id, *server, *state, *label; uint64_t created, size; uint32_t locked; };

static void print(struct exec *x, const struct backup *k)
{
    struct list *l = x->state;
    if (exec_json(x)) {
        BUF_FREE struct buf b = BUF(16 * 1024);
        json_begin(&b, NULL);
        json_str(&b, "id", k->id);
        json_str(&b, "server", k->server);
        json_str(&b, "state", k->state);
        json_time(&b, "created", k->created);
        json_u64(&b, "size", k->size);
        json_str(&b, "label", k->label);
        json_bool(&b, "locked", k->locked);
        json_end(&b);
        json_line(&b);
        exec_flush(x, &b);
        return;
    }
    char when[32], size[32];
    if (!l->head)
        exec_print(x, "%-24s  %-16s  %-8s  %-20s  %8s  %s\n", "id", "server", "state", "created", "size", "label");
    l->head = true;
    exec_print(x, "%-24s  %-16s  %-8s  %-20s  %8s  %s%s\n", k->id, k->server, k->state, wall_text((int64_t)k->created, when, sizeof when),
               size_text(k->size, size, sizeof size), esc(k->label), k->locked ? " (locked)" : "");
}

static void list_next(struct exec *x);

static void listed(struct exec *x, int code, const char *text, struct msg *m)
{
    struct list *l = x->state;
    if (!exec_ok(x, code, text))
        return;
    uint32_t n = msg_get_u32(m);
    l->seen = n ? l->seen + n : 0;
    l->at += n == 0;
    for (uint32_t i = 0; i < n; i++) {
        struct backup k = { .id = msg_get_str(m) };
        k.server = msg_get_str(m);
        k.state = msg_get_str(m);
        k.created = msg_get_u64(m);
        k.size = msg_get_u64(m);
        k.label = msg_get_str(m);
        k.locked = msg_get_u32(m);
        print(x, &k);
        free(k.id);
        free(k.server);
        free(k.state);
        free(k.label);
    }
    msg_end(m);
    list_next(x);
}

static void list_next(struct exec *x)
{
    struct list *l = x->state;
    if (l->at == l->n)
        exec_end(x, EXIT_DONE);
    else
        exec_ask(x, OP_BACKUP_LIST, l->names[l->at], l->seen, NULL, listed);
}

static void list_add(struct list *l, const char *name)
{
    l->names = mem_grow(l->names, l->n + 1, sizeof *l->names);
    l->names[l->n++] = mem_str(name);
}

void verb_backup_list(struct exec *x)
{
    struct list *l = mem_new(sizeof *l);
    x->state = l;
    x->drop = list_drop;
    size_t n;
    const struct server_right *r = session_servers(x->session, &n);
    if (x->server)
        list_add(l, x->server);
    for (size_t i = 0; i < n && x->server == NULL; i++)
        if (r[i].rights & RIGHT_BACKUP_READ)
            list_add(l, r[i].name);
    list_next(x);
}

/* ---- get ---- */

struct get { int fd; uint64_t left; };

static void get_drop(struct exec *x)
{
    struct get *g = x->state;
    if (g->fd >= 0)
        close(g->fd);
    free(g);
}

/* As much as the queue takes; comes again when there is room.  The deadline is one without progress. */
static void get_room(struct exec *x)
{
    struct get *g = x->state;
    while (channel_room(x->channel) >= PIECE) {
        uint8_t *at = channel_reserve(x->channel, PIECE);
        ssize_t n = at ? read(g->fd, at, PIECE) : -1;
        if (n < 0) {
            exec_fail(x, EXIT_FAILED, "the backup cannot be read");
            return;
        }
        channel_wrote(x->channel, (size_t)n);
        if (n == 0) {
            if (g->left > 0)
                exec_fail(x, EXIT_FAILED, "the backup is shorter than it should be: %llu bytes are missing", (unsigned long long)g->left);
            else
                exec_end(x, EXIT_DONE);
            return;
        }
        g->left -= (uint64_t)n < g->left ? (uint64_t)n : g->left;
    }
    exec_deadline(x, STUCK_MS);
}

static void got(struct exec *x, int code, const char *text, struct msg *m)
{
    if (!exec_ok(x, code, text))
        return;
    struct get *g = mem_new(sizeof *g);
    g->left = msg_get_u64(m);
    g->fd = msg_get_fd(m);
    msg_end(m);
    x->state = g;
    x->drop = get_drop;
    x->room = get_room;
    get_room(x);
}

void verb_backup_get(struct exec *x)
{
    if (exec_terminal(x)) {
        exec_fail(x, EXIT_USAGE, "an archive is no text: redirect it, without -t: ssh ... %s > FILE.tar.zst", "backup get ID");
        return;
    }
    if (strlen(x->args[0]) > ID_MOST) {
        exec_fail(x, EXIT_USAGE, "no backup has such an id; 'backup list' shows them");
        return;
    }
    exec_deadline(x, STUCK_MS);
    exec_ask(x, OP_BACKUP_GET, x->server, 0, x->args[0], got);
}
