/* An archive of a root file system into a tree: tar, plain or compressed, read by way of libarchive.  Every byte of it is a stranger's. */
#ifndef ARCHIVE_UNPACK_H
#define ARCHIVE_UNPACK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "store/archive/tree.h"

struct unpack;

/* Called now and then with what is made so far; true ends the work with ECANCELED. */
typedef bool unpack_tell_fn(const struct tree *t);

struct leftover {
    uint64_t special;    /* devices, pipes, sockets */
    uint64_t secret;     /* shadow files: an image is for every server to read */
};

/* Reads FD, which stays the caller's.  unpack_new is for before the lock; it dies when libarchive refuses its settings. */
struct unpack *unpack_new(int fd, int stop_fd, unpack_tell_fn *tell);
/* The whole archive into T.  0, or -1 with E: T is then not to be used. */
int unpack(struct unpack *u, struct tree *t, struct leftover *l, struct err *e);

#endif
