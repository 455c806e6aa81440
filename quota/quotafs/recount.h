/* What a folder's files use, counted from nothing: blocks and inodes, hard links once, the folder itself too.  Nobody else works in it meanwhile. */
#ifndef QUOTAFS_RECOUNT_H
#define QUOTAFS_RECOUNT_H

#include <stdint.h>

#include "base/err.h"

struct recount { uint64_t bytes, inodes; };

/* Of the folder open at ROOT (O_PATH will do).  Depth is bounded by memory only: one descriptor at a time.  0, or -1 with E. */
int recount(int root, struct recount *r, struct err *e);

#endif
