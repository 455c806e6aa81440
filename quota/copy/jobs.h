/* What is done with two trees; each job is a walk. */
#ifndef COPY_JOBS_H
#define COPY_JOBS_H

#include "quota/copy/data.h"
#include "quota/copy/walk.h"

struct copy {
    uint64_t bytes, inodes;   /* done; of a count: what they take, in bytes of whole blocks, each inode once */
    uint64_t left_out;        /* device nodes */
};

/* FROM alone. */
int copy_count(int from, struct copy *c, struct err *e);
/* All of FROM into the empty folder TO, which then is the same; on the disk when it returns. */
int copy_make(int from, int to, struct copy *c, struct err *e);
/* Whether TO is the same. */
int copy_compare(int from, int to, struct copy *c, struct err *e);

/* main.c: called often; tells how far it is now and then. */
void copy_tell(const struct copy *c);

#endif
