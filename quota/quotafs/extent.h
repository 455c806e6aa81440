/* What of a range of a file has blocks already.  Slow: asked near the limit. */
#ifndef QUOTAFS_EXTENT_H
#define QUOTAFS_EXTENT_H

#include <stdbool.h>
#include <stdint.h>

/* Bytes of [OFF, OFF + LEN), taken as whole blocks of UNIT, that writing there may allocate blocks for.  WRITTEN: blocks that were only reserved
   (fallocate) count as missing: noting that they are written takes room of its own.  All of them where the file system does not tell. */
uint64_t extent_missing(int fd, uint64_t off, uint64_t len, uint64_t unit, bool written);

/* Whether it is in so few pieces that one more write needs no block to note them in (EXT4's inode has room for four). */
bool extent_few(int fd);

#endif
