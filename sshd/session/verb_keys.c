/* `keys`: the account's keys as the store lists, adds and removes them. */
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "sshd/session/conn.h"
#include "sshd/session/verbs.h"

/* ---- list ---- */

struct key_row {
    char *fingerprint, *type, *label, *from, *options;
    uint64_t number, added, used;
    uint32_t flags;
};

static void row_get(struct key_row *k, struct msg *m)
{
    k->fingerprint = msg_get_str(m);
    k->type = msg_get_str(m);
    k->label = msg_get_str(m);
    k->added = msg_get_u64(m);
    k->used = msg_get_u64(m);
    k->from = msg_get_str(m);
    k->flags = msg_get_u32(m);
    k->options = msg_get_str(m);
}

static void row_free(struct key_row *k)
{
    free(k->fingerprint);
    free(k->type);
    free(k->label);
    free(k->from);
    free(k->options);
}

static const char *origin(const struct key_row *k)
{
    return k->flags & KEYS_LIST_OWN ? "own" : "ini";
}

static void row_json(struct exec *x, const struct key_row *k)
{
    BUF_FREE struct buf b = BUF(64 * 1024);
    json_begin(&b, NULL);
    json_u64(&b, "number", k->number);
    json_str(&b, "fingerprint", k->fingerprint);
    json_str(&b, "type", k->type);
    json_str(&b, "label", k->flags & KEYS_LIST_FORGOTTEN ? NULL : k->label);
    json_str(&b, "origin", origin(k));
    json_time(&b, "added", k->added);
    json_time(&b, "last_used", k->used);
    json_str(&b, "last_from", *k->from ? k->from : NULL);
    json_str(&b, "options", *k->options ? k->options : NULL);
    json_bool(&b, "in_use", k->flags & KEYS_LIST_IN_USE);
    json_end(&b);
    json_line(&b);
    exec_flush(x, &b);
}

static void row_print(struct exec *x, const struct key_row *k)
{
    char added[32], used[32];
    bool never = k->used == 0;
    exec_print(x, "%llu  %s %s %s%s\n", (unsigned long long)k->number, k->type, k->fingerprint,
               k->flags & KEYS_LIST_FORGOTTEN ? "(its label cannot be read)" : k->label, k->flags & KEYS_LIST_IN_USE ? "  (in use)" : "");
    exec_print(x, "   %s, added %s, %s%s%s%s\n", k->flags & KEYS_LIST_OWN ? "your own" : "set by the admin",
               wall_text((int64_t)k->added, added, sizeof added), never ? "never used" : "last used ",
               never ? "" : wall_text((int64_t)k->used, used, sizeof used), *k->from ? " from " : "", k->from);
    if (*k->options)
        exec_print(x, "   %s\n", k->options);
}

struct list { uint64_t seen; };

static void list_drop(struct exec *x)
{
    free(x->state);
}

static void listed(struct exec *x, int code, const char *text, struct msg *m)
{
    struct list *l = x->state;
    if (!exec_ok(x, code, text))
        return;
    uint32_t n = msg_get_u32(m);
    for (uint32_t i = 0; i < n; i++) {
        struct key_row k = { .number = ++l->seen };
        row_get(&k, m);
        (exec_json(x) ? row_json : row_print)(x, &k);
        row_free(&k);
    }
    msg_end(m);
    if (n > 0)
        exec_ask(x, OP_KEYS_LIST, "", l->seen, NULL, listed);
    else
        exec_end(x, EXIT_DONE);
}

void verb_keys_list(struct exec *x)
{
    x->state = mem_new(sizeof(struct list));
    x->drop = list_drop;
    exec_ask(x, OP_KEYS_LIST, "", 0, NULL, listed);
}

/* ---- add ---- */

struct add {
    struct buf lines;
    bool asked;
};

static void add_drop(struct exec *x)
{
    struct add *a = x->state;
    buf_wipe(&a->lines);
    free(a);
}

static void added(struct exec *x, int code, const char *text, struct msg *m)
{
    if (!exec_ok(x, code, text))
        return;
    uint32_t n = msg_get_u32(m);
    for (uint32_t i = 0; i < n; i++) {
        FREE_MEM char *fingerprint = msg_get_str(m);
        FREE_MEM char *type = msg_get_str(m);
        exec_print(x, "added %s %s\n", type, fingerprint);
    }
    msg_end(m);
    exec_end(x, EXIT_DONE);
}

static void add_ask(struct exec *x)
{
    struct add *a = x->state;
    a->asked = true;
    if (a->lines.bad)
        exec_fail(x, EXIT_USAGE, "keys add: more than %d bytes", KEYS_FILE_MOST);
    else if (memchr(a->lines.p ? a->lines.p : (const uint8_t *)"", 0, a->lines.len))
        exec_fail(x, EXIT_USAGE, "keys add: there is a NUL byte in it");
    else {
        FREE_MEM char *text = mem_strn(a->lines.len ? (const void *)buf_head(&a->lines) : "", a->lines.len);
        exec_ask(x, OP_KEYS_ADD, "", 0, text, added);
    }
}

static size_t add_input(struct exec *x, const uint8_t *bytes, size_t size)
{
    struct add *a = x->state;
    if (!a->asked)
        buf_put(&a->lines, bytes, size);
    if (!a->asked && a->lines.bad)
        add_ask(x);
    return size;
}

static void add_input_end(struct exec *x)
{
    const struct add *a = x->state;
    if (!a->asked)
        add_ask(x);
}

void verb_keys_add(struct exec *x)
{
    struct add *a = mem_new(sizeof *a);
    a->lines = (struct buf)BUF(KEYS_FILE_MOST);
    x->state = a;
    x->drop = add_drop;
    x->input = add_input;
    x->input_end = add_input_end;
    for (size_t i = 0; i < x->nargs; i++)
        buf_put_fmt(&a->lines, "%s%s", i ? " " : "", x->args[i]);
    if (x->nargs > 0)
        add_ask(x);
    else if (exec_terminal(x))
        exec_fail(x, EXIT_USAGE, "keys add: give the line of the key behind it, or without -t on stdin: ssh ... keys add < id.pub");
}

/* ---- rm ---- */

static void removed(struct exec *x, int code, const char *text, struct msg *m)
{
    if (code == EXIT_STATE && !(x->options & OPTION_FORCE)) {
        exec_fail(x, code, "%s; --force removes it all the same", text);
        return;
    }
    if (!exec_ok(x, code, text))
        return;
    FREE_MEM char *fingerprint = msg_get_str(m);
    msg_end(m);
    exec_print(x, "removed %s\n", fingerprint);
    exec_end(x, EXIT_DONE);
}

void verb_keys_rm(struct exec *x)
{
    exec_ask(x, OP_KEYS_RM, "", (x->options & OPTION_FORCE) != 0, x->args[0], removed);
}
