/* Project quotas of the file system that a descriptor is on, XFS or ext4: a number for each file, given on by its folder, and limits for all files
   of one number.  No device or mount point is named (quotactl_fd, Linux 5.14). */
#ifndef QUOTA_PRJQUOTA_H
#define QUOTA_PRJQUOTA_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct prjquota {
    uint64_t bytes, inodes;             /* the hard limits; 0: none */
    uint64_t used, used_inodes;         /* with what is reserved for writes that are under way */
};

/* Whether the kernel counts the projects of the file system at FD and holds them to limits: 0, or -1 with what is missing and what to do. */
int prjquota_on(int fd, struct err *e);
/* The words for it: of the file system kind MAGIC (statfs), whose state was told with FLAGS, or not at all with NO. */
int prjquota_judge(uint64_t magic, int no, unsigned flags, struct err *e);

/* BYTES must be whole KiB and whole blocks of the file system.  0, or -1 with E. */
int prjquota_set(int fd, uint32_t id, uint64_t bytes, uint64_t inodes, struct err *e);
int prjquota_get(int fd, uint32_t id, struct prjquota *q, struct err *e);

/* The number of the folder at FD, and whether all that is made in it gets it too. */
int prjquota_mark_of(int fd, uint32_t *id, bool *inherited, struct err *e);
/* Only for an empty folder: what is in it keeps the number it has. */
int prjquota_mark(int fd, uint32_t id, struct err *e);

#endif
