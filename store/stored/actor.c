#include "store/stored/actor.h"

#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"

/* Of an account, over all its sessions: a reconnect gives nothing new. */
enum { EVENTS_BURST = 20000, EVENTS_RATE = 200 };
/* How long messages may gather: many of a busy client's are one transaction then, and nobody is woken for each.  Where they come further apart than
   SOON_MS there is nothing to gather, and a rest has an end that somebody is woken for as well. */
enum { REST_MS = 20, SOON_MS = 2 * REST_MS };
/* Messages that may lie unread on a link at its end. */
enum { UNREAD_MOST = 1024 };

struct account_rate {
    struct account_rate *next;
    char account[NAME_MOST + 1];
    struct bucket bucket;
};

/* A server, and events about it that were dropped. */
struct seen {
    struct seen *next;
    char server[NAME_MOST + 1];
    bool past;                   /* it is one this session may see no more */
    uint64_t lost, fresh;        /* fresh: not committed yet */
};

struct actor {
    struct recent recent;
    struct account_rate *rate;   /* the store's */
    struct seen *servers;        /* owned */
    uint64_t told;               /* ms: last */
    bool foreign;                /* was told in the log */
    bool open;                   /* something of its is in the transaction under way */
};

static struct account_rate *rate_of(struct session *s)
{
    struct account_rate *r = s->store->rates;
    while (r && strcmp(r->account, s->account) != 0)
        r = r->next;
    if (r)
        return r;
    r = mem_new(sizeof *r);
    memcpy(r->account, s->account, strnlen(s->account, NAME_MOST));
    bucket_init(&r->bucket, EVENTS_BURST, EVENTS_RATE, now_ms());
    r->next = s->store->rates;
    return s->store->rates = r;
}

static struct actor *actor_of(struct session *s)
{
    if (s->actor == NULL) {
        s->actor = mem_new(sizeof *s->actor);
        s->actor->rate = rate_of(s);
    }
    return s->actor;
}

static struct seen *seen_of(struct actor *a, const char *server, size_t size)
{
    for (struct seen *v = a->servers; v; v = v->next)
        if (strlen(v->server) == size && memcmp(v->server, server, size) == 0)
            return v;
    return NULL;
}

static struct seen *seen_add(struct actor *a, const char *server)
{
    struct seen *v = seen_of(a, server, strlen(server));
    if (v)
        return v;
    v = mem_new(sizeof *v);
    memcpy(v->server, server, strnlen(server, NAME_MOST));
    v->next = a->servers;
    return a->servers = v;
}

void actor_saw(struct session *s, const char *server)
{
    seen_add(actor_of(s), server)->past = true;
}

/* The server of that name if it is, or was, one of the session's. */
static struct seen *known(struct session *s, const char *server, size_t size)
{
    struct actor *a = actor_of(s);
    struct seen *v = seen_of(a, server, size);
    if (v && v->past)
        return v;
    for (size_t i = 0; i < s->nseen; i++)
        if (strlen(s->seen[i].server) == size && memcmp(s->seen[i].server, server, size) == 0)
            return v ? v : seen_add(a, s->seen[i].server);
    return NULL;
}

static void complain(struct store *store, const char *account, const struct err *e)
{
    char text[400];
    if (bucket_take(&store->complaints, 1, now_ms()))
        log_error("activity.lost", "account=%s %s", account, err_text(e, text, sizeof text));
}

/* One record a server. */
static int add_losses(struct session *s, struct err *e)
{
    int r = 0;
    for (struct seen *v = s->actor->servers; v && r == 0; v = v->next) {
        const struct deed d = { .account = s->account, .address = s->address, .server = v->server, .action = ACTIVITY_LOST,
                                .path = "", .other = "", .number = v->lost };
        if (v->lost == 0)
            continue;
        r = activity_add(s->store->activity, NULL, &d, 1, e);
        v->fresh += v->lost;
        v->lost = 0;
    }
    return r;
}

static void add_all(struct session *s, const struct deed *deeds, size_t n)
{
    struct err e = { 0 };
    for (size_t i = 0; i < n; i++)
        seen_of(s->actor, deeds[i].server, strlen(deeds[i].server))->fresh++;
    if (add_losses(s, &e) < 0 || activity_add(s->store->activity, &s->actor->recent, deeds, n, &e) < 0)
        complain(s->store, s->account, &e);
    else
        s->actor->open = true;
}

void actor_round(struct session *s)
{
    struct err e = { 0 };
    if (s->actor == NULL)
        return;
    bool written = s->actor->open && activity_commit(s->store->activity, &e) == 0;
    if (s->actor->open && !written)
        complain(s->store, s->account, &e);
    s->actor->open = false;
    for (struct seen *v = s->actor->servers; v; v = v->next) {
        v->lost += written ? 0 : v->fresh;
        v->fresh = 0;
    }
}

