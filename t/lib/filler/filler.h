/* A server that wants more of its disk than it was given: a way a row (table.c), tried in the folder `h` beside the program.  Reads lines "row NAME"
   and "clean" and answers each with one line "done ...": t/lib/quota_rows.py asks. */
#ifndef FILLER_H
#define FILLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BLOCK = 4096, PIECE = 256 * 1024, HELD_MOST = 60000, NAME_SPACE = 300 };

/* What a row comes to by what the kernel answered it. */
enum outcome {
    OUT_FULL = 1,      /* ENOSPC or EDQUOT, or a SIGBUS in their place */
    OUT_REFUSED = 2,   /* EPERM, EOPNOTSUPP and the like: this backend, or the sandbox, has no such call */
    OUT_FREE = 4,      /* it came to its end and took nothing to speak of */
};

/* One row's tally. */
struct tally {
    uint64_t limit, inodes;      /* what the server was given */
    uint64_t bytes, made;        /* taken, as the kernel said: bytes of blocks, inodes */
    enum outcome out;
    int error;                   /* the last one */
    const char *wrong;           /* a promise broken inside: late errors, lost data */
    int held[HELD_MOST];         /* open until the next row */
    unsigned nheld;
    long deadline;               /* seconds of CLOCK_MONOTONIC: a row ends then */
};

typedef void row_fn(struct tally *t);

struct row {
    const char *name;
    row_fn *fn;
    unsigned expect;             /* any of enum outcome */
    const char *words;           /* what is expected */
};

extern const struct row rows[];
extern const size_t nrows;
extern uint8_t data[PIECE];

/* Whether to go on: not yet refused, within three times the limit and the time. */
bool more(struct tally *t);
/* An answer of the kernel: true when it was yes (R >= 0), and R bytes count when COUNTS; else the error is filed. */
bool took(struct tally *t, long r, bool counts);
bool filed(struct tally *t, int error);
/* Descriptors of `h`; -1 with the error filed. */
int make_file(struct tally *t, const char *name, int flags);
void hold(struct tally *t, int fd);
/* fsync and close: an error now is a broken promise. */
void sync_and_close(struct tally *t, int fd);
/* Writes at the end until refused. */
void fill(struct tally *t, int fd, size_t piece);
/* The same until N bytes are there. */
bool fill_to(struct tally *t, int fd, uint64_t n);
/* Frees: `h` is empty afterwards, nothing is held. */
void clean(struct tally *t);

row_fn r_write, r_small, r_sparse, r_truncate, r_same_size, r_odd_ends, r_direct, r_append, r_flags, r_self_fd, r_sync, r_overwrite, r_fragments;   /* bytes.c */
row_fn r_copy, r_sendfile, r_splice, r_clone, r_clone_range, r_map_hole, r_map_past, r_threads, r_killed;                               /* ways.c */
row_fn r_alloc, r_alloc_keep, r_punch, r_zero, r_zero_keep, r_collapse, r_insert, r_unshare, r_terabyte, r_alloc_then_write;            /* alloc.c */
row_fn r_empty, r_dirs, r_fifos, r_symlinks, r_symlinks_long, r_deep, r_links, r_long_names, r_across, r_rename_over, r_unlinked, r_tmpfile,
    r_tmpfile_linked, r_xattr_many, r_xattr_large;                                                                                      /* names.c */
row_fn r_subvolume, r_project, r_immutable, r_quotactl, r_ext4;                                                                         /* calls.c */

#endif
