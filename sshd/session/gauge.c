#include "sshd/session/gauge.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static struct history *find(struct histories *all, const char *server)
{
    for (size_t i = 0; i < all->n; i++)
        if (strcmp(all->v[i].server, server) == 0)
            return &all->v[i];
    return NULL;
}

const struct history *gauge_find(const struct histories *all, const char *server)
{
    return find((struct histories *)(uintptr_t)all, server);
}

static struct history *make(struct histories *all, const char *server)
{
    all->v = mem_grow(all->v, all->n + 1, sizeof *all->v);
    struct history *h = &all->v[all->n++];
    *h = (struct history){ .server = mem_str(server) };
    return h;
}

static uint64_t rate(uint64_t before, uint64_t after, uint64_t ms)
{
    uint64_t more = after >= before ? after - before : after;
    return ms == 0 || more > UINT64_MAX / 1000 ? 0 : more * 1000 / ms;
}

static void keep(struct history *h)
{
    if (h->n == GAUGE_KEPT)
        for (int g = 0; g < GAUGES; g++)
            memmove(h->kept[g], h->kept[g] + 1, (GAUGE_KEPT - 1) * sizeof h->kept[g][0]);
    else
        h->n++;
    for (int g = 0; g < GAUGES; g++)
        h->kept[g][h->n - 1] = h->now[g];
}

static void look(struct history *h, const struct status *t, uint64_t now)
{
    const uint64_t counters[GAUGES] = { [GAUGE_CPU] = t->cpu_ms, [GAUGE_READ] = t->io_read, [GAUGE_WRITTEN] = t->io_written,
                                        [GAUGE_RECEIVED] = t->net_received, [GAUGE_SENT] = t->net_sent };
    uint64_t ms = h->at ? now - h->at : 0;
    for (int g = 0; g < GAUGES; g++) {
        h->now[g] = g == GAUGE_MEMORY ? t->memory : rate(h->last[g], counters[g], ms);
        h->last[g] = counters[g];
    }
    /* Ms of processor a second are tenths of a percent of one core. */
    bool first = h->at == 0;
    h->at = now;
    h->seen = true;
    if (!first)
        keep(h);
}

void gauge_look(struct histories *all, const struct statuses *s, uint64_t now)
{
    for (uint32_t i = 0; i < s->n; i++) {
        struct history *h = find(all, s->v[i].server);
        look(h ? h : make(all, s->v[i].server), &s->v[i], now);
    }
    size_t n = 0;
    for (size_t i = 0; i < all->n; i++) {
        if (all->v[i].seen)
            all->v[n++] = all->v[i];
        else
            free(all->v[i].server);
    }
    all->n = n;
    for (size_t i = 0; i < n; i++)
        all->v[i].seen = false;
}

void gauge_free(struct histories *all)
{
    for (size_t i = 0; i < all->n; i++)
        free(all->v[i].server);
    free(all->v);
    *all = (struct histories){ .n = 0 };
}

void gauge_draw(struct buf *b, const struct history *h, enum gauge g, unsigned width, uint64_t full)
{
    static const char *const blocks[] = { "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
    unsigned n = h->n < width ? h->n : width;
    const uint64_t *v = h->kept[g] + (h->n - n);
    for (unsigned i = 0; i < n; i++)
        full = v[i] > full ? v[i] : full;
    buf_put_fmt(b, "%*s", (int)(width - n), "");
    for (unsigned i = 0; i < n; i++) {
        double part = full ? (double)v[i] / (double)full : 0;
        buf_put_fmt(b, "%s", blocks[v[i] == 0 ? 0 : part >= 1 ? 7 : (unsigned)(part * 8)]);
    }
}
