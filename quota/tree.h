/* A server's files as a mount of their own: for its owner's range of ids, whatever ids they have on the disk. */
#ifndef QUOTA_TREE_H
#define QUOTA_TREE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "quota/place.h"

/* Gives the root folder of the detached mount TREE to DISK_UID above the first id of the range that the disk's files have (0, or of disks of
   earlier versions a node's), mode 0750, and maps that range to OWNER's.  Works before anybody can see it.  Where the kernel cannot map, an
   empty disk is given to the range of this machine and stays that way; the log says so.  NAME is for the words. */
int tree_own(const char *name, int tree, uid_t owner, struct err *e);

/* For backends whose files are a folder: a detached mount of the folder open at BACKING, nosuid, nodev, noatime; or -1 with E. */
int tree_of(int backing, struct err *e);

/* Whether OWNER is DISK_UID above the first of a range; or -1 with E. */
int tree_owner_ok(uid_t owner, struct err *e);

#endif
