/* The scroll-back: the last bytes of a stream that is counted from its first byte on, so a reader keeps a position instead of a queue.
   Memory follows what was written, up to the limit. */
#ifndef SHIM_RING_H
#define SHIM_RING_H

#include <stddef.h>
#include <stdint.h>

struct ring {
    uint8_t *p;        /* owned */
    size_t cap, max;   /* powers of two; max is the limit in bytes */
    uint64_t start;    /* position of the oldest byte held */
    uint64_t head;     /* one past the newest */
    uint64_t lines;    /* line ends ever written */
};

#define RING(limit) { .max = (limit) }

void ring_free(struct ring *r);
void ring_put(struct ring *r, const void *bytes, size_t size);
/* A new limit (a power of two): the oldest bytes beyond it are forgotten and their memory given back. */
void ring_limit(struct ring *r, size_t max);
/* The bytes from AT on (start <= AT <= head) that lie in one piece: at most MOST; 0 at the head. */
size_t ring_peek(const struct ring *r, uint64_t at, size_t most, const uint8_t **bytes);
/* The first position from AT on that begins a line; AT itself when none does. */
uint64_t ring_line_from(const struct ring *r, uint64_t at);
/* Where the last N lines begin (a last line without end counts for none), or start. */
uint64_t ring_last_lines(const struct ring *r, uint64_t n);
/* How many line ends lie between AT and the head. */
uint64_t ring_lines_from(const struct ring *r, uint64_t at);

#endif
