/* OP_EVENTS: what happened, for who may see it; and those who wait for what comes next. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rights.h"
#include "store/stored/event.h"
#include "store/stored/order.h"

enum { WAIT_MS = 20000, WAITS_MOST = 8, PAGE_MOST = MSG_MOST - 1024, KIND_MOST = 32, WORDS_MOST = 1024 };

/* An answer that is due when something happens, or when its time is over: a command that has gone meanwhile must not hold its place for ever. */
struct event_wait {
    struct event_wait *next;
    struct session *session;     /* ends before it: session_events_end */
    uint32_t id;
    int64_t after;
    char server[NAME_MOST + 1];
    struct timer *timer;
};

struct look { const struct session *session; const char *server; };

/* Of its servers, what happened to them; of itself, unless a limited key has no business with that. */
static bool seen(void *data, const struct event *v)
{
    const struct look *l = data;
    const struct session *s = l->session;
    if (v->server[0] == '\0')
        return l->server[0] == '\0' && strcmp(v->account, s->account) == 0 && !(s->options.flags & KEY_LIMITED);
    if (l->server[0] && strcmp(l->server, v->server) != 0)
        return false;
    for (size_t i = 0; i < s->nseen; i++)
        if (strcmp(s->seen[i].server, v->server) == 0)
            return (s->seen[i].rights & RIGHT_STATUS) != 0;
    return false;
}

static void begin(struct msg *m, uint32_t id)
{
    msg_begin(m, STORE_DO_RESULT, id);
    msg_put_u32(m, CODE_OK);
    msg_put_str(m, "");
}

/* 1: answered.  0: there is nothing, and EMPTY does not say that this is an answer.  -1 with E. */
static int answer(struct session *s, uint32_t id, const char *server, int64_t *after, bool empty, struct err *e)
{
    struct look l = { s, server };
    struct msg rows, out;
    uint32_t n = 0;
    bool end = true;
    msg_begin(&rows, STORE_DO_RESULT, 0);
    int r = session_look(s, e) < 0 ? -1 : event_page(s->store->activity, after, seen, &l, &rows, PAGE_MOST, &n, &end, e);
    if (r == 0 && (n > 0 || !end || empty)) {
        begin(&out, id);
        msg_put_u64(&out, (uint64_t)*after);
        msg_put_u32(&out, end);
        msg_put_u32(&out, n);
        buf_put(&out.body, buf_head(&rows.body), buf_size(&rows.body));
        link_send(s->link, &out);
        r = 1;
    }
    msg_free(&rows);
    return r;
}

/* ---- waiting ---- */

static void forget(struct event_wait *w)
{
    for (struct event_wait **at = &w->session->store->event_waits; *at; at = &(*at)->next)
        if (*at == w) {
            *at = w->next;
            break;
        }
    timer_free(w->timer);
    free(w);
}

/* Answers W, or, unless LAST, leaves it where there is nothing for it. */
static void serve(struct event_wait *w, bool last)
{
    struct err e = { 0 };
    int r = answer(w->session, w->id, w->server, &w->after, last, &e);
    if (r < 0)
        wish_failed(&(struct wish){ .session = w->session, .id = w->id, .op = OP_EVENTS }, &e);
    if (r != 0)
        forget(w);
}

static void on_time(void *data)
{
    struct event_wait *w = data;
    w->timer = NULL;
    serve(w, true);
}

static void wait_for(struct wish *w, int64_t after)
{
    struct store *store = w->session->store;
    unsigned n = 0;
    for (const struct event_wait *o = store->event_waits; o; o = o->next)
        n += o->session == w->session;
    if (n >= WAITS_MOST) {
        wish_refuse(w, CODE_LATER, "%d commands of this connection wait for events, try later", WAITS_MOST);
        return;
    }
    struct event_wait *o = mem_new(sizeof *o);
    *o = (struct event_wait){ .next = store->event_waits, .session = w->session, .id = w->id, .after = after };
    snprintf(o->server, sizeof o->server, "%s", w->server);
    o->timer = loop_timer(store->loop, WAIT_MS, on_time, o);
    store->event_waits = o;
}

void session_events_end(struct session *s)
{
    struct event_wait *next;
    for (struct event_wait *w = s->store->event_waits; w; w = next) {
        next = w->next;
        if (w->session == s)
            forget(w);
    }
}

/* ---- the order ---- */

static int last(struct wish *w, struct err *e)
{
    struct look l = { w->session, w->server };
    struct msg out;
    int64_t id;
    if (session_look(w->session, e) < 0 || event_last(w->session->store->activity, w->number, seen, &l, &id, e) < 0)
        return -1;
    begin(&out, w->id);
    msg_put_u64(&out, (uint64_t)id);
    link_send(w->session->link, &out);
    return 0;
}

static int page(struct wish *w, bool wait, struct err *e)
{
    int64_t after = w->number > INT64_MAX ? INT64_MAX : (int64_t)w->number;
    int r = answer(w->session, w->id, w->server, &after, !wait, e);
    if (r == 0)
        wait_for(w, after);
    return r < 0 ? -1 : 0;
}

bool events_list(struct wish *w)
{
    struct err e = { 0 };
    bool wait = strcmp(w->text, "wait") == 0;
    int r = 0;
    if (strcmp(w->text, "last") == 0)
        r = last(w, &e);
    else if (wait || w->text[0] == '\0')
        r = page(w, wait, &e);
    else
        wish_refuse(w, CODE_USAGE, "events: allowed: last, wait, or nothing");
    if (r < 0)
        wish_failed(w, &e);
    return false;
}

/* ---- from the supervisor ---- */

void event_told(struct store *s, struct msg *m)
{
    struct event v = { .at = (int64_t)msg_get_u64(m) };
    FREE_MEM char *kind = msg_get_text(m, KIND_MOST);
    FREE_MEM char *server = msg_get_text(m, NAME_MOST);
    FREE_MEM char *account = msg_get_text(m, NAME_MOST);
    FREE_MEM char *text = msg_get_text(m, WORDS_MOST);
    struct err e = { 0 };
    char line[400];
    msg_end(m);
    v.kind = kind;
    v.server = server;
    v.account = account;
    v.text = text;
    if (event_add(s->activity, &v, &e) < 0) {
        if (bucket_take(&s->complaints, 1, now_ms()))
            log_error("event.lost", "event=%s server=%s %s", esc(kind), server, err_text(&e, line, sizeof line));
        return;
    }
    struct event_wait *next;
    for (struct event_wait *w = s->event_waits; w; w = next) {
        next = w->next;
        serve(w, false);
    }
}
