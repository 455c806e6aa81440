/* What one server has used of its disk, and may: bytes and inodes, from any number of threads at once.  Whoever is about to use some takes it
   first; what is taken can never pass the limits.  Pure: knows no files. */
#ifndef QUOTAFS_LEDGER_H
#define QUOTAFS_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

struct ledger { _Atomic uint64_t bytes, inodes, bytes_most, inodes_most; };

/* A moment's look; the four values need not be of one instant. */
struct ledger_sum { uint64_t bytes, inodes, bytes_most, inodes_most; };

void ledger_set(struct ledger *l, uint64_t bytes_most, uint64_t inodes_most);   /* for the next take, also below what is used */
struct ledger_sum ledger_sum(const struct ledger *l);
uint64_t ledger_left(const struct ledger *l);   /* bytes */

/* Both, or false and neither.  Nothing of a kind is always granted, also above the limit. */
bool ledger_take(struct ledger *l, uint64_t bytes, uint64_t inodes);
/* As many of BYTES as are left, in multiples of UNIT; maybe 0. */
uint64_t ledger_take_most(struct ledger *l, uint64_t bytes, uint64_t unit);
/* More than was taken is a bug of ours. */
void ledger_give(struct ledger *l, uint64_t bytes, uint64_t inodes);
/* TAKEN bytes turned out to be REAL ones: known too late to be refused if they are more. */
void ledger_settle(struct ledger *l, uint64_t taken, uint64_t real);

#endif
