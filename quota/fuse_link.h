/* A link to a server's holdfast-quotafs, by RUN/quota/NAME.sock.  Blocking, at most five seconds a call; messages from it are never trusted to be
   well formed. */
#ifndef QUOTA_FUSE_LINK_H
#define QUOTA_FUSE_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct fuse_usage {
    uint64_t bytes, inodes, bytes_most, inodes_most;
    uint32_t base;      /* the machine's id of id 0 */
};

/* The folder RUN/quota, made when missing: its descriptor, or -1 with E. */
int fuse_link_folder(const char *run, struct err *e);
/* A listening socket there, in place of one that is left over; or -1 with E. */
int fuse_link_listen(const char *run, const char *name, struct err *e);
void fuse_link_remove(const char *run, const char *name);

/* The link (close-on-exec), or -1 with E: ENOENT or ECONNREFUSED when no such process runs. */
int fuse_link_open(const char *run, const char *name, struct err *e);
/* 0, or -1 with E.  What is used now; new limits first, for whoever writes next; the same, and from then on whenever it changes (fuse_link_next). */
int fuse_link_use(int link, struct fuse_usage *u, struct err *e);
int fuse_link_limit(int link, uint64_t bytes, uint64_t inodes, struct fuse_usage *u, struct err *e);
int fuse_link_watch(int link, struct fuse_usage *u, struct err *e);
/* A report that came by a link that watches: 1; 0 when the process has gone; -1 with E, EAGAIN when there was none in time. */
int fuse_link_next(int link, struct fuse_usage *u, struct err *e);
/* Ends it. */
int fuse_link_end(int link, struct err *e);
/* Whether it has gone within MS milliseconds. */
bool fuse_link_gone(int link, int ms);

#endif
