/* The end of a tree that a stranger filled, as root: from the top down by descriptors and single names alone, so that no link, no mount and no
   renamed folder leads anywhere else; with one open folder and no stack for however deep it is. */
#ifndef QUOTA_ERASE_H
#define QUOTA_ERASE_H

#include <stdbool.h>

#include "base/err.h"

/* Deletes what is at NAME, one component, below the folder open at FOLDER; harmless when nothing is there.  Folders inside are moved to the top
   before they are emptied: on a disk without a free block it may go no further (ENOSPC), else it ends when nobody makes anything
   there any more, which is the caller's to see to.  0, or -1 with E and something left; EBUSY when a mount is in the way. */
int erase_tree(int folder, const char *name, struct err *e);

/* Whether the folder at FD, open for reading or as O_PATH, has nothing in it; false also when that cannot be known. */
bool erase_empty(int fd);

#endif
