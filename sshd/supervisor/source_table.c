#include "sshd/supervisor/source_table.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/die.h"
#include "base/mem.h"

struct sources *sources_new(void)
{
    struct sources *t = mem_new(sizeof *t);
    if (getrandom(t->salt, sizeof t->salt, 0) != sizeof t->salt)
        die_errno("random bytes");
    for (int i = 0; i < 2; i++) {
        struct family *f = &t->families[i];
        f->chains = mem_array(SOURCE_CHAINS, sizeof *f->chains);
        f->counted.v = mem_array(SOURCES_MOST, sizeof *f->counted.v);
        f->banned.v = mem_array(SOURCES_MOST, sizeof *f->banned.v);
        f->shared.v6 = i == 1;
        f->shared.shared = true;
    }
    t->exempt.exempt = true;
    return t;
}

static void free_one(void *data, struct source *src)
{
    (void)data;
    if (!src->shared)
        free(src);
}

void sources_free(struct sources *t)
{
    sources_each(t, free_one, NULL);
    for (int i = 0; i < 2; i++) {
        free(t->families[i].chains);
        free(t->families[i].counted.v);
        free(t->families[i].banned.v);
    }
    free(t->changed);
    free(t);
}

static struct family *family_of(struct sources *t, const struct source *src)
{
    return &t->families[src->v6];
}

/* A stranger chooses addresses, and may not choose chains. */
static struct source **chain_of(struct sources *t, bool v6, uint64_t key)
{
    uint64_t h = (t->salt[0] + (uint32_t)key) * (t->salt[1] + (key >> 32)) + t->salt[2];
    return &t->families[v6].chains[h >> 32 & (SOURCE_CHAINS - 1)];
}

/* --- heaps: the first to end on top ------------------------------------------------------------------------------------------------------ */

static void set(struct heap *h, uint32_t at, struct source *src)
{
    h->v[at] = src;
    src->place = at;
}

static void up(struct heap *h, struct source *src)
{
    uint32_t at = src->place;
    for (; at > 0 && h->v[(at - 1) / 2]->end > src->end; at = (at - 1) / 2)
        set(h, at, h->v[(at - 1) / 2]);
    set(h, at, src);
}

static void down(struct heap *h, struct source *src)
{
    uint32_t at = src->place;
    for (uint32_t child; (child = at * 2 + 1) < h->n; at = child) {
        if (child + 1 < h->n && h->v[child + 1]->end < h->v[child]->end)
            child++;
        if (h->v[child]->end >= src->end)
            break;
        set(h, at, h->v[child]);
    }
    set(h, at, src);
}

static void take(struct source *src)
{
    struct heap *h = src->heap;
    if (h == NULL)
        return;
    src->heap = NULL;
    struct source *last = h->v[--h->n];
    if (last == src)
        return;
    set(h, src->place, last);
    up(h, last);
    down(h, last);
}

static void put(struct heap *h, struct source *src, uint64_t end)
{
    src->end = end;
    src->heap = h;
    set(h, h->n++, src);
    up(h, src);
}

/* --- one source ------------------------------------------------------------------------------------------------------------------------- */

uint64_t source_ban_end(const struct source *src)
{
    uint64_t until = src->in_force ? src->until : 0;
    return until > src->cool ? until : src->cool;
}

bool source_banned(const struct source *src, uint64_t now)
{
    return source_ban_end(src) > now;
}

static uint64_t memory_end(const struct source *src)
{
    uint64_t end = src->until > src->forget ? src->until : src->forget;
    return end > src->cool ? end : src->cool;
}

static void forget(struct sources *t, struct source *src)
{
    struct source **at = chain_of(t, src->v6, src->key);
    while (*at != src)
        at = &(*at)->next;
    *at = src->next;
    take(src);
    family_of(t, src)->n--;
    free(src);
}

void sources_place(struct sources *t, struct source *src, uint64_t now)
{
    struct family *f = family_of(t, src);
    take(src);
    if (src->shared || src->exempt || src->held > 0 || src->changed_at)
        return;
    if (source_banned(src, now))
        put(&f->banned, src, source_ban_end(src));
    else if (memory_end(src) > now)
        put(&f->counted, src, memory_end(src));
    else
        forget(t, src);
}

/* Small pieces stay with the allocator unless it is told. */
static void give_back(struct sources *t)
{
    enum { WORTH = 4096 };
    uint32_t n = t->families[0].n + t->families[1].n;
    if (t->most < WORTH || n > t->most / 8)
        return;
    malloc_trim(0);
    t->most = n;
}

void sources_settle(struct sources *t, uint64_t now)
{
    for (int i = 0; i < 2; i++) {
        struct family *f = &t->families[i];
        while (f->banned.n > 0 && f->banned.v[0]->end <= now)
            sources_place(t, f->banned.v[0], now);
        while (f->counted.n > 0 && f->counted.v[0]->end <= now)
            forget(t, f->counted.v[0]);
    }
    give_back(t);
}

static struct source *look(struct sources *t, bool v6, uint64_t key)
{
    struct source *src = *chain_of(t, v6, key);
    while (src && src->key != key)
        src = src->next;
    return src;
}

struct source *sources_find(struct sources *t, bool v6, uint64_t key, uint64_t now)
{
    struct family *f = &t->families[v6];
    sources_settle(t, now);
    struct source *src = look(t, v6, key);
    return src || f->n < SOURCES_MOST || f->counted.n > 0 ? src : &f->shared;
}

struct source *sources_need(struct sources *t, bool v6, uint64_t key, uint64_t now)
{
    struct family *f = &t->families[v6];
    struct source *src = sources_find(t, v6, key, now);
    if (src)
        return src;
    if (f->n >= SOURCES_MOST)
        forget(t, f->counted.v[0]);
    struct source **at = chain_of(t, v6, key);
    src = mem_new(sizeof *src);
    *src = (struct source){ .next = *at, .key = key, .v6 = v6 };
    *at = src;
    f->n++;
    if (t->families[0].n + t->families[1].n > t->most)
        t->most = t->families[0].n + t->families[1].n;
    return src;
}

void sources_change(struct sources *t, struct source *src)
{
    /* Who it is made of nobody knows after a restart. */
    if (src->changed_at || src->shared || src->exempt)
        return;
    if (t->nchanged == t->most_changed) {
        t->most_changed = t->most_changed ? t->most_changed * 2 : 64;
        t->changed = mem_grow(t->changed, t->most_changed, sizeof(struct source *));
    }
    t->changed[t->nchanged++] = src;
    src->changed_at = t->nchanged;
    take(src);
}

void sources_saved(struct sources *t, struct source *src, uint64_t now)
{
    if (src->changed_at == 0)
        return;
    struct source *last = t->changed[--t->nchanged];
    t->changed[src->changed_at - 1] = last;
    last->changed_at = src->changed_at;
    src->changed_at = 0;
    sources_place(t, src, now);
}

void sources_each(struct sources *t, void (*fn)(void *data, struct source *src), void *data)
{
    for (int i = 0; i < 2; i++) {
        for (size_t j = 0; j < SOURCE_CHAINS; j++)
            for (struct source *src = t->families[i].chains[j], *next; src; src = next) {
                next = src->next;
                fn(data, src);
            }
        fn(data, &t->families[i].shared);
    }
}
