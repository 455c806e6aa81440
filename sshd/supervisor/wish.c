#include "sshd/supervisor/wish.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/die.h"
#include "base/mem.h"
#include "sshd/supervisor/store.h"

enum { AGAIN_MS = 5000 };

static struct {
    bool loaded;
    void (*then)(struct super *s);
    struct timer *again;
} keep;

/* ---- writing ---- */

static void put(const struct server *v, struct msg *m)
{
    msg_begin(m, STORE_WISH_SAVE, 0);
    msg_put_str(m, v->name);
    msg_put_u32(m, v->life.wish);
    msg_put_str(m, v->life.locked);
    msg_put_u32(m, v->has_exit);
    msg_put_u32(m, v->code);
    msg_put_u32(m, v->signal);
    msg_put_u64(m, (uint64_t)v->since);
    msg_put_str(m, v->reason);
}

void wish_save(struct server *v)
{
    struct msg m;
    v->life.unsaved = v->life.known = true;
    if (!keep.loaded || !store_ready(v->super))
        return;
    put(v, &m);
    v->life.unsaved = false;
    store_send(v->super, &m);
}

static void save_all(void *data)
{
    struct super *s = data;
    keep.again = NULL;
    for (struct server *v = s->servers; v; v = v->next)
        if (v->life.unsaved)
            wish_save(v);
}

void wish_take_saved(struct super *s, struct msg *m)
{
    FREE_MEM char *name = msg_get_text(m, NAME_MOST);
    bool written = msg_get_u32(m) != 0;
    msg_end(m);
    struct server *v = server_find(s, name);
    if (v == NULL)
        die("the store broke a rule: the wish of %s", esc(name));
    if (written)
        return;
    v->life.unsaved = true;
    if (keep.again == NULL)
        keep.again = loop_timer(s->loop, AGAIN_MS, save_all, s);
}

void wish_keeper_lost(struct super *s)
{
    keep.then = NULL;
    for (struct server *v = s->servers; v; v = v->next)
        v->life.unsaved = v->life.unsaved || v->life.wish != WISH_NONE || v->life.locked[0] || v->has_exit;
}

/* ---- reading ---- */

static void ask(struct super *s, const char *after)
{
    struct msg m;
    msg_begin(&m, STORE_WISH_LOAD, 0);
    msg_put_str(&m, after);
    store_send(s, &m);
}

static void done(struct super *s)
{
    void (*then)(struct super *s) = keep.then;
    keep.then = NULL;
    keep.loaded = true;
    for (struct server *v = s->servers; v; v = v->next)
        v->life.known = true;
    save_all(s);
    then(s);
}

void wish_load(struct super *s, void (*then)(struct super *s))
{
    if (keep.loaded) {
        save_all(s);
        then(s);
        wish_learn(s);
        return;
    }
    keep.then = then;
    ask(s, "");
}

static void no_more(struct super *s)
{
    (void)s;
}

void wish_learn(struct super *s)
{
    bool any = false;
    for (const struct server *v = s->servers; v; v = v->next)
        any = any || !v->life.known;
    if (!keep.loaded || keep.then || !any)
        return;
    keep.then = no_more;
    ask(s, "");
}

static enum state state_of(enum server_wish wish)
{
    return wish == WISH_FAILED ? STATE_FAILED : STATE_OFFLINE;
}

/* As with an enabled unit of systemd: an end by itself, or being given up, is nobody's wish, and a boot begins anew. */
static bool anew(const struct server *v, enum server_wish wish)
{
    const struct conf_server *c = conf_server(&v->super->conf, v->name);
    return v->super->booted && !v->super->begun && (wish == WISH_ENDED || wish == WISH_FAILED) && c && c->autostart == CONF_YES;
}

/* A row of a server that the store has numbered: it is at rest, and as it was. */
static void take(struct server *v, enum server_wish wish, struct msg *m)
{
    struct life *l = &v->life;
    FREE_MEM char *locked = msg_get_text(m, WISH_LOCK_MOST);
    bool has_exit = msg_get_u32(m) != 0;
    uint32_t code = msg_get_u32(m), signal = msg_get_u32(m);
    int64_t since = (int64_t)msg_get_u64(m);
    FREE_MEM char *reason = msg_get_text(m, WISH_REASON_MOST);
    if (l->known)
        return;
    v->has_exit = has_exit;
    v->code = code;
    v->signal = signal;
    v->since = since;
    l->unsaved = anew(v, wish);
    l->wish = l->unsaved ? WISH_NONE : wish;
    l->rest = state_of(l->wish);
    snprintf(l->locked, sizeof l->locked, "%s", locked);
    snprintf(v->reason, sizeof v->reason, "%s", reason);
    v->state = server_locked(v) ? STATE_LOCKED : l->rest;
}

void wish_take_rows(struct super *s, struct msg *m)
{
    uint32_t n = msg_get_u32(m);
    char last[NAME_MOST + 1] = "";
    if (keep.then == NULL || n > WISH_ROWS)
        die("the store broke a rule: %u wishes", n);
    for (uint32_t i = 0; i < n; i++) {
        FREE_MEM char *name = msg_get_text(m, NAME_MOST);
        uint32_t wish = msg_get_u32(m);
        struct server *v = server_find(s, name);
        if (wish >= WISH_COUNT || v == NULL)
            die("the store broke a rule: wish %u of %s", wish, esc(name));
        take(v, (enum server_wish)wish, m);
        snprintf(last, sizeof last, "%s", name);
    }
    msg_end(m);
    if (n == 0)
        done(s);
    else
        ask(s, last);
}
