/* What holds the users of a mounted ext4 below its size, to the block and to the inode, and can be changed under them.

   Blocks: ext4 keeps as many free as its `reserved_clusters` says, whoever asks; statfs does not show them as available.  Raised, it takes
   effect on the next block anybody wants, and it swallows what is deleted until the users are below their limit.  It is kept nowhere: whoever
   mounts the file system sets it, before anybody can see it.

   Inodes: ext4 has no such number, so that empty files of root in EXT4_HELD take those that are too many.  They are made one by one (20 us each, or
   50 on a busy machine), for at most 10 s a call, and what a server makes meanwhile is its own.  Where too many are in use, those that it deletes are its own again until the next
   limit_set: until then it has at most as many as limit_set has answered.

   A write that was promised may need a block of a file's extent tree from what is reserved: at most one for 170 of the file's. */
#ifndef QUOTA_LIMIT_H
#define QUOTA_LIMIT_H

#include "base/err.h"
#include "quota/ext4.h"

/* ROOT: the root folder of the whole file system, open; DEVICE: "/dev/loop7"; SUPER: of now. */
struct limit_fs { int root; const char *device; struct ext4_super super; };

/* The most that can be given without growing. */
int limit_most(const struct limit_fs *f, struct ext4_limits *most, struct err *e);
/* Holds them to *LIMITS; afterwards what they are held to.  More than limit_most is cut.  Inodes can stay above what was asked: when they are in
   use, or in the root folder of an earlier version's disk, which has no EXT4_HELD.  0, or -1 with E. */
int limit_set(const struct limit_fs *f, struct ext4_limits *limits, struct err *e);
/* What they use. */
int limit_used(const struct limit_fs *f, struct ext4_limits *used, struct err *e);

#endif
