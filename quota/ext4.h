/* An ext4 file system in a file: made with exact limits, and what its superblock says. */
#ifndef QUOTA_EXT4_H
#define QUOTA_EXT4_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

enum { EXT4_BLOCK = 4096 };

struct ext4_limits { uint64_t bytes, inodes; };

/* Formats the empty file open at FD (its size is set) so that an unprivileged user of the empty file system has LIMITS:
   bytes rounded down to whole blocks, inodes the nearest below that the groups allow.  Inodes differ where the format has its
   own bounds: at most one a KiB, at least 16 per 128 MiB (of which 10 in all are kept). */
int ext4_make(int fd, const struct ext4_limits *limits, uid_t owner, struct err *e);
/* The limits that the file system in FD was made with, from its superblock. */
int ext4_limits_of(int fd, struct ext4_limits *limits, struct err *e);
/* The limits ext4_make would give for LIMITS in a file system of the size of FD's. */
struct ext4_limits ext4_nearest(int fd, const struct ext4_limits *limits);
/* Runs e2fsck -p on FD: 0 when it is clean or was repaired. */
int ext4_repair(int fd, struct err *e);

#endif
