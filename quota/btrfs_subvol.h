/* Subvolumes of btrfs, by number.  FS is a descriptor of a folder of the file system, not of a mapped mount, and outside
   of what has a limit: the changes made by it take room there. */
#ifndef QUOTA_BTRFS_SUBVOL_H
#define QUOTA_BTRFS_SUBVOL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "quota/btrfs_tree.h"

bool subvol_fs(int fs);                         /* whether it is btrfs */

struct subvol { uint64_t id, made; };           /* its number, never used again, and the transaction that made it */

/* Makes an empty one, NAME in FOLDER, mode 0700: its root folder's descriptor, or -1 with E. */
int subvol_make(int folder, const char *name, struct err *e);
/* Opens NAME in FOLDER, root's with mode 0700: descriptor, or -1 with E (ENOENT: none). */
int subvol_open(int folder, const char *name, struct err *e);
/* Of the subvolume that FD is open in. */
int subvol_of(int fd, struct subvol *s, struct err *e);
/* Where it is in its life, or -1 with E. */
enum { SUBVOL_GONE, SUBVOL_THERE, SUBVOL_DYING /* deleted, and not yet cleaned away by the kernel */ };
int subvol_state(int fs, uint64_t id, struct err *e);
/* Adds ID and all subvolumes below it to LIST, each before those below it. */
int subvol_tree(int fs, uint64_t id, struct btrfs_ids *list, struct err *e);
/* Deletes ID, whose root folder is open in FD, and all below it, also what is read-only; the kernel frees their space afterwards. */
int subvol_delete(int fs, int fd, uint64_t id, struct err *e);
/* Has the transaction ended in the background, behind which the kernel frees what was deleted. */
void subvol_wake_cleaner(int fs);

#endif
