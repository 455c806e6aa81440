#include "quota/quotafs/ledger.h"

#include <stdatomic.h>

#include "base/die.h"

void ledger_set(struct ledger *l, uint64_t bytes_most, uint64_t inodes_most)
{
    atomic_store(&l->bytes_most, bytes_most);
    atomic_store(&l->inodes_most, inodes_most);
}

struct ledger_sum ledger_sum(const struct ledger *l)
{
    return (struct ledger_sum){ atomic_load(&l->bytes), atomic_load(&l->inodes), atomic_load(&l->bytes_most), atomic_load(&l->inodes_most) };
}

uint64_t ledger_left(const struct ledger *l)
{
    uint64_t used = atomic_load(&l->bytes), most = atomic_load(&l->bytes_most);
    return used < most ? most - used : 0;
}

/* No sum here can wrap: what is used may lie above the limit, and N may be anything. */
static bool take(_Atomic uint64_t *used, const _Atomic uint64_t *most, uint64_t n)
{
    uint64_t was = atomic_load(used);
    while (n) {
        uint64_t limit = atomic_load(most);
        if (was > limit || n > limit - was)
            return false;
        if (atomic_compare_exchange_weak(used, &was, was + n))
            return true;
    }
    return true;
}

static void give(_Atomic uint64_t *used, uint64_t n)
{
    if (n && atomic_fetch_sub(used, n) < n)
        bug("ledger: more given than taken");
}

bool ledger_take(struct ledger *l, uint64_t bytes, uint64_t inodes)
{
    if (!take(&l->inodes, &l->inodes_most, inodes))
        return false;
    if (take(&l->bytes, &l->bytes_most, bytes))
        return true;
    give(&l->inodes, inodes);
    return false;
}

uint64_t ledger_take_most(struct ledger *l, uint64_t bytes, uint64_t unit)
{
    for (;;) {
        uint64_t left = ledger_left(l) / unit * unit;
        uint64_t n = left < bytes ? left : bytes / unit * unit;
        if (take(&l->bytes, &l->bytes_most, n))
            return n;
    }
}

void ledger_give(struct ledger *l, uint64_t bytes, uint64_t inodes)
{
    give(&l->bytes, bytes);
    give(&l->inodes, inodes);
}

void ledger_settle(struct ledger *l, uint64_t taken, uint64_t real)
{
    if (real > taken)
        atomic_fetch_add(&l->bytes, real - taken);
    else
        give(&l->bytes, taken - real);
}
