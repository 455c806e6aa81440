/* Owner, mode, times and extended attributes of one file. */
#ifndef COPY_ATTRS_H
#define COPY_ATTRS_H

#include <sys/stat.h>

#include "base/err.h"

/* TO gets what FROM, which ST is of, has; both open.  Behind its data, as the times are among them. */
int attrs_copy(int from, int to, const struct stat *st, struct err *e);
/* The same for NAME in FOLDER, which cannot be opened: a symbolic link, a socket. */
int attrs_copy_at(int folder, const char *name, const struct stat *st, struct err *e);
/* Whether both are the same: 0, or -1 with E saying what differs. */
int attrs_compare(int from, int to, struct err *e);
int attrs_compare_stat(const struct stat *a, const struct stat *b, struct err *e);

#endif
