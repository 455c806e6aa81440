/* A mount that shows other owners than the disk has: whose files they are is then this machine's business, not the disk's. */
#ifndef QUOTA_IDMAP_H
#define QUOTA_IDMAP_H

#include <sys/types.h>

#include "base/err.h"

enum { IDMAP_IDS = 65536 };

/* Maps uids and gids DISK to DISK + 65535 of the file system to HOST to HOST + 65535, and the disk's own 0 to HOST, on the detached mount TREE.  All
   others are nobody's there, and neither they nor the machine's other users (root included) can make or change anything.
   0; 1 when this kernel cannot map such a file system; or -1 with E. */
int idmap_set(int tree, uid_t disk, uid_t host, struct err *e);

/* The same by maps as uid_map and gid_map take them: inside is the file system's, outside what the mount shows. */
int idmap_apply(int tree, const char *uids, const char *gids, struct err *e);

#endif
