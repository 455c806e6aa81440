#include <criterion/criterion.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/mem.h"
#include "quota/gate.h"

enum { WRITERS = 64 };

/* The disk: what all writers together have written, and the most it ever showed. */
struct disk {
    _Atomic uint64_t used, most;
    _Atomic uint64_t refused;
};

static struct gate *fresh(uint64_t limit)
{
    CLOSE_FD int fd = gate_create();
    cr_assert(fd >= 0);
    struct gate *g = gate_map(fd);
    cr_assert(g);
    gate_set_limit(g, limit);
    return g;
}

static uint64_t disk_used(void *data)
{
    struct disk *d = data;
    return atomic_load(&d->used);
}

static void disk_write(struct disk *d, uint64_t n)
{
    uint64_t now = atomic_fetch_add(&d->used, n) + n;
    uint64_t most = atomic_load(&d->most);
    while (now > most && !atomic_compare_exchange_weak(&d->most, &most, now)) {}
}

/* Writes in leases until refused, frees a little, goes on: the dance near the limit is where an overshoot would be. */
static void dance(struct gate *g, struct disk *d, unsigned slot, unsigned turns)
{
    for (unsigned i = 0; i < turns; i++) {
        uint64_t part = gate_take_used(g, slot, disk_used, d, 64 * 1024, 4096);
        if (part == 0) {
            atomic_fetch_add(&d->refused, 1);
            uint64_t now = atomic_load(&d->used);
            if (now >= 8192)
                atomic_compare_exchange_strong(&d->used, &now, now - 8192);
            continue;
        }
        disk_write(d, part - part % 4096);
        gate_give(g, slot, part);
    }
}

struct writer { struct gate *g; struct disk *d; };

static void *writer(void *data)
{
    struct writer *w = data;
    int slot = gate_slot_take(w->g);
    cr_assert(slot >= 0);
    dance(w->g, w->d, (unsigned)slot, 3000);
    gate_slot_drop(w->g, (unsigned)slot);
    return NULL;
}

Test(gate, sixty_four_threads_never_pass_the_limit)
{
    struct disk d = { 0 };
    struct writer w = { fresh(4 * 1024 * 1024), &d };
    pthread_t t[WRITERS];
    for (int i = 0; i < WRITERS; i++)
        cr_assert(pthread_create(&t[i], NULL, writer, &w) == 0);
    for (int i = 0; i < WRITERS; i++)
        pthread_join(t[i], NULL);
    cr_assert_leq(d.most, 4u * 1024 * 1024, "overshoot %lu", (unsigned long)(d.most - 4 * 1024 * 1024));
    cr_assert_gt(d.refused, 0, "the limit was never met");
    cr_assert_eq(gate_leased(w.g), 0);
    gate_unmap(w.g);
}

