#include "quota/scan.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/attr.h"
#include "base/mem.h"

enum { QUEUE = 2 * SCAN_THREADS_MOST, STACK = 128 * 1024, SLICE = 256 };

/* `waiting` is read without the lock, as a hint. */
struct pool {
    const struct scan *scan;
    struct walk_rules rules;
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct walk_task queue[QUEUE];
    unsigned n, busy;
    _Atomic unsigned waiting, queued;
    struct walk_tally tally;
};

static bool stopped(const struct pool *p)
{
    return p->scan->stop && atomic_load_explicit(p->scan->stop, memory_order_relaxed);
}

static bool hungry(void *data)
{
    struct pool *p = data;
    unsigned waiting = atomic_load_explicit(&p->waiting, memory_order_relaxed);
    unsigned queued = atomic_load_explicit(&p->queued, memory_order_relaxed);
    /* One more than can be taken at once, so that the next is there when a piece is done. */
    return p->scan->threads > 1 && queued < waiting + p->scan->threads - 1 && queued < QUEUE;
}

static void give(void *data, struct walk_task *t)
{
    struct pool *p = data;
    pthread_mutex_lock(&p->lock);
    bool room = p->n < QUEUE;
    if (room) {
        p->queue[p->n++] = *t;
        atomic_store(&p->queued, p->n);
        pthread_cond_signal(&p->more);
    }
    pthread_mutex_unlock(&p->lock);
    if (!room)
        walk_task_drop(&p->rules, t);
}

/* False: there is nothing left, and nobody at work who could bring more. */
static bool take(struct pool *p, struct walk_task *t)
{
    pthread_mutex_lock(&p->lock);
    atomic_fetch_add(&p->waiting, 1);
    while (p->n == 0 && p->busy > 0)
        pthread_cond_wait(&p->more, &p->lock);
    atomic_fetch_sub(&p->waiting, 1);
    bool some = p->n > 0;
    if (some) {
        *t = p->queue[--p->n];
        atomic_store(&p->queued, p->n);
        p->busy++;
    }
    pthread_mutex_unlock(&p->lock);
    return some;
}

static void put_down(struct pool *p)
{
    pthread_mutex_lock(&p->lock);
    if (--p->busy == 0)
        pthread_cond_broadcast(&p->more);
    pthread_mutex_unlock(&p->lock);
}

static void add_up(struct pool *p, struct walk *w)
{
    pthread_mutex_lock(&p->lock);
    walk_tally_add(&p->tally, walk_tally(w));
    pthread_mutex_unlock(&p->lock);
    walk_free(w);
}

static void work(struct pool *p, struct walk *w)
{
    struct walk_task t;
    do {
        while (!stopped(p) && walk_step(w, SLICE)) {}
        put_down(p);
        if (stopped(p) || !take(p, &t))
            break;
        walk_task(w, &t);
    } while (true);
    add_up(p, w);
}

static void *helper(void *data)
{
    struct pool *p = data;
    struct walk *w = walk_new(&p->rules);
    struct walk_task t;
    if (take(p, &t)) {
        walk_task(w, &t);
        work(p, w);
    } else
        walk_free(w);
    return NULL;
}

static void leave(void *data, struct walk_dir *d)
{
    struct pool *p = data;
    uint64_t bytes = atomic_load(&d->bytes);
    char path[TOP_PATH];
    pthread_mutex_lock(&p->lock);
    if (top_wants(p->scan->top, bytes))
        top_add(p->scan->top, bytes, walk_path(d, NULL, path, sizeof path));
    pthread_mutex_unlock(&p->lock);
}

static unsigned start(struct pool *p, pthread_t *threads)
{
    unsigned n = 0, wanted = p->scan->threads < SCAN_THREADS_MOST ? p->scan->threads : SCAN_THREADS_MOST;
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK);
    while (n + 1 < wanted && pthread_create(&threads[n], &attr, helper, p) == 0)
        n++;
    pthread_attr_destroy(&attr);
    return n;
}

static int run(struct pool *p, int root)
{
    pthread_t threads[SCAN_THREADS_MOST];
    struct walk *w = walk_new(&p->rules);
    if (walk_root(w, root) < 0) {
        int no = errno;
        walk_free(w);
        errno = no;
        return -1;
    }
    /* Busy from the start, or a helper that comes first would think that all is done. */
    p->busy = 1;
    unsigned n = start(p, threads);
    work(p, w);
    for (unsigned i = 0; i < n; i++)
        pthread_join(threads[i], NULL);
    while (p->n > 0)
        walk_task_drop(&p->rules, &p->queue[--p->n]);
    errno = ECANCELED;
    return stopped(p) ? -1 : 0;
}

int scan(int root, const struct scan *s, struct scan_result *r)
{
    struct pool p = { .scan = s };
    p.rules = (struct walk_rules){ .data = &p, .hungry = hungry, .give = give, .upward = true, .fds = s->fds, .depth = s->depth,
                                   .names = s->names, .links = links_new(s->links ? s->links : SCAN_LINKS),
                                   .leave = s->top ? leave : NULL };
    pthread_mutex_init(&p.lock, NULL);
    pthread_cond_init(&p.more, NULL);
    int done = run(&p, root), no = errno;
    *r = (struct scan_result){ .tally = p.tally, .links_over = links_over(p.rules.links) };
    links_free(p.rules.links);
    pthread_cond_destroy(&p.more);
    pthread_mutex_destroy(&p.lock);
    errno = no;
    return done;
}

bool scan_exact(const struct scan_result *r)
{
    const struct walk_tally *t = &r->tally;
    return t->unreadable == 0 && t->lost == 0 && t->deep == 0 && r->links_over == 0;
}
