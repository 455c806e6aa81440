/* A walk over one tree, or two side by side, of any depth: nobody changes them meanwhile.  What lies in them was made by somebody hostile. */
#ifndef COPY_WALK_H
#define COPY_WALK_H

#include <stdint.h>
#include <sys/stat.h>

#include "base/err.h"

enum { WALK_OPEN = 128 };   /* folders that are open at once, of each tree */

struct walk;
/* What is done with each name.  FROM and TO are folders (TO -1 with one tree); each returns 0, or -1 with E, which ends the walk. */
struct walk_visit {
    /* A name that is no folder. */
    int (*file)(struct walk *w, int from, int to, const char *name, const struct stat *st, struct err *e);
    /* A folder, before what is in it: makes that of the other tree, or looks at it.  May be NULL. */
    int (*enter)(struct walk *w, int from, int to, const char *name, const struct stat *st, struct err *e);
    /* A folder, open in both, behind what is in it, with the COUNT of its names that were visited.  The roots too. */
    int (*leave)(struct walk *w, int from, int to, uint64_t count, struct err *e);
};

struct walk {
    const struct walk_visit *visit;
    int from, to;           /* the roots */
    void *data;
    uint64_t left_out;      /* device nodes */
};

int walk(struct walk *w, struct err *e);

/* Names in the folder open at FD. */
int walk_names(int fd, uint64_t *count, struct err *e);
/* The only way anything is opened: a name of FOLDER, no link, no mount. */
int walk_open(int folder, const char *name, int flags, mode_t mode, struct err *e);

#endif
