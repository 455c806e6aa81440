#include "store/stored/event.h"

#include "store/stored/activity_in.h"
#include "store/stored/db.h"

enum { PRUNE_EVERY = 256 };

int event_add(struct activity *a, struct event *v, struct err *e)
{
    if (activity_run(a, EVENT_ADD, e, "itttt", v->at, v->kind, v->server, v->account, v->text) < 0) {
        activity_failed(a);
        return -1;
    }
    v->id = sqlite3_last_insert_rowid(a->db);
    if (v->id % PRUNE_EVERY == 0 && activity_run(a, EVENT_DROP, e, "i", v->id - EVENTS_MOST) < 0)
        activity_failed(a);
    return 0;
}

static struct event row(sqlite3_stmt *q)
{
    return (struct event){ .id = query_int(q, 0), .at = query_int(q, 1), .kind = query_text(q, 2), .server = query_text(q, 3),
                           .account = query_text(q, 4), .text = query_text(q, 5) };
}

int event_last(struct activity *a, uint64_t wanted, event_seen_fn *seen, void *data, int64_t *id, struct err *e)
{
    sqlite3_stmt *q = activity_statement(a, EVENT_NEWEST, e, "");
    int r = q ? 1 : -1;
    bool first = true;
    *id = 0;
    while (r == 1 && (r = query_step(q, e)) == 1) {
        struct event v = row(q);
        if (first && wanted == 0)
            *id = v.id;
        first = false;
        if (wanted == 0 || (seen(data, &v) && --wanted == 0)) {
            *id = *id ? *id : v.id - 1;
            r = 0;
        }
    }
    if (q)
        sqlite3_reset(q);
    return r;
}

static void put(struct msg *m, const struct event *v)
{
    msg_put_u64(m, (uint64_t)v->id);
    msg_put_u64(m, (uint64_t)v->at);
    msg_put_str(m, v->kind);
    msg_put_str(m, v->server);
    msg_put_str(m, v->account);
    msg_put_str(m, v->text);
}

/* False: no room. */
static bool fits(struct msg *m, const struct event *v, size_t size)
{
    size_t before = m->body.len;
    put(m, v);
    if (m->body.len <= size && !m->body.bad)
        return true;
    m->body.len = before;
    m->body.bad = false;
    return false;
}

/* A reader's place may be of a file that was set aside since: then there would be nothing for it ever. */
static int clamp(struct activity *a, int64_t *id, struct err *e)
{
    sqlite3_stmt *q = activity_statement(a, EVENT_END, e, "");
    int r = q ? query_step(q, e) : -1;
    int64_t end = r == 1 ? query_int(q, 0) : 0;
    if (q)
        sqlite3_reset(q);
    *id = *id < end ? *id : end;
    return r < 0 ? -1 : 0;
}

int event_page(struct activity *a, int64_t *id, event_seen_fn *seen, void *data, struct msg *m, size_t size, uint32_t *n, bool *end,
               struct err *e)
{
    sqlite3_stmt *q = clamp(a, id, e) < 0 ? NULL : activity_statement(a, EVENT_BEHIND, e, "ii", *id, (int64_t)EVENT_LOOK);
    int r = q ? 1 : -1, looked = 0;
    bool full = false;
    *n = 0;
    while (r == 1 && !full && (r = query_step(q, e)) == 1) {
        struct event v = row(q);
        bool visible = seen(data, &v);
        full = visible && (*n == EVENT_PAGE || !fits(m, &v, size));
        if (full)
            break;
        *n += visible;
        *id = v.id;
        looked++;
    }
    *end = r == 0 && looked < EVENT_LOOK;
    if (q)
        sqlite3_reset(q);
    return r < 0 ? -1 : 0;
}
