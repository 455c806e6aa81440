/* gate_bench FOLDER [MILLISECONDS]: nanoseconds of one take and give, by threads that do nothing else, on one page; for t/bench/gate.
   Lines: THREADS and the four columns of that script. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/vfs.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "quota/gate.h"

enum { THREADS_MOST = 8, BLOCK = 4096 };

static struct gate *gate;
static _Atomic uint64_t counter;
static _Atomic int begun, ended;
static int folder;

struct worker { uint64_t (*turn)(unsigned slot); unsigned slot; uint64_t turns; };

static uint64_t t_add(unsigned slot)
{
    (void)slot;
    atomic_fetch_add(&counter, BLOCK);
    atomic_fetch_sub(&counter, BLOCK);
    return 1;
}

static uint64_t t_given(unsigned slot)
{
    uint64_t part = gate_take(gate, slot, 0, BLOCK, BLOCK);
    gate_give(gate, slot, part);
    return part;
}

static uint64_t asked(void *data)
{
    struct statfs f;
    (void)data;
    return fstatfs(folder, &f) < 0 ? UINT64_MAX : 0;
}

static uint64_t t_asked(unsigned slot)
{
    uint64_t part = gate_take_used(gate, slot, asked, NULL, BLOCK, BLOCK);
    gate_give(gate, slot, part);
    return part;
}

static uint64_t t_statfs(unsigned slot)
{
    (void)slot;
    return asked(NULL) == 0;
}

static uint64_t (*const columns[])(unsigned slot) = { t_add, t_given, t_statfs, t_asked };

static void *work(void *data)
{
    struct worker *w = data;
    while (!atomic_load(&begun)) {}
    while (!atomic_load_explicit(&ended, memory_order_relaxed)) {
        if (w->turn(w->slot) == 0)
            abort();
        w->turns++;
    }
    return NULL;
}

/* Wall time of one turn of one thread: what a writer waits. */
static double measure(unsigned threads, uint64_t (*turn)(unsigned slot), long ms)
{
    pthread_t t[THREADS_MOST];
    struct worker w[THREADS_MOST];
    uint64_t turns = 0;
    begun = ended = 0;
    for (unsigned i = 0; i < threads; i++) {
        w[i] = (struct worker){ .turn = turn, .slot = i };
        if (pthread_create(&t[i], NULL, work, &w[i]) != 0)
            abort();
    }
    begun = 1;
    nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 }, NULL);
    ended = 1;
    for (unsigned i = 0; i < threads; i++) {
        pthread_join(t[i], NULL);
        turns += w[i].turns;
    }
    return (double)ms * 1e6 * threads / (double)turns;
}

int main(int argc, char **argv)
{
    long ms = argc > 2 ? strtol(argv[2], NULL, 10) : 200;
    int fd = gate_create();
    folder = argc > 1 ? open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    gate = fd < 0 ? NULL : gate_map(fd);
    if (folder < 0 || gate == NULL || ms <= 0)
        return 2;
    gate_set_limit(gate, UINT64_C(1) << 40);
    for (unsigned i = 0; i < THREADS_MOST; i++)
        if (gate_slot_take(gate) != (int)i)
            return 2;
    for (unsigned threads = 1; threads <= THREADS_MOST; threads *= 2) {
        printf("%u", threads);
        for (size_t c = 0; c < countof(columns); c++)
            printf(" %.0f", measure(threads, columns[c], ms));
        printf("\n");
    }
    return gate_leased(gate) == 0 ? 0 : 1;
}
