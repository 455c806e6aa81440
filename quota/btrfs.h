/* Backend `btrfs`: a server's files live in a subvolume of their own, STATE/servers/@NAME, and show at STATE/servers/NAME.  Quota group 1/ID, of the
   subvolume's number ID and all subvolumes below it, has the limit, and the kernel counts:
    - data as it lies on the disk, after compression, in whole extents: one of which only a part is still in use counts whole, so that use may exceed
      what `du` tells, up to twice for files written over in pieces; a write over old data takes its room before it gives the old one's back, and is
      refused when there is none.  Copies that share blocks count once.
    - metadata: names, inodes, small files (they lie in it), attributes.  16 KiB at a time, and while a transaction lasts more is set aside than will
      be used: with small files alone a disk is full at two thirds or so until that transaction has ended, 30 s at most.  A disk of less than 1 MiB is not made.
   EDQUOT comes at the write.  What is under way is reserved before, so the group never exceeds its limit.

   Inodes have no limit of their own.  Each takes 185 bytes of metadata at the very least (more with a name), so that the bytes hold them to
   bytes / 185.  That is the limit in force and is what `up` answers; where fewer were wanted, the log says so.  The kernel does not count
   inodes: `use` answers 0 of them.

   What counts is a file of the kernel's (`count`): what is written and not yet on its way to the disk is not in it, up to 30 s.  `use` adds what is
   reserved for that.

   Which quotas: simple ones (kernel 6.7).  Full ones are used where the admin has them, or the kernel is older; then a subvolume made inside
   is in no group, and nothing but the sandbox's filter of system calls holds it, which the log says.  The same filter stands before one gap of simple
   quotas: BTRFS_IOC_SUBVOL_CREATE_V2 with a list of groups of the caller's takes a new subvolume out of the group, and needs no privilege.  `up`, `resize`
   and `use` take such subvolumes in.

   `fit` answers 1, with the reason in E, where no quotas are on yet: `up` would switch them on for the whole file system, which is the
   admin's to ask for (`quota = btrfs`), because kernels before 6.7 cannot mount a file system on which simple quotas ever were on.

   What a deleted server leaves is cleaned by the kernel in the background.  Until its group can be removed, a folder @NAME@gone@ID stands for it;
   every `up` and `drop` of any server looks after those. */
#ifndef QUOTA_BTRFS_H
#define QUOTA_BTRFS_H

#include "quota/backend.h"

extern const struct backend backend_btrfs;

#endif
