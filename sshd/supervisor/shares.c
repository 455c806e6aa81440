#include "sshd/supervisor/shares.h"

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t rest_of(uint64_t node, size_t n, const uint64_t *use)
{
    for (size_t i = 0; i < n; i++)
        node -= least(node, use[i]);
    return node;
}

/* What it takes to lift everybody to LEVEL. */
static uint64_t cost(uint64_t level, size_t n, const uint64_t *limit)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += limit[i] < level ? level - limit[i] : 0;
    return sum;
}

static void lift(uint64_t each, uint64_t spare, size_t n, uint64_t *limit)
{
    uint64_t low = 0, high = each;
    while (low < high) {
        uint64_t level = high - (high - low) / 2;
        if (cost(level, n, limit) <= spare)
            low = level;
        else
            high = level - 1;
    }
    for (size_t i = 0; i < n; i++)
        if (limit[i] < low)
            limit[i] = low;
}

void shares(uint64_t node, uint64_t each, size_t n, const uint64_t *use, uint64_t *limit)
{
    uint64_t few = least(node / 16, SHARE_FEW), rest = rest_of(node, n, use), kept = node / SHARE_KEPT;
    few = least(few ? few : 1, each);
    for (size_t i = 0; i < n; i++) {
        uint64_t more = use[i] < few ? least(few - use[i], rest) : 0;
        limit[i] = use[i] + more;
        rest -= more;
    }
    lift(each, rest > kept ? rest - kept : 0, n, limit);
    for (size_t i = 0; i < n; i++)
        limit[i] = least(limit[i], each);
}
