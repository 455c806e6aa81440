/* Quota groups of btrfs.  A server's subvolume, number ID, and all below it are members of group 1/ID, which has the limit: who makes a subvolume in
   a subvolume makes a group 0/ of its own, which a limit of the first 0/ID would not count.  FS as in btrfs_subvol.h. */
#ifndef QUOTA_BTRFS_GROUP_H
#define QUOTA_BTRFS_GROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum quota_mode {
    QUOTA_OFF,
    QUOTA_SIMPLE,       /* who wrote an extent is charged for it; subvolumes made inside join the group by themselves (kernel 6.7) */
    QUOTA_FULL,         /* shared extents are charged to all who refer to them; subvolumes made inside join no group */
};

struct quota_state {
    enum quota_mode mode;
    bool inconsistent, counting;    /* of QUOTA_FULL: the numbers are wrong, or are being counted anew */
    uint64_t since;                 /* of QUOTA_SIMPLE: the transaction from which on is counted */
};

int quota_look(int fs, struct quota_state *s, struct err *e);
bool quota_simple_known(void);      /* by this kernel */
/* Switches on simple quotas, or full ones where the kernel knows no others.  Harmless when they are on. */
int quota_switch_on(int fs, struct err *e);
/* Waits, for some seconds, until the numbers of full quotas are right, has them counted when they are not: 0, or -1 with E: EAGAIN. */
int quota_settle(int fs, struct err *e);

#define GROUP_NO_LIMIT UINT64_MAX

/* Makes 1/ID when missing, with subvolume ID and all below it as members; what is gone for good is taken out.  -1 with E: EEXIST when the group
   has a subvolume that is somewhere else. */
int group_hold(int fs, uint64_t id, struct err *e);
/* At once, for whoever writes next. */
int group_limit(int fs, uint64_t id, uint64_t bytes, struct err *e);
/* Bytes that the group refers to, and those that are promised to writes under way; together they never exceed the limit. */
int group_use(int fs, uint64_t id, uint64_t *referenced, uint64_t *reserved, struct err *e);
/* The kernel's file with the first of these numbers, in decimal. */
int group_file(int fs, uint64_t id, char *path, size_t size, struct err *e);
/* Removes the group when all members are gone: 0 it is gone, 1 not yet, -1 with E. */
int group_remove(int fs, uint64_t id, struct err *e);

#endif
