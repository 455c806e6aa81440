#include "sshd/supervisor/source_keep.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/die.h"
#include "base/io.h"
#include "base/mem.h"
#include "sshd/supervisor/store.h"

enum { AGAIN_MS = 30000, END_MS = 3000 };

static struct {
    struct super *super;
    struct timer *timer;
    bool loaded;
    bool writing;           /* a batch is under way */
    bool urgent;            /* a ban has come since */
    void (*then)(struct super *s);
} keep;

/* --- rows --------------------------------------------------------------------------------------------------------------------------------- */

static uint64_t left(uint64_t end, uint64_t now)
{
    return end > now ? end - now : 0;
}

void source_row_of(const struct source *src, uint64_t now, int64_t wall, struct source_row *row)
{
    bool tries = src->forget > now;
    *row = (struct source_row){ .v6 = src->v6, .key = src->key, .saved = wall, .since = src->since, .penalty = left(src->until, now),
                                .cool = left(src->cool, now), .in_force = src->in_force, .why = src->why, .refused = src->refused };
    if (!tries || (src->tries[TRY_KEY] == 0 && src->tries[TRY_PASSWORD] == 0))
        return;
    row->tries = left(src->forget, now);
    row->keys = src->tries[TRY_KEY];
    row->passwords = src->tries[TRY_PASSWORD];
}

/* When a term of MS ends that AGE have gone of, never later than MOST from NOW; 0: it is over. */
static uint64_t end_of(uint64_t ms, uint64_t age, uint64_t now, uint64_t most)
{
    if (ms <= age)
        return 0;
    return now + (ms - age < most ? ms - age : most);
}

void source_row_take(struct sources *t, const struct source_row *row, uint64_t now, int64_t wall, uint64_t most, uint64_t cooldown)
{
    bool back = wall < row->saved;
    uint64_t age = back ? 0 : (uint64_t)(wall - row->saved);
    uint64_t until = end_of(row->penalty, age, now, row->why == PENALTY_ADMIN ? SOURCE_BAN_MOST : most);
    uint64_t cool = end_of(row->cool, age, now, cooldown), forget = end_of(row->tries, age, now, cooldown);
    if (until == 0 && cool == 0 && forget == 0)
        return;
    struct source *src = sources_need(t, row->v6, row->key, now);
    if (src->shared)
        return;
    src->until = until;
    src->cool = cool;
    src->forget = forget;
    src->in_force = row->in_force && until > 0;
    src->since = row->since;
    src->refused = row->refused;
    src->why = (uint8_t)(row->why < PENALTIES ? row->why : PENALTY_NONE);
    src->tries[TRY_KEY] = (uint16_t)(row->keys < UINT16_MAX ? row->keys : UINT16_MAX);
    src->tries[TRY_PASSWORD] = (uint16_t)(row->passwords < UINT16_MAX ? row->passwords : UINT16_MAX);
    if (back)
        sources_change(t, src);
    sources_place(t, src, now);
}

static void put_row(struct msg *m, const struct source_row *r)
{
    uint8_t address[8];
    unsigned n = r->v6 ? 8 : 4;
    for (unsigned i = 0; i < n; i++)
        address[i] = (uint8_t)(r->key >> 8 * (n - 1 - i));
    msg_put_bytes(m, address, n);
    msg_put_u64(m, (uint64_t)r->saved);
    msg_put_u64(m, r->penalty);
    msg_put_u32(m, r->in_force);
    msg_put_u64(m, r->cool);
    msg_put_u64(m, r->tries);
    msg_put_u32(m, r->keys);
    msg_put_u32(m, r->passwords);
    msg_put_u32(m, r->why);
    msg_put_u64(m, (uint64_t)r->since);
    msg_put_u32(m, r->refused);
}

static void get_row(struct msg *m, struct source_row *r)
{
    size_t n;
    const uint8_t *address = msg_get_bytes(m, &n);
    if (n != 4 && n != 8)
        die("the store broke a rule: a source of %zu bytes", n);
    *r = (struct source_row){ .v6 = n == 8 };
    for (size_t i = 0; i < n; i++)
        r->key = r->key << 8 | address[i];
    r->saved = (int64_t)msg_get_u64(m);
    r->penalty = msg_get_u64(m);
    r->in_force = msg_get_u32(m) != 0;
    r->cool = msg_get_u64(m);
    r->tries = msg_get_u64(m);
    r->keys = msg_get_u32(m);
    r->passwords = msg_get_u32(m);
    r->why = msg_get_u32(m);
    r->since = (int64_t)msg_get_u64(m);
    r->refused = msg_get_u32(m);
}

/* --- writing ------------------------------------------------------------------------------------------------------------------------------ */

