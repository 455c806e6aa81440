/* Subvolumes that are to go, below STATE/servers: @FOLDER@gone@ID holds one, or stands for its quota group.  Whoever calls has gone_lock. */
#ifndef QUOTA_BTRFS_GONE_H
#define QUOTA_BTRFS_GONE_H

#include "base/err.h"
#include "quota/place.h"

/* One process at a time makes or removes subvolumes and groups here: descriptor of the lock, closed to let go; or -1 with E: EWOULDBLOCK after 30 s. */
int gone_lock(const struct place *p, struct err *e);
/* Moves subvolume NAME out of the way, for gone_clean.  Harmless when there is none. */
int gone_move(const struct place *p, const char *name, struct err *e);
/* Deletes what was moved away, of all servers, and what a death in the middle of making left; and removes the groups of what is gone.  How many
   are left to the kernel's cleaner; what failed is logged. */
int gone_clean(const struct place *p);

#endif
