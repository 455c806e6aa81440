#include "base/bucket.h"

void bucket_init(struct bucket *b, uint64_t burst, uint64_t rate, uint64_t now)
{
    *b = (struct bucket){ .burst = burst, .rate = rate, .level = burst * 1000, .then = now };
}

static void refill(struct bucket *b, uint64_t now)
{
    uint64_t room = b->burst * 1000 - b->level, add;
    if (now <= b->then)
        return;
    if (__builtin_mul_overflow(now - b->then, b->rate, &add) || add > room)
        add = room;
    b->level += add;
    b->then = now;
}

bool bucket_take(struct bucket *b, uint64_t n, uint64_t now)
{
    refill(b, now);
    if (n > b->burst || n * 1000 > b->level)
        return false;
    b->level -= n * 1000;
    return true;
}

uint64_t bucket_wait(struct bucket *b, uint64_t n, uint64_t now)
{
    refill(b, now);
    if (n > b->burst)
        return UINT64_MAX;
    if (n * 1000 <= b->level)
        return 0;
    return b->rate ? (n * 1000 - b->level + b->rate - 1) / b->rate : UINT64_MAX;
}
