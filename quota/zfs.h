/* Backend `zfs`: a server's files are a dataset of its own, beside or below what STATE/servers lies on: PARENT/NAME, with mountpoint=legacy and the
   property holdfast:server=NAME, mounted by us on STATE/servers/NAME.  refquota limits what it refers to, the file system's own blocks too: an empty
   one uses some 100 KiB.  ZFS has no limit of inodes but for users, groups and projects: it is userobjquota of the files' owner on the disk,
   which nobody in a server can leave, enforced a transaction group (5 s) late.  Not of a project: ZFS gives its number to files and folders alone,
   counts nothing else, and refuses to link or rename what has another one than its folder (EXDEV for every symbolic link, pipe and socket).

   zfs(8) is run for everything but the mount.  refquota cannot be set below what is used: a disk that is over its limit is held to
   what it uses, and `up` or `resize` says so in the limit they answer.  ZFS before 2.2 maps no ids: files then have those of this machine
   (quota/tree.h). */
#ifndef QUOTA_ZFS_H
#define QUOTA_ZFS_H

#include "quota/backend.h"

extern const struct backend backend_zfs;

#endif
