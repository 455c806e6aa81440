/* Backend `project`: a server's files are a folder of the state's own file system, XFS or ext4 mounted with prjquota, and all in it has one project
   number, given on by every folder to what is made in it.  The kernel counts the number's blocks and inodes and refuses more.

   STATE/servers/NAME.project (root's, 0700: the machine's other users have ids that files in it have too) holds one folder, `files`, which is mounted
   on STATE/servers/NAME.  All of it counts, that folder's own inode and blocks too: an empty disk has one inode in use, and what an
   unprivileged user may write is the rest.  Bytes are whole blocks; a limit above what the file system has is set to
   one block, or inode, less than that, since statfs of the mount shows the smaller of the two.

   The number is PROJECT_BASE + the server's.  One in use by files that are not ours is refused: it is the admin's to free.

   ext4 holds nobody to limits who has CAP_SYS_RESOURCE in the initial user namespace; no process that writes for a server has it.  Neither file system refuses the blocks that map
   data it accepted before it had a place on the disk: SECURITY says by how much a server can end above its limit. */
#ifndef QUOTA_PROJECT_H
#define QUOTA_PROJECT_H

#include "quota/backend.h"

/* "HF" in the upper half: far from what /etc/projid and other programs count from, below what systemd takes. */
enum { PROJECT_BASE = 0x48460000, PROJECT_MOST = 0x10000 };

extern const struct backend backend_project;

/* The project number of disk D: 0, or -1 with E when it has none. */
int project_id(const struct disk *d, uint32_t *id, struct err *e);

/* What a file system of BLOCKS of SIZE bytes and INODES, as statfs tells them, can hold D to: lowers its limits to that. */
void project_limits(struct disk *d, uint64_t blocks, uint64_t size, uint64_t inodes);

/* Whether MOUNTINFO (as /proc has it) says that the file system of mount number MOUNT finds a place for data after it was accepted; true when it does not say. */
bool project_delays(const char *mountinfo, uint64_t mount);

#endif
