/* A token bucket: at most BURST at once, refilled at RATE a second.  Amounts are in the caller's unit. */
#ifndef BASE_BUCKET_H
#define BASE_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

struct bucket {
    uint64_t burst, rate;
    uint64_t level;     /* in thousandths */
    uint64_t then;      /* ms of the last refill */
};

void bucket_init(struct bucket *b, uint64_t burst, uint64_t rate, uint64_t now);
/* Takes N if they are there (true), else takes nothing. */
bool bucket_take(struct bucket *b, uint64_t n, uint64_t now);
/* Milliseconds until N could be taken; UINT64_MAX if never. */
uint64_t bucket_wait(struct bucket *b, uint64_t n, uint64_t now);

#endif
