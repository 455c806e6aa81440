#include "sandbox/filter/state.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/die.h"
#include "base/mem.h"

enum { FIRST_ROOM = 64 };

void state_cut(struct state *s, size_t n)
{
    while (s->n > n) {
        struct entry *e = &s->v[--s->n];
        free(e->in);
        free(e->key);
        free(e->value);
    }
}

void state_free(struct state *s)
{
    state_cut(s, 0);
    free(s->v);
    *s = (struct state){ 0 };
}

struct entry *state_put(struct state *s, enum entry_kind kind, const char *in, const char *key, const char *fmt, ...)
{
    char *value = NULL;
    if (fmt) {
        va_list args;
        va_start(args, fmt);
        if (vasprintf(&value, fmt, args) < 0)
            die("out of memory");
        va_end(args);
    }
    if (s->n == s->room) {
        s->room = s->room ? s->room * 2 : FIRST_ROOM;
        s->v = mem_grow(s->v, s->room, sizeof *s->v);
    }
    s->v[s->n] = (struct entry){ .kind = kind, .in = mem_str(in), .key = mem_str(key), .value = value };
    return &s->v[s->n++];
}

static int compare(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    int r = strcmp(x->in, y->in);
    return r ? r : strcmp(x->key, y->key);
}

/* ---- the difference ---- */

/* BEFORE or AFTER may be NULL: new, or gone. */
struct pair { const struct entry *before, *after; };

struct change {
    const char *table;
    struct pair *pairs;
    size_t n;
    struct buf *out;
};

static bool same(const struct entry *a, const struct entry *b)
{
    return a->value && b->value && strcmp(a->value, b->value) == 0 && !a->flush;
}

static void sort(struct state *s)
{
    if (s->n)
        qsort(s->v, s->n, sizeof *s->v, compare);
}

static void compare_states(struct change *c, struct state *before, struct state *after)
{
    size_t i = 0, j = 0;
    sort(before);
    sort(after);
    c->pairs = mem_array(before->n + after->n, sizeof *c->pairs);
    while (i < before->n || j < after->n) {
        int r = i == before->n ? 1 : j == after->n ? -1 : compare(&before->v[i], &after->v[j]);
        struct pair p = { r <= 0 ? &before->v[i++] : NULL, r >= 0 ? &after->v[j++] : NULL };
        if (r || !same(p.before, p.after))
            c->pairs[c->n++] = p;
    }
}

static void put_name(const struct change *c, const char *verb, const struct entry *e)
{
    buf_put_fmt(c->out, "%s %s inet %s %s", verb, e->in, c->table, e->key);
}

static void declare(const struct change *c, const struct pair *p)
{
    const char *head = p->after->value;
    int size = p->after->kind == ENTRY_CHAIN ? (int)strcspn(head, "\n") : (int)strlen(head);
    put_name(c, "add", p->after);
    if (size)
        buf_put_fmt(c->out, " { %.*s }", size, head);
    buf_put_fmt(c->out, "\n");
}

static void flush(const struct change *c, const struct pair *p)
{
    put_name(c, "flush", p->before);
    buf_put_fmt(c->out, "\n");
}

static void put_rules(const struct change *c, const struct pair *p)
{
    const char *at = p->after->value;
    for (at += strcspn(at, "\n"); *at && *++at; at += strcspn(at, "\n"))
        buf_put_fmt(c->out, "add rule inet %s %s %.*s\n", c->table, p->after->key, (int)strcspn(at, "\n"), at);
}

/* Those of a set as one command each: the library works for each command, not for each element. */
static void put_elements(const struct change *c, bool add)
{
    const struct entry *last = NULL;
    for (size_t i = 0; i < c->n; i++) {
        const struct entry *e = add ? c->pairs[i].after : c->pairs[i].before;
        if (e == NULL || e->kind != ENTRY_ELEMENT)
            continue;
        if (last && strcmp(last->in, e->in) == 0)
            buf_put_fmt(c->out, ", %s", e->key);
        else
            buf_put_fmt(c->out, "%s%s element inet %s %s { %s", last ? " }\n" : "", add ? "add" : "delete", c->table, e->in, e->key);
        if (add && e->value[0])
            buf_put_fmt(c->out, " : %s", e->value);
        last = e;
    }
    buf_put_fmt(c->out, "%s", last ? " }\n" : "");
}

static void delete(const struct change *c, const struct pair *p)
{
    put_name(c, "delete", p->before);
    buf_put_fmt(c->out, "\n");
}

static void each(const struct change *c, bool (*of)(const struct pair *p), void (*put)(const struct change *c, const struct pair *p))
{
    for (size_t i = 0; i < c->n; i++)
        if (of(&c->pairs[i]))
            put(c, &c->pairs[i]);
}

static bool is_element(const struct pair *p) { return (p->after ? p->after : p->before)->kind == ENTRY_ELEMENT; }
static bool is_declared(const struct pair *p) { return p->after && !is_element(p); }
static bool is_gone(const struct pair *p) { return p->after == NULL && !is_element(p); }
static bool is_chain(const struct pair *p) { return p->after && p->after->kind == ENTRY_CHAIN; }
static bool is_flushed(const struct pair *p) { return p->before && (p->before->kind == ENTRY_CHAIN || p->before->flush); }

/* First what others refer to, last what was referred to. */
void state_change(const char *table, struct state *before, struct state *after, struct buf *out)
{
    struct change c = { .table = table, .out = out };
    compare_states(&c, before, after);
    each(&c, is_declared, declare);
    each(&c, is_flushed, flush);
    put_elements(&c, false);
    put_elements(&c, true);
    each(&c, is_chain, put_rules);
    each(&c, is_gone, delete);
    free(c.pairs);
}
