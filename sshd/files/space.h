/* Room on the server's disk: leases from the gate, and the words when there is none.  Bytes; leases are whole blocks. */
#ifndef FILES_SPACE_H
#define FILES_SPACE_H

#include <sys/stat.h>

#include "sshd/files/worker.h"

/* Takes a lease of WANT bytes (rounded up to blocks) or more, usually GATE_LEASE; less when less is left, down to one block.  0: full. */
uint64_t space_take(struct worker *w, uint64_t want);
/* BYTES in whole blocks, rounded up. */
uint64_t space_blocks(const struct worker *w, uint64_t bytes);
/* Gives back what was not used, or what was: WROTE are bytes of a lease that are on the disk now. */
void space_give(struct worker *w, uint64_t bytes);
void space_wrote(struct worker *w, uint64_t bytes);
/* Writes into FD, of which ST is true, that end below this need no lease: its first hole, or its size, not rounded. */
uint64_t space_high(int fd, const struct stat *st);
/* "quota exceeded (USED of LIMIT)", or the inode limit when that is what is used up.  Returns -1. */
int fail_space(struct worker *w);

#endif
