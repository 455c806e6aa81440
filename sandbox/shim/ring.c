#include "sandbox/shim/ring.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { RING_FIRST = 4096 };

void ring_free(struct ring *r)
{
    free(r->p);
    *r = (struct ring)RING(r->max);
}

static void copy_in(uint8_t *p, size_t cap, uint64_t at, const uint8_t *bytes, size_t size)
{
    size_t from = (size_t)at & (cap - 1), first = cap - from < size ? cap - from : size;
    memcpy(p + from, bytes, first);
    memcpy(p, bytes + first, size - first);
}

static void resize(struct ring *r, size_t cap)
{
    uint8_t *p = mem_new(cap);
    if (r->head - r->start > cap)
        r->start = r->head - cap;
    const uint8_t *bytes;
    for (uint64_t at = r->start; at < r->head;) {
        size_t n = ring_peek(r, at, cap, &bytes);
        copy_in(p, cap, at, bytes, n);
        at += n;
    }
    free(r->p);
    r->p = p;
    r->cap = cap;
}

void ring_limit(struct ring *r, size_t max)
{
    r->max = max;
    if (r->cap > max)
        resize(r, max);
}

static uint64_t count_lines(const uint8_t *p, size_t size)
{
    uint64_t n = 0;
    for (const uint8_t *end = p + size; p < end && (p = memchr(p, '\n', (size_t)(end - p))); p++)
        n++;
    return n;
}

void ring_put(struct ring *r, const void *bytes, size_t size)
{
    const uint8_t *p = bytes;
    if (size == 0)
        return;
    r->lines += count_lines(p, size);
    size_t cap = r->cap ? r->cap : RING_FIRST;
    while (cap < r->max && cap < r->head - r->start + size)
        cap *= 2;
    if (cap != r->cap)
        resize(r, cap);
    size_t skip = size > r->cap ? size - r->cap : 0;
    copy_in(r->p, r->cap, r->head + skip, p + skip, size - skip);
    r->head += size;
    if (r->head - r->start > r->cap)
        r->start = r->head - r->cap;
}

size_t ring_peek(const struct ring *r, uint64_t at, size_t most, const uint8_t **bytes)
{
    if (at >= r->head)
        return 0;
    size_t from = (size_t)at & (r->cap - 1), n = r->cap - from;
    if (n > r->head - at)
        n = (size_t)(r->head - at);
    *bytes = r->p + from;
    return n < most ? n : most;
}

uint64_t ring_line_from(const struct ring *r, uint64_t at)
{
    const uint8_t *p;
    size_t n;
    for (uint64_t i = at; (n = ring_peek(r, i, r->cap, &p)) > 0; i += n) {
        const uint8_t *end = memchr(p, '\n', n);
        if (end)
            return i + (uint64_t)(end - p) + 1;
    }
    return at;
}

uint64_t ring_last_lines(const struct ring *r, uint64_t n)
{
    for (uint64_t at = r->head; at > r->start; at--)
        if (r->p[(at - 1) & (r->cap - 1)] == '\n' && n-- == 0)
            return at;
    return r->start;
}

uint64_t ring_lines_from(const struct ring *r, uint64_t at)
{
    const uint8_t *p;
    uint64_t lines = 0;
    for (size_t n; (n = ring_peek(r, at, r->cap, &p)) > 0; at += n)
        lines += count_lines(p, n);
    return lines;
}
