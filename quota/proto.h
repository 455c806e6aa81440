/* Messages between the supervisor and what counts a server's files. */
#ifndef QUOTA_PROTO_H
#define QUOTA_PROTO_H

enum count_type {
    /* to count: str server, u32 log level, u32 keep (stay and watch), u32 threads of a single count, u32 directories watched at most, u32 ms between
       two reconciles, u32 ms between two looks at least; fd: the tree.  Also the first COUNT_LOOK, number 0. */
    START_COUNT = 0x0701,
    /* from count; the id is that of the last COUNT_LOOK it had when this look began: u32 errno (0: counted), u64 bytes, u64 inodes, u64 directories
       not wholly seen, u64 names counted although they may have been before */
    COUNT_REPORT = 0x0702,
    /* to count, that keeps: u32 now.  A look that begins after it is told with its id: as soon as something has changed, or, with `now`, in any case.
       One look, one COUNT_LOOK: it never tells two without being asked. */
    COUNT_LOOK = 0x0703,
};

/* Directories watched: a KiB or so of the kernel's memory each.  Every 150 s those known to have changed unseen are looked at, every fourth time all. */
enum { COUNT_WATCHES = 7000, COUNT_RECONCILE_MS = 150000, COUNT_FULL_EVERY = 4, COUNT_LOOK_MS = 1000 };

#endif
