#include "quota/gate.h"

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fcntl.h>

#include "base/attr.h"

#define GATE_MAGIC UINT64_C(0x686f6c6466676174)

/* `total` is what is out in all slots together, at least: it is raised before and lowered after the slot, so a process killed between the
   two leaves it too high, never too low. */
struct gate {
    uint64_t magic;
    _Atomic uint64_t limit;
    _Atomic uint64_t total;
    _Atomic uint64_t gives;   /* how often something came back; see gate_take_used */
    /* The ledger.  Used are `base` and `written` together: one store moves the whole, whoever writes meanwhile. */
    _Atomic uint32_t ledger;
    _Atomic uint64_t base, written, inodes, inodes_limit;
    _Atomic uint32_t used[GATE_SLOTS];
    _Atomic uint64_t slot[GATE_SLOTS];
};

int gate_create(void)
{
    CLOSE_FD int fd = memfd_create("gate", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0 || ftruncate(fd, sizeof(struct gate)) < 0)
        return -1;
    const uint64_t magic = GATE_MAGIC;
    if (pwrite(fd, &magic, sizeof magic, 0) != sizeof magic)
        return -1;
    /* Whoever maps it must not be killed by another's ftruncate. */
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
        return -1;
    return fd_steal(&fd);
}

struct gate *gate_map(int fd)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return NULL;
    int seals = fcntl(fd, F_GET_SEALS);
    if (st.st_size != sizeof(struct gate) || seals < 0 || !(seals & F_SEAL_SHRINK)) {
        errno = EINVAL;
        return NULL;
    }
    struct gate *g = mmap(NULL, sizeof *g, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (g == MAP_FAILED)
        return NULL;
    if (g->magic != GATE_MAGIC) {
        munmap(g, sizeof *g);
        errno = EINVAL;
        return NULL;
    }
    return g;
}

void gate_unmap(struct gate *g)
{
    if (g)
        munmap(g, sizeof *g);
}

void gate_set_limit(struct gate *g, uint64_t limit)
{
    atomic_store(&g->limit, limit);
}

uint64_t gate_limit(const struct gate *g)
{
    return atomic_load(&g->limit);
}

uint64_t gate_leased(const struct gate *g)
{
    return atomic_load(&g->total);
}

/* Takes at most N from COUNT, never below 0 whatever another process wrote there.  Returns what was taken. */
static uint64_t lower(_Atomic uint64_t *count, uint64_t n)
{
    uint64_t now = atomic_load(count);
    uint64_t part;
    do
        part = now < n ? now : n;
    while (!atomic_compare_exchange_weak(count, &now, now - part));
    return part;
}

static uint64_t room(uint64_t limit, uint64_t used, uint64_t out)
{
    uint64_t busy;
    if (__builtin_add_overflow(used, out, &busy) || busy >= limit)
        return 0;
    return limit - busy;
}

uint64_t gate_take(struct gate *g, unsigned slot, uint64_t used, uint64_t want, uint64_t least)
{
    if (slot >= GATE_SLOTS || want == 0 || least > want)
        return 0;
    uint64_t out = atomic_load(&g->total);
    uint64_t part;
    do {
        part = room(gate_limit(g), used, out);
        if (part > want)
            part = want;
        if (part == 0 || part < least)
            return 0;
    } while (!atomic_compare_exchange_weak(&g->total, &out, out + part));
    atomic_fetch_add(&g->slot[slot], part);
    return part;
}

/* A giver counts itself before it lowers the total.  So if the count is the same before USED was asked and after the take, no byte went from
   "out" to "used" in between, and the take saw each byte in at least one of the two. */
uint64_t gate_take_used(struct gate *g, unsigned slot, gate_used_fn *used, void *data, uint64_t want, uint64_t least)
{
    if (slot >= GATE_SLOTS)
        return 0;
    for (unsigned turn = 0;; turn++) {
        uint64_t before = atomic_load(&g->gives);
        uint64_t part = gate_take(g, slot, used(data), want, least);
        if (atomic_load(&g->gives) == before)
            return part;
        /* Not counted: it was never written, and others need not look again for it. */
        lower(&g->total, lower(&g->slot[slot], part));
        if (turn >= 8)
            sched_yield();
    }
}

void gate_give(struct gate *g, unsigned slot, uint64_t n)
{
    if (slot >= GATE_SLOTS || n == 0)
        return;
    uint64_t had = lower(&g->slot[slot], n);
    atomic_fetch_add(&g->gives, 1);
    lower(&g->total, had);
}

void gate_wrote(struct gate *g, unsigned slot, uint64_t n)
{
    /* Used before it is no longer out: a take in between sees it in both. */
    atomic_fetch_add(&g->written, n);
    gate_give(g, slot, n);
}

void gate_set_used(struct gate *g, uint64_t used, uint64_t inodes, uint64_t written_before)
{
    atomic_store(&g->base, used - written_before);
    atomic_store(&g->inodes, inodes);
    atomic_store(&g->ledger, 1);
}

void gate_set_inodes_limit(struct gate *g, uint64_t limit)
{
    atomic_store(&g->inodes_limit, limit);
}

uint64_t gate_written(const struct gate *g)
{
    return atomic_load(&g->written);
}

bool gate_ledger(const struct gate *g)
{
    return atomic_load(&g->ledger) != 0;
}

uint64_t gate_used(const struct gate *g)
{
    /* Differences wrap, sums wrap back. */
    return gate_ledger(g) ? atomic_load(&g->base) + atomic_load(&g->written) : 0;
}

uint64_t gate_inodes(const struct gate *g, uint64_t *limit)
{
    *limit = atomic_load(&g->inodes_limit);
    return atomic_load(&g->inodes);
}

int gate_slot_take(struct gate *g)
{
    for (unsigned i = 0; i < GATE_SLOTS; i++) {
        uint32_t unused = 0;
        if (atomic_compare_exchange_strong(&g->used[i], &unused, 1)) {
            atomic_store(&g->slot[i], 0);
            return (int)i;
        }
    }
    errno = EAGAIN;
    return -1;
}

static bool nobody(const struct gate *g)
{
    for (unsigned i = 0; i < GATE_SLOTS; i++)
        if (atomic_load(&g->used[i]))
            return false;
    return true;
}

void gate_slot_drop(struct gate *g, unsigned slot)
{
    if (slot >= GATE_SLOTS)
        return;
    /* In a ledger what a dead one had out may be on the disk: used, until a count says otherwise. */
    if (gate_ledger(g))
        gate_wrote(g, slot, atomic_load(&g->slot[slot]));
    gate_give(g, slot, UINT64_MAX);
    atomic_store(&g->used[slot], 0);
    /* What was lost by kills between total and slot comes back when the last one has gone. */
    if (nobody(g))
        atomic_store(&g->total, 0);
}