/* The last of the changed ones, as many as a message may have. */
static void put_batch(struct super *s, struct msg *m)
{
    struct sources *t = s->sources;
    uint64_t now = now_ms();
    int64_t wall = wall_ms();
    uint32_t n = t->nchanged < SOURCES_ROWS ? t->nchanged : SOURCES_ROWS;
    msg_begin(m, STORE_SOURCES_SAVE, 0);
    msg_put_u32(m, n);
    while (n-- > 0) {
        struct source *src = t->changed[t->nchanged - 1];
        struct source_row row;
        source_row_of(src, now, wall, &row);
        put_row(m, &row);
        sources_saved(t, src, now);
    }
}

static void write_batch(struct super *s)
{
    struct msg m;
    timer_free(keep.timer);
    keep.timer = NULL;
    put_batch(s, &m);
    keep.writing = true;
    keep.urgent = keep.urgent && s->sources->nchanged > 0;
    store_send(s, &m);
}

static void on_timer(void *data)
{
    struct super *s = data;
    keep.timer = NULL;
    if (keep.loaded && !keep.writing && s->sources->nchanged > 0)
        write_batch(s);
}

void source_keep(struct super *s, bool banned)
{
    keep.urgent = keep.urgent || banned;
    if (!keep.loaded || keep.writing || s->sources->nchanged == 0)
        return;
    if (keep.urgent)
        write_batch(s);
    else if (keep.timer == NULL)
        keep.timer = loop_timer(s->loop, SOURCE_KEEP_MS, on_timer, s);
}

static void change_one(void *data, struct source *src)
{
    struct sources *t = data;
    if (src->until || src->cool || src->forget)
        sources_change(t, src);
}

static void change_all(struct super *s)
{
    if (s->sources)
        sources_each(s->sources, change_one, s->sources);
}

void source_take_saved(struct super *s, struct msg *m)
{
    bool written = msg_get_u32(m) != 0;
    msg_end(m);
    keep.writing = false;
    if (!written) {
        change_all(s);
        keep.timer = keep.timer ? keep.timer : loop_timer(s->loop, AGAIN_MS, on_timer, s);
        return;
    }
    /* More than a message holds goes on at once. */
    source_keep(s, s->sources->nchanged > SOURCES_ROWS);
}

void source_keeper_lost(struct super *s)
{
    (void)s;
    keep.writing = false;
    keep.then = NULL;
}

void source_keep_all(struct super *s)
{
    uint64_t until = now_ms() + END_MS;
    if (!keep.loaded || !store_ready(s))
        return;
    /* What is left of each term is true for the time it is written at, so all are. */
    change_all(s);
    while (keep.writing || s->sources->nchanged > 0) {
        struct msg m;
        if (!keep.writing) {
            put_batch(s, &m);
            keep.writing = true;
            store_send(s, &m);
        }
        uint64_t now = now_ms();
        if (now >= until || !store_wait(s, STORE_SOURCES_SAVED, until - now)) {
            log_warn("sources.unsaved", "left=%u", s->sources->nchanged);
            return;
        }
        keep.writing = false;
    }
}

/* --- reading ------------------------------------------------------------------------------------------------------------------------------ */

static void ask(struct super *s, const void *after, size_t n)
{
    struct msg m;
    msg_begin(&m, STORE_SOURCES_LOAD, 0);
    msg_put_bytes(&m, after, n);
    store_send(s, &m);
}

static void done(struct super *s)
{
    void (*then)(struct super *s) = keep.then;
    keep.then = NULL;
    keep.loaded = true;
    source_keep(s, false);
    then(s);
}

void source_load(struct super *s, void (*then)(struct super *s))
{
    if (s->sources == NULL)
        s->sources = sources_new();
    keep.then = then;
    if (!keep.loaded) {
        ask(s, "", 0);
        return;
    }
    /* What was on its way when the last one died may be lost. */
    change_all(s);
    done(s);
}

void source_take_rows(struct super *s, struct msg *m)
{
    uint32_t n = msg_get_u32(m);
    uint64_t now = now_ms();
    int64_t wall = wall_ms();
    struct source_row row = { 0 };
    if (keep.then == NULL || n > SOURCES_ROWS)
        die("the store broke a rule: %u sources", n);
    for (uint32_t i = 0; i < n; i++) {
        get_row(m, &row);
        source_row_take(s->sources, &row, now, wall, s->conf.limits.penalty_max, s->conf.limits.cooldown);
    }
    msg_end(m);
    if (n == 0) {
        done(s);
        return;
    }
    uint8_t after[8];
    unsigned size = row.v6 ? 8 : 4;
    for (unsigned i = 0; i < size; i++)
        after[i] = (uint8_t)(row.key >> 8 * (size - 1 - i));
    ask(s, after, size);
}
