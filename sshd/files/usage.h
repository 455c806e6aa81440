/* What the server's disk holds and may hold, by whoever counts it there: every number a session is shown, and the gate's, come from here. */
#ifndef FILES_USAGE_H
#define FILES_USAGE_H

#include "sshd/files/worker.h"

struct usage {
    uint64_t used, limit;            /* bytes */
    uint64_t inodes, inodes_limit;   /* limit 0: there is none */
};

/* Whether KIND (of START_FILES) is one. */
bool usage_kind_ok(uint32_t kind);
/* Dies when the disk cannot be asked. */
void usage_now(const struct worker *w, struct usage *u);

/* Before a disk is said to be full: has the kernel count what was deleted, where it does so late.  At most once a second: it writes out the whole file
   system.  True when it was done, and usage_now may tell less. */
bool usage_settle(struct worker *w);

#endif