Test(gate, sixty_four_processes_some_killed)
{
    CLOSE_FD int fd = gate_create();
    struct gate *g = gate_map(fd);
    struct disk *d = mmap(NULL, sizeof *d, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    gate_set_limit(g, 4 * 1024 * 1024);
    pid_t pid[WRITERS];
    int slot[WRITERS];
    for (int i = 0; i < WRITERS; i++) {
        slot[i] = gate_slot_take(g);
        cr_assert(slot[i] >= 0);
        pid[i] = fork();
        if (pid[i] == 0) {
            struct gate *own = gate_map(fd);
            dance(own, d, (unsigned)slot[i], i % 2 ? 3000 : 100000000);
            _exit(0);
        }
    }
    for (int i = 1; i < WRITERS; i += 2)
        cr_assert(waitpid(pid[i], NULL, 0) == pid[i]);
    for (int i = 0; i < WRITERS; i += 2) {
        kill(pid[i], SIGKILL);
        cr_assert(waitpid(pid[i], NULL, 0) == pid[i]);
    }
    cr_assert_leq(d->most, 4u * 1024 * 1024);
    for (int i = 0; i < WRITERS; i++)
        gate_slot_drop(g, (unsigned)slot[i]);
    cr_assert_eq(gate_leased(g), 0, "what the dead had out came back");
    gate_unmap(g);
}

Test(gate, takes_what_is_left_and_least)
{
    struct gate *g = fresh(10000);
    int slot = gate_slot_take(g);
    cr_assert_eq(gate_take(g, (unsigned)slot, 4000, 1000, 1), 1000);
    cr_assert_eq(gate_take(g, (unsigned)slot, 4000, 100000, 1), 5000, "what is left");
    cr_assert_eq(gate_take(g, (unsigned)slot, 4000, 10, 1), 0, "full");
    gate_give(g, (unsigned)slot, 100);
    cr_assert_eq(gate_take(g, (unsigned)slot, 4000, 200, 101), 0, "less than the least");
    cr_assert_eq(gate_take(g, (unsigned)slot, UINT64_MAX - 5, 200, 1), 0, "no overflow");
    cr_assert_eq(gate_take(g, GATE_SLOTS, 0, 200, 1), 0, "no such slot");
    gate_give(g, (unsigned)slot, UINT64_MAX);
    cr_assert_eq(gate_leased(g), 0);
    gate_set_limit(g, 100);
    cr_assert_eq(gate_take(g, (unsigned)slot, 101, 1, 1), 0, "over the limit already");
    gate_unmap(g);
}

Test(gate, a_dead_slot_comes_back)
{
    struct gate *g = fresh(10000);
    int a = gate_slot_take(g), b = gate_slot_take(g);
    cr_assert_neq(a, b);
    gate_take(g, (unsigned)a, 0, 4000, 1);
    gate_take(g, (unsigned)b, 0, 1000, 1);
    gate_slot_drop(g, (unsigned)a);
    cr_assert_eq(gate_leased(g), 1000);
    gate_give(g, (unsigned)b, 5000);
    cr_assert_eq(gate_leased(g), 0, "no more comes back than was taken");
    cr_assert_eq(gate_slot_take(g), a);
    for (int i = 2; i < GATE_SLOTS; i++)
        cr_assert(gate_slot_take(g) >= 0);
    cr_assert_eq(gate_slot_take(g), -1);
    gate_unmap(g);
}

Test(gate, only_a_gate_is_mapped)
{
    CLOSE_FD int fd = memfd_create("x", MFD_CLOEXEC);
    cr_assert_null(gate_map(fd));
    cr_assert(ftruncate(fd, 8192) == 0);
    cr_assert_null(gate_map(fd));
    CLOSE_FD int real = gate_create();
    cr_assert(ftruncate(real, 0) < 0, "sealed");
}

/* ---- the ledger ---- */

static uint64_t ledger_used(void *data)
{
    return gate_used(data);
}

Test(gate, a_page_is_a_ledger_from_the_first_count_on)
{
    struct gate *g = fresh(1 << 20);
    uint64_t limit;
    cr_assert(!gate_ledger(g));
    cr_assert_eq(gate_used(g), 0);
    gate_set_inodes_limit(g, 100);
    gate_set_used(g, 4096, 3, gate_written(g));
    cr_assert(gate_ledger(g));
    cr_assert_eq(gate_used(g), 4096);
    cr_assert_eq(gate_inodes(g, &limit), 3);
    cr_assert_eq(limit, 100);
    gate_unmap(g);
}

/* What is written while a count is under way is behind it, whether it saw the bytes or not. */
Test(gate, bytes_written_during_a_count_are_not_lost)
{
    struct gate *g = fresh(10 << 20);
    unsigned slot = (unsigned)gate_slot_take(g);
    gate_set_used(g, 0, 0, gate_written(g));
    uint64_t part = gate_take_used(g, slot, ledger_used, g, GATE_LEASE, 4096), before = gate_written(g);
    gate_wrote(g, slot, part);
    cr_assert_eq(gate_used(g), part);
    cr_assert_eq(gate_leased(g), 0);
    gate_set_used(g, 0, 0, before);
    cr_assert_eq(gate_used(g), part, "that count had begun before them");
    gate_set_used(g, part, 1, gate_written(g));
    cr_assert_eq(gate_used(g), part, "this one after them");
    gate_unmap(g);
}

/* A killed writer's lease may have been written: it counts until the next look. */
Test(gate, a_dead_writers_lease_counts_as_written)
{
    struct gate *g = fresh(2 << 20);
    unsigned slot = (unsigned)gate_slot_take(g);
    gate_set_used(g, 0, 0, 0);
    cr_assert_eq(gate_take_used(g, slot, ledger_used, g, GATE_LEASE, 4096), GATE_LEASE);
    gate_slot_drop(g, slot);
    cr_assert_eq(gate_leased(g), 0);
    cr_assert_eq(gate_used(g), GATE_LEASE);
    gate_set_used(g, 0, 0, gate_written(g));
    cr_assert_eq(gate_used(g), 0);
    gate_unmap(g);
}

struct ledger_writer { struct gate *g; uint64_t wrote; unsigned slot; };

static void *ledger_write(void *data)
{
    struct ledger_writer *w = data;
    for (int i = 0; i < 20000; i++) {
        uint64_t part = gate_take_used(w->g, w->slot, ledger_used, w->g, 65536, 4096);
        if (part == 0)
            break;
        /* Half of it is used. */
        gate_wrote(w->g, w->slot, part / 2);
        gate_give(w->g, w->slot, part - part / 2);
        w->wrote += part / 2;
    }
    return NULL;
}

Test(gate, writers_together_stay_within_the_ledger)
{
    enum { N = 16 };
    const uint64_t limit = 8 << 20;
    struct gate *g = fresh(limit);
    struct ledger_writer w[N];
    pthread_t t[N];
    uint64_t sum = 0;
    gate_set_used(g, 1 << 20, 0, 0);
    for (unsigned i = 0; i < N; i++) {
        w[i] = (struct ledger_writer){ .g = g, .slot = (unsigned)gate_slot_take(g) };
        cr_assert_eq(pthread_create(&t[i], NULL, ledger_write, &w[i]), 0);
    }
    for (unsigned i = 0; i < N; i++) {
        pthread_join(t[i], NULL);
        sum += w[i].wrote;
    }
    cr_assert_leq(sum + (1 << 20), limit);
    cr_assert_geq(sum + (1 << 20), limit - 8192);
    cr_assert_eq(gate_used(g), sum + (1 << 20));
    gate_unmap(g);
}
