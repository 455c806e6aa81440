/* What a tree takes: allocated bytes and inodes beneath a directory descriptor, counted by several threads while others may change it (walk.h says
   what is left out and how it is bounded). */
#ifndef QUOTA_SCAN_H
#define QUOTA_SCAN_H

#include <stdatomic.h>

#include "quota/top.h"
#include "quota/walk.h"

enum { SCAN_THREADS_MOST = 16, SCAN_LINKS = 1 << 20 };

struct scan {
    unsigned threads;            /* 0 and 1: only the caller's */
    unsigned fds, depth;         /* as walk_rules; a thread each */
    size_t names;
    size_t links;                /* inodes with several names that are remembered; 0: SCAN_LINKS */
    struct top *top;             /* gets the largest directories, each with all beneath it; may be NULL */
    atomic_bool *stop;           /* set by anybody: the scan ends soon; may be NULL */
};

struct scan_result {
    struct walk_tally tally;
    uint64_t links_over;         /* names of inodes that were counted although they may have been counted before */
};

/* 0; -1 with errno: the root cannot be read, a thread cannot be made (EAGAIN), or it was stopped (ECANCELED). */
int scan(int root, const struct scan *s, struct scan_result *r);
/* Whether nothing of the tree was left out or counted twice. */
bool scan_exact(const struct scan_result *r);

#endif
