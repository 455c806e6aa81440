/* Starts a server's holdfast-quotafs, and makes the mount that it serves. */
#ifndef QUOTA_FUSE_START_H
#define QUOTA_FUSE_START_H

#include "base/err.h"
#include "quota/backend.h"

#define FUSE_SUBTYPE "quotafs"

/* A detached mount, served by a process that runs, in a session of its own and a user namespace of OWNER's range, on the files open at TREE (a
   mount of its own), with the limits of D, whose usage is filled in.  Closing the mount, unattached, ends the process.  Waits while it counts.  -1 with E. */
int fuse_start(const struct place *p, struct disk *d, int tree, struct err *e);

#endif
