#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/proto.h"
#include "store/stored/activity_in.h"
#include "store/stored/db.h"

/* Ids of records of several servers, the nearest to the asker's end first. */
struct ids {
    struct one { int64_t id; const char *server; } *v;
    size_t n, most;
    bool newest;
};

static int oldest_first(const void *a, const void *b)
{
    const struct one *x = a, *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

static int newest_first(const void *a, const void *b)
{
    return oldest_first(b, a);
}

/* Takes the rows of Q, at most as many as are wanted in all. */
static int take(struct ids *l, sqlite3_stmt *q, const char *server, struct err *e)
{
    int r = q ? 1 : -1;
    while (r == 1 && (r = query_step(q, e)) == 1) {
        l->v = mem_grow(l->v, l->n + 1, sizeof *l->v);
        l->v[l->n++] = (struct one){ query_int(q, 0), server };
    }
    if (q)
        sqlite3_reset(q);
    if (l->n > 0)
        qsort(l->v, l->n, sizeof *l->v, l->newest ? newest_first : oldest_first);
    l->n = l->n < l->most ? l->n : l->most;
    return r;
}

int activity_last(struct activity *a, const char *const *names, size_t count, uint64_t wanted, int64_t *id, struct err *e)
{
    struct ids l = { .most = wanted < INT32_MAX ? (size_t)wanted : INT32_MAX, .newest = true };
    int r = 0;
    for (size_t i = 0; i < count && r == 0; i++)
        r = take(&l, activity_statement(a, NEWEST, e, "ti", names[i], (int64_t)l.most), names[i], e);
    *id = l.n ? l.v[l.n - 1].id - 1 : a->id;
    free(l.v);
    return r;
}

static void put_blob(struct msg *m, sqlite3_stmt *q, int column)
{
    const void *bytes = sqlite3_column_blob(q, column);
    int size = sqlite3_column_bytes(q, column);
    msg_put_bytes(m, bytes ? bytes : "", size > 0 ? (size_t)size : 0);
}

static void put(struct msg *m, const struct one *o, sqlite3_stmt *q)
{
    msg_put_u64(m, (uint64_t)o->id);
    msg_put_u64(m, (uint64_t)query_int(q, 0));
    msg_put_str(m, query_text(q, 1));
    msg_put_str(m, query_text(q, 2));
    msg_put_str(m, o->server);
    msg_put_u32(m, (uint32_t)query_int(q, 3));
    put_blob(m, q, 4);
    put_blob(m, q, 5);
    msg_put_u64(m, (uint64_t)query_int(q, 6));
    msg_put_u32(m, (uint32_t)query_int(q, 7));
    msg_put_u32(m, (uint32_t)query_int(q, 8));
}

/* 1: in M.  0: no room for it. */
static int record(struct activity *a, const struct one *o, struct msg *m, size_t size, struct err *e)
{
    sqlite3_stmt *q = activity_statement(a, RECORD, e, "ti", o->server, o->id);
    int r = q ? query_step(q, e) : -1;
    size_t before = m->body.len;
    if (r == 1) {
        put(m, o, q);
        if (m->body.len > size || m->body.bad) {
            m->body.len = before;
            m->body.bad = false;
            r = 0;
        }
    }
    if (q)
        sqlite3_reset(q);
    return r;
}

int activity_page(struct activity *a, const char *const *names, size_t count, int64_t id, struct msg *m, size_t size, uint32_t *n,
                  struct err *e)
{
    struct ids l = { .most = ACTIVITY_PAGE };
    int r = 0;
    *n = 0;
    for (size_t i = 0; i < count && r == 0; i++)
        r = take(&l, activity_statement(a, BEHIND, e, "tii", names[i], id, (int64_t)l.most), names[i], e);
    for (size_t i = 0; i < l.n && r == 0; i++) {
        int one = record(a, &l.v[i], m, size, e);
        if (one <= 0) {
            r = one;
            break;
        }
        ++*n;
    }
    free(l.v);
    return r;
}
