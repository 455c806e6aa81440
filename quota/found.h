/* What a check of a file system found without a name. */
#ifndef QUOTA_FOUND_H
#define QUOTA_FOUND_H

#include <stdbool.h>

#include "base/err.h"

/* Gives the contents of lost+found, below the root folder WHOLE of a disk, to the server, in a folder lost+found among its files, and logs how
   many they are.  An empty one is removed.  OURS: as ext4_super's.  0, or -1 with E. */
int found_settle(const char *name, int whole, bool ours, struct err *e);

#endif
