/* Whether it is worth to look for the next request for a moment before going to sleep.

   A client that moves small files waits for each answer before it asks again, some tens of microseconds later: between two requests both processors go to
   sleep, and each request pays for waking them.  Measured on a virtual machine of two processors, files of 4 KiB a second, up and down, where the session
   looks for 100, 250 and 500 us: by `sftp -r` 2372 and 2432, 3890 and 3243, 3890 and 3487; by lftp 1155 and 1213, 1673 and 2226, 2060 and 2256;
   with OpenSSH's server 1436 and 1399, 938 and 1120.  The client gains as well, since nobody has to be woken by what it sends.  With 500 us 16 downloads at once take 16 % more of
   the server's time and are no faster.

   The price is processor time that nobody else had a use for, up to 300 us a request, and is bounded on all sides.  It looks only while small
   requests come in quick succession (never with bulk data on its way, at rest, behind a prompt, or from another continent), never on one
   processor, and gives the processor away at each look.  When nothing came in time, or somebody else turns out to want the processor, it sleeps
   as ever for the next 2 requests, and for twice as many each time that happens again. */
#ifndef SESSION_EAGER_H
#define SESSION_EAGER_H

#include <stdbool.h>
#include <stdint.h>

struct loop;

enum {
    EAGER_STREAK = 8,          /* requests in quick succession before the first look */
    EAGER_SOON_US = 1000,      /* from one to the next */
    EAGER_SMALL = 16 * 1024,   /* bytes of one with its answer, at most */
    EAGER_LOOK_US = 300,       /* how long one look may last */
    EAGER_CROWDED_US = 300,    /* so long without the processor: somebody else works on it */
    EAGER_REST = 2, EAGER_REST_MOST = 8192,   /* requests without a look after one in vain */
};

struct eager {
    bool able;                 /* there is more than one processor */
    unsigned streak, rest, vain;
    uint64_t moved, last;
};

/* Counts processors: before the lock. */
void eager_open(struct eager *e);
/* In place of a wait of L without end, MOVED being the bytes that went in and out so far.  True: descriptors were ready and have been handled.  False: they
   are to be waited for. */
bool eager_wait(struct eager *e, struct loop *l, uint64_t moved);

#endif