void actors_wake(struct store *store)
{
    /* What is read may end its own session. */
    for (struct session *s = store->sessions, *next; s; s = next) {
        next = s->next;
        link_wake(s->link);
    }
}

/* Foreign servers, and what is more than the rate allows, are left out. */
static bool admitted(struct session *s, struct deed *d, const char *server, size_t size)
{
    struct actor *a = actor_of(s);
    struct seen *v = known(s, server, size);
    if (v == NULL) {
        if (!a->foreign)
            log_warn("activity.foreign", "session=%llu account=%s server=%s", (unsigned long long)s->id, s->account, escn(server, size));
        a->foreign = true;
        return false;
    }
    if (!bucket_take(&a->rate->bucket, 1, now_ms())) {
        v->lost++;
        return false;
    }
    d->server = v->server;
    return true;
}

/* Into D, its server apart, as that is not ended by a NUL.  False: a broken rule. */
static bool get(struct msg *m, struct deed *d, const char **server, size_t *size)
{
    d->action = msg_get_u32(m);
    *server = (const char *)msg_get_bytes(m, size);
    d->path = msg_get_bytes(m, &d->npath);
    d->other = msg_get_bytes(m, &d->nother);
    d->number = msg_get_u64(m);
    d->flags = msg_get_u32(m);
    uint32_t flags = d->action == ACTIVITY_INPUT ? ACTIVITY_INPUT_FLAGS : ACTIVITY_FLAGS;
    return !m->bad && d->action > ACTIVITY_NONE && (d->action <= ACTIVITY_LOST || d->action == ACTIVITY_INPUT) && *size > 0 && *size <= NAME_MOST &&
           d->npath <= ACTIVITY_PATH && d->nother <= ACTIVITY_PATH && (d->flags & ~flags) == 0;
}

static void rest(struct session *s)
{
    struct actor *a = actor_of(s);
    uint64_t now = now_ms(), before = a->told;
    a->told = now;
    if (now - before <= SOON_MS)
        link_rest(s->link, REST_MS);
}

const char *activity_told(struct session *s, struct msg *m)
{
    struct deed deeds[ACTIVITY_MOST];
    size_t n = 0;
    uint32_t count = msg_get_u32(m);
    if (count == 0 || count > ACTIVITY_MOST)
        return "a number of events that is none";
    for (uint32_t i = 0; i < count; i++) {
        const char *server;
        size_t size;
        deeds[n] = (struct deed){ .account = s->account, .address = s->address };
        if (!get(m, &deeds[n], &server, &size))
            return "malformed event";
        n += admitted(s, &deeds[n], server, size);
    }
    if (!msg_end(m))
        return "malformed events";
    if (n > 0)
        add_all(s, deeds, n);
    rest(s);
    return NULL;
}

void actor_order(struct store *store, const struct deed *d)
{
    struct err e = { 0 };
    if (activity_add(store->activity, NULL, d, 1, &e) < 0 || activity_commit(store->activity, &e) < 0)
        complain(store, d->account, &e);
}

enum { SHELL_ADDRESS_MOST = 64 };

void shell_end_told(struct store *s, struct msg *m)
{
    FREE_MEM char *account = msg_get_text(m, NAME_MOST);
    FREE_MEM char *address = msg_get_text(m, SHELL_ADDRESS_MOST);
    FREE_MEM char *server = msg_get_text(m, NAME_MOST);
    struct deed d = { .account = account, .address = address, .server = server, .action = ACTIVITY_SHELL_END, .path = "", .other = "",
                      .number = msg_get_u64(m) };
    msg_end(m);
    actor_order(s, &d);
}

/* Its last words may have been sent after the last look, and the supervisor may tell of its end before they are read. */
static void unread(struct session *s)
{
    for (int i = 0; i < UNREAD_MOST; i++) {
        MSG_FREE struct msg m = { 0 };
        if (msg_recv_client(link_fd(s->link), &m) != 1)
            return;
        request_fn *fn = m.type == STORE_ACTIVITY ? activity_told : m.type == STORE_LOG ? log_told : NULL;
        if (fn && fn(s, &m))
            return;
    }
}

void actor_end(struct session *s)
{
    struct err e = { 0 };
    link_settle(s->link);
    if (s->phase == PHASE_IN)
        unread(s);
    if (s->actor == NULL)
        return;
    actor_round(s);
    s->actor->open = add_losses(s, &e) == 0;
    actor_round(s);
    for (struct seen *v = s->actor->servers, *next; v; v = next) {
        next = v->next;
        free(v);
    }
    free(s->actor);
    s->actor = NULL;
}
