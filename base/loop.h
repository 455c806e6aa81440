/* The event loop of a long-lived process: descriptors (epoll, level-triggered) and timers.  One thread. */
#ifndef BASE_LOOP_H
#define BASE_LOOP_H

#include <stdbool.h>
#include <stdint.h>

enum { LOOP_READ = 1, LOOP_WRITE = 4, LOOP_GONE = 16 };   /* the values of EPOLLIN, EPOLLOUT, EPOLLHUP|EPOLLERR folded */

struct loop;
struct watch;
struct timer;

typedef void watch_fn(void *data, int fd, unsigned events);
typedef void timer_fn(void *data);

struct loop *loop_new(void);                    /* dies when the system refuses */
void loop_free(struct loop *l);                 /* with all its watches and timers; closes no watched descriptor */

/* Watches FD (not owned) for EVENTS.  The watch lives until watch_free, which must come before FD is closed and may be called
   from any handler, its own included. */
struct watch *loop_watch(struct loop *l, int fd, unsigned events, watch_fn *fn, void *data);
void watch_events(struct watch *w, unsigned events);
void watch_free(struct watch *w);               /* NULL is allowed */

/* Calls FN once, MS milliseconds from now.  After the call the timer is gone: do not free it then. */
struct timer *loop_timer(struct loop *l, uint64_t ms, timer_fn *fn, void *data);
void timer_free(struct timer *t);               /* before it fired; NULL is allowed */

/* Runs until loop_stop. */
void loop_run(struct loop *l);
void loop_stop(struct loop *l);
/* One round, waiting at most MS milliseconds (-1: without end).  Returns how many descriptors were ready. */
int loop_once(struct loop *l, int ms);

#endif
