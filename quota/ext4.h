/* An ext4 file system in a file: made for limits, what its superblock says, checked and repaired.

   Our own layout: the server's files are in the folder EXT4_FILES, and beside it, where no mount of a server leads, EXT4_HELD with what keeps
   inodes from it (quota/limit.h).  Its mark is the label.  Disks of earlier versions have the files in their root folder. */
#ifndef QUOTA_EXT4_H
#define QUOTA_EXT4_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

enum { EXT4_BLOCK = 4096, EXT4_INODES_STEP = EXT4_BLOCK / 256 };   /* inodes of a block of a table */
/* Of every disk: ten inodes below the first that users get, two folders; their blocks and the root folder's. */
enum { EXT4_OWN_INODES = 12, EXT4_OWN_BLOCKS = 3 };
#define EXT4_FILES "files"
#define EXT4_HELD "held"

struct ext4_limits { uint64_t bytes, inodes; };

/* `index`: blocks that list those of the journal and of the room to grow, which the kernel takes for files.  `tables`: blocks of a group that no file gets, at most.
   `growth`: the blocks it can grow to, mounted, without a change of its layout. */
struct ext4_super {
    uint64_t blocks, reserved, overhead, index, groups, growth;
    uint32_t inodes, used_inodes, group_blocks, group_inodes, tables;
    bool ours, errors;   /* our own layout; the kernel found an error in it */
};

/* 0, or -1 with E: EUCLEAN when it is no ext4 of ours. */
int ext4_super(int fd, struct ext4_super *s, struct err *e);
/* Blocks that the kernel keeps back for itself in a file system of BLOCKS: without them a write it has promised could fail later. */
uint64_t ext4_keeps(uint64_t blocks);
/* The limits as a disk can have them: bytes in whole blocks, at most one inode a KiB. */
struct ext4_limits ext4_whole(const struct ext4_limits *limits);
/* Blocks for root, for the entries of EXT4_HELD. */
uint64_t ext4_spare(uint64_t inodes);

/* Formats the empty file open at FD, and sets its size, so that LIMITS fit: bytes exactly, when limit_set (quota/limit.h) has run on it;
   inodes the nearest below that the groups allow, or as many above as their least of 16 per 128 MiB asks for. */
int ext4_make(int fd, const struct ext4_limits *limits, struct err *e);
/* Checks FD, which is not mounted, replays its journal and repairs what can be without a loss: 0 when it is good, else -1 with E.  What had lost
   its name is in lost+found of the file system. */
int ext4_repair(int fd, struct err *e);

#endif
