/* Deletes a folder that a stranger filled: however deep it is, one descriptor within; no link is followed, no mount is crossed. */
#ifndef QUOTA_REMOVE_H
#define QUOTA_REMOVE_H

#include "base/err.h"

/* NAME in the folder open at AT, with all that is in it.  Harmless when it is missing.  0, or -1 with E. */
int remove_tree(int at, const char *name, struct err *e);

#endif
