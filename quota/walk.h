/* One thread's walk over a tree that others may change meanwhile: a directory descriptor in, sums out, in steps as small as the caller wants.
   Names are only ever used one component beneath a descriptor it holds; no symbolic link is followed, no mount point crossed.

   Bounded: `fds` descriptors (those of directories far above are closed and found again), `names` bytes of names not yet visited, `depth`
   levels (a path may be longer than PATH_MAX).  A directory of any size is read in pieces of WALK_BATCH bytes. */
#ifndef QUOTA_WALK_H
#define QUOTA_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "quota/links.h"

enum { WALK_FDS = 64, WALK_FDS_LEAST = 4, WALK_NAMES = 4 << 20, WALK_DEPTH_MOST = 65536, WALK_BATCH = 64 * 1024 };

struct walk_stat {
    uint64_t bytes;      /* allocated: blocks * 512 */
    uint64_t size;       /* apparent */
    uint64_t dev, ino;
    uint32_t nlink;
    mode_t mode;
};

/* A directory that was opened.  It lives until all beneath it is done; bytes and inodes are those of the whole tree then. */
struct walk_dir {
    struct walk_dir *parent;
    void *tag;                    /* the hooks'; that of the parent at first */
    uint64_t dev, ino;
    _Atomic uint64_t bytes, inodes;
    _Atomic uint32_t refs;
    uint32_t depth;
    char name[];
};

struct walk_tally {
    uint64_t bytes, inodes;       /* directories and the root itself included; an inode with several names once */
    uint64_t size;                /* apparent, of what is no directory */
    uint64_t directories;
    uint64_t unreadable;          /* directories that could not be opened, or not read to their end; they count as themselves */
    uint64_t vanished;            /* entries that were gone, or something else, when they were looked at */
    uint64_t lost;                /* directories that were moved while they were closed, so that part of them was not seen */
    uint64_t deep;                /* directories below `depth` levels, not entered */
    uint64_t mounts;              /* left out */
};

/* What stands in a directory and is handed to another thread. */
struct walk_task {
    struct walk_dir *dir;         /* one reference */
    int fd;                       /* owned */
    char *batch;                  /* owned: entries as from getdents64; NULL: the directory is read from its start */
    size_t len;
};

/* All hooks may be NULL. */
struct walk_rules {
    void *data;
    bool (*hides)(void *data, int dir, const char *name);
    /* A directory was opened and is about to be read.  False: it is not read, and not counted either. */
    bool (*enter)(void *data, struct walk_dir *d, int fd, const struct walk_stat *st);
    /* Counted: what is no directory, or one that cannot be opened. */
    void (*entry)(void *data, struct walk_dir *d, const char *name, const struct walk_stat *st);
    void (*leave)(void *data, struct walk_dir *d);
    /* Whether somebody would take work now, and the handing over. */
    bool (*hungry)(void *data);
    void (*give)(void *data, struct walk_task *t);
    struct links *links;          /* NULL: each name counts */
    bool upward;                  /* a closed parent may be found again by its child's ".." (and is compared); else by names only */
    unsigned fds, depth;          /* 0: the numbers above */
    size_t names;
};

struct walk;

/* RULES outlive the walk. */
struct walk *walk_new(const struct walk_rules *rules);
void walk_free(struct walk *w);
/* Begins at the directory open at ROOT (stays the caller's): 0, or -1 with errno. */
int walk_root(struct walk *w, int root);
/* Goes on with what another gave; T's contents are taken over. */
void walk_task(struct walk *w, struct walk_task *t);
void walk_task_drop(const struct walk_rules *rules, struct walk_task *t);
/* Looks at about N entries.  False when nothing is left. */
bool walk_step(struct walk *w, unsigned n);
const struct walk_tally *walk_tally(const struct walk *w);
void walk_tally_add(struct walk_tally *sum, const struct walk_tally *more);
/* The path of NAME (NULL: D itself) in D from the root, "." for the root; cut at its beginning, behind "...", where BUF is too small.  BUF is
   returned. */
char *walk_path(const struct walk_dir *d, const char *name, char *buf, size_t size);

#endif
