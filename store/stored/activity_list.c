/* OP_ACTIVITY: who may read what of the log. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rights.h"
#include "store/stored/activity.h"
#include "store/stored/actor.h"
#include "store/stored/order.h"

enum { WANTED_MOST = 10000, PAGE_MOST = MSG_MOST - 1024 };

/* The names borrowed from the session's list, or from W. */
static int servers(struct wish *w, const char ***names, size_t *n, struct err *e)
{
    struct session *s = w->session;
    if (w->server[0] == '\0' && session_look(s, e) < 0)
        return -1;
    size_t most = w->server[0] ? 1 : s->nseen;
    *names = mem_array(most + 1, sizeof **names);
    if (w->server[0])
        (*names)[(*n)++] = w->server;
    for (size_t i = 0; w->server[0] == '\0' && i < s->nseen; i++)
        if (s->seen[i].rights & RIGHT_ACTIVITY)
            (*names)[(*n)++] = s->seen[i].server;
    return 0;
}

static void begin(struct wish *w, struct msg *m)
{
    msg_begin(m, STORE_DO_RESULT, w->id);
    msg_put_u32(m, CODE_OK);
    msg_put_str(m, "");
}

static int last(struct wish *w, const char *const *names, size_t n, struct err *e)
{
    struct msg out;
    int64_t id;
    uint64_t wanted = w->number < WANTED_MOST ? w->number : WANTED_MOST;
    if (activity_last(w->session->store->activity, names, n, wanted, &id, e) < 0)
        return -1;
    begin(w, &out);
    msg_put_u64(&out, (uint64_t)id);
    link_send(w->session->link, &out);
    return 0;
}

static int page(struct wish *w, const char *const *names, size_t n, struct err *e)
{
    struct msg out, rows;
    uint32_t count;
    msg_begin(&rows, STORE_DO_RESULT, 0);
    int64_t id = w->number > INT64_MAX ? INT64_MAX : (int64_t)w->number;
    int r = activity_page(w->session->store->activity, names, n, id, &rows, PAGE_MOST, &count, e);
    if (r == 0) {
        begin(w, &out);
        msg_put_u32(&out, count);
        buf_put(&out.body, buf_head(&rows.body), buf_size(&rows.body));
        link_send(w->session->link, &out);
    }
    msg_free(&rows);
    return r;
}

bool activity_list(struct wish *w)
{
    struct err e = { 0 };
    FREE_MEM const char **names = NULL;
    size_t n = 0;
    bool wants_last = strcmp(w->text, "last") == 0;
    if (wants_last) {
        actor_round(w->session);
        actors_wake(w->session->store);
    }
    if (!wants_last && w->text[0])
        wish_refuse(w, CODE_USAGE, "activity: allowed: last, or nothing");
    else if (servers(w, &names, &n, &e) < 0 || (wants_last ? last : page)(w, names, n, &e) < 0)
        wish_failed(w, &e);
    return false;
}
