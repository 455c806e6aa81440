/* How much of what a server uses, from two looks at it; and the last looks as a line of blocks. */
#ifndef SESSION_GAUGE_H
#define SESSION_GAUGE_H

#include <stdint.h>

#include "base/buf.h"
#include "sshd/session/status.h"

enum { GAUGE_KEPT = 240 };

enum gauge { GAUGE_CPU, GAUGE_MEMORY, GAUGE_READ, GAUGE_WRITTEN, GAUGE_RECEIVED, GAUGE_SENT, GAUGES };

struct history {
    char *server;                        /* owned */
    uint64_t at;                         /* ms of the last look; 0: none that the next can be compared with */
    uint64_t last[GAUGES];               /* what the counters were then */
    uint64_t now[GAUGES];                /* cpu in tenths of a percent of one core, memory in bytes, the rest in bytes a second */
    uint64_t kept[GAUGES][GAUGE_KEPT];   /* the newest last */
    unsigned n;
    bool seen;                           /* in this round */
};

struct histories { struct history *v; size_t n; };

/* Takes one look at NOW (ms of any clock that only goes forward).  A counter that went back (the server was started anew) counts from 0.  Servers
   that are in it no more are forgotten.  The rates are right from the second look on. */
void gauge_look(struct histories *all, const struct statuses *s, uint64_t now);
const struct history *gauge_find(const struct histories *all, const char *server);
void gauge_free(struct histories *all);
/* The newest WIDTH values of G as blocks of eight heights, the highest of them (or FULL, if that is more) at the top; blanks in front while there are
   fewer. */
void gauge_draw(struct buf *b, const struct history *h, enum gauge g, unsigned width, uint64_t full);

#endif
