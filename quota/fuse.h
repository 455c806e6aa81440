/* Backend `fuse`: for places where neither a loop device nor a quota of the kernel can be had.  A server's files are the folder
   STATE/servers/NAME.fuse/tree; holdfast-quotafs, a process a server, shows them on STATE/servers/NAME, counts and refuses.  On the disk they have
   the ids of inside, 0 to 65535.

   Whoever uses the mount gets ENOTCONN at once if that process ends before its time; the next `up` takes the dead mount away, counts anew
   and mounts. */
#ifndef QUOTA_FUSE_H
#define QUOTA_FUSE_H

#include "quota/backend.h"

extern const struct backend backend_fuse;

#endif
