/* How what a server uses of its disk is counted; told by its backend, and passed on to whoever asks for it. */
#ifndef QUOTA_KIND_H
#define QUOTA_KIND_H

/* How the bytes and inodes in use are known to whoever stands on the mount. */
enum disk_count {
    DISK_COUNT_STATFS,      /* statfs of the mount shows the limits and what is left of them */
    DISK_COUNT_LEDGER,      /* nobody in the kernel counts: the gate's page does */
    DISK_COUNT_FILE,        /* the kernel counts; a file of its tells the bytes, in decimal */
    DISK_COUNT_OBJECTS,     /* as STATFS for bytes; its inodes in use are of the whole file system, and their limit is what was asked for */
    DISK_COUNT_TOLD,        /* as STATFS; but a process of its own answers for the mount, and whoever must not wait for that asks it by its link */
};

/* Bytes that a file system made to its limit gives on top of it, at most: first blocks of folders that are nobody's, its journal's index. */
enum { DISK_ON_TOP = 64 * 1024 };

#endif
