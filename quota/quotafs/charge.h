/* What one file's writes may cost before they are made, without asking the file system each time: the most that they could, which is settled
   later with what they did.  Pure; whoever calls it holds the file's lock.

   A file's cost is `real` (its blocks, when they were last looked at), `pending` (taken for writes since), `flight` (for writes being made) and
   `slack` (for what the file system allocates only when it writes back: the blocks in which it notes where a file's pieces lie). */
#ifndef QUOTAFS_CHARGE_H
#define QUOTAFS_CHARGE_H

#include <stdbool.h>
#include <stdint.h>

struct charge {
    uint64_t real, pending, flight, slack;
    uint64_t solid;     /* all up to here has blocks and was written: writing it again costs nothing */
    uint32_t pieces;    /* writes since the last look that began elsewhere */
};

/* What a write wants taken first; `slack` of it stays until the file is flushed. */
struct charge_need { uint64_t data, slack; };

/* Of a file of SIZE bytes, REAL bytes of blocks, without a hole before byte SOLID. */
void charge_open(struct charge *c, uint64_t size, uint64_t real, uint64_t solid);
/* Writing LEN > 0 bytes at OFF (their sum does not wrap), with blocks of UNIT bytes. */
struct charge_need charge_need(const struct charge *c, uint64_t off, uint64_t len, uint64_t unit);
/* The most bytes at OFF that DATA bytes of blocks are enough for. */
uint64_t charge_fits(const struct charge *c, uint64_t off, uint64_t data, uint64_t unit);
/* It was taken and the write begins; it has ended with LEN bytes written, maybe 0. */
void charge_begin(struct charge *c, const struct charge_need *n);
void charge_end(struct charge *c, const struct charge_need *n, uint64_t off, uint64_t len);
/* Nothing from SIZE on is known to have blocks any more. */
void charge_cut(struct charge *c, uint64_t size);
/* The file system says REAL bytes; FLUSHED: and will not say more.  Returns in *TAKEN and *REAL_OUT what to settle the ledger with. */
void charge_settle(struct charge *c, uint64_t real, bool flushed, uint64_t *taken, uint64_t *real_out);
/* All that the ledger has of it. */
uint64_t charge_sum(const struct charge *c);

#endif
