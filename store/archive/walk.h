/* A tree, from the top down, by descriptors alone: no name is ever more than one step from a folder already open, and no link is followed.
   What lives there may change it meanwhile; what vanishes is left out, what cannot be taken is counted. */
#ifndef ARCHIVE_WALK_H
#define ARCHIVE_WALK_H

#include <stdint.h>

#include "base/err.h"
#include "store/archive/writer.h"

enum { WALK_DEPTH = 512, WALK_NAME = 4095 };

struct tally {
    uint64_t special;      /* sockets and devices, which no archive can hold */
    uint64_t unreadable;   /* no right to open */
    uint64_t deep;         /* more than WALK_DEPTH folders deep, or a longer path than WALK_NAME */
    uint64_t changed;      /* files that changed while they were read */
    uint64_t vanished;
};

/* Writes everything beneath ROOT (and ROOT, as ".") to W; "lost+found" at the top is left out.  0, or -1 with E. */
int walk(int root, struct writer *w, struct tally *t, struct err *e);

#endif
