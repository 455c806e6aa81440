/* Items of btrfs's trees, as the kernel hands them to root (BTRFS_IOC_TREE_SEARCH). */
#ifndef QUOTA_BTRFS_TREE_H
#define QUOTA_BTRFS_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct btrfs_item {
    uint64_t object, offset;    /* of its key */
    uint32_t len;
    const void *bytes;          /* little-endian, unaligned; the callback's alone */
};

/* 0 goes on; anything else ends the search and is its answer. */
typedef int btrfs_item_fn(void *arg, const struct btrfs_item *i);

/* Calls FN for each item of OBJECT and TYPE in tree TREE of the file system that FS is open on, by rising offset.  0, what FN answered, or -1 with
   errno: ENOENT when there is no such tree. */
int btrfs_items(int fs, uint64_t tree, uint64_t object, uint32_t type, btrfs_item_fn *fn, void *arg);

uint64_t btrfs_u64(const struct btrfs_item *i, size_t at);      /* 0 behind its end */

/* A list of numbers: zeroed at first. */
struct btrfs_ids { uint64_t *at; size_t n; };
void btrfs_ids_free(struct btrfs_ids *l);
void btrfs_ids_add(struct btrfs_ids *l, uint64_t id);
bool btrfs_ids_has(const struct btrfs_ids *l, uint64_t id);
#define BTRFS_IDS __attribute__((cleanup(btrfs_ids_free))) struct btrfs_ids

#endif
