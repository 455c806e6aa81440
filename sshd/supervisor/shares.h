/* Who may have how many of what the whole machine has only so many of.  Pure. */
#ifndef SUPERVISOR_SHARES_H
#define SUPERVISOR_SHARES_H

#include <stddef.h>
#include <stdint.h>

enum { SHARE_FEW = 8, SHARE_KEPT = 4 };

/* N accounts have USE[i] each out of NODE; LIMIT[i] becomes what each may have.  No limit is above EACH, and what is in use or may be taken
   is NODE at most, unless more is in use already.  What is not in use is shared out evenly, but for a quarter (1/SHARE_KEPT), which is kept
   for accounts that come: each has SHARE_FEW (or a sixteenth of NODE, if that is less, but 1 at least) as long as there are any. */
void shares(uint64_t node, uint64_t each, size_t n, const uint64_t *use, uint64_t *limit);

#endif
