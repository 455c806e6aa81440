/* From a path to a descriptor without ever leaving the server's directory: openat2 with RESOLVE_BENEATH, NO_MAGICLINKS, NO_XDEV.  Nothing that
   the admin hides (deny.h) comes out of here, whatever way a path takes to it: the words of the path are held against the patterns, and where
   the descriptor turned out to be.

   All return a close-on-exec descriptor owned by the caller, or -1 with errno (EXDEV: it would have left; EHIDDEN and EHELD, with
   w->pattern: the admin's). */
#ifndef FILES_BENEATH_H
#define FILES_BENEATH_H

#include <errno.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "sshd/files/worker.h"

/* Numbers that no file system gives.  HELD: it leads to what is hidden and must stay where and what it is. */
enum { EHIDDEN = EKEYREJECTED, EHELD = EKEYREVOKED };

/* PATH "" is the directory itself.  FLAGS without O_CREAT and O_TRUNC. */
int beneath_open(struct worker *w, const char *path, int flags);
/* A new file, for FLAGS of open; where something stands already it is opened, unless FRESH: EEXIST.  A symbolic link that leads nowhere
   is followed, and the file made there.  EAGAIN: names were changed under us again and again. */
int beneath_make(struct worker *w, const char *path, int flags, mode_t mode, bool fresh);
/* The directory the last component of the request's path number WHICH stands in, for the *at() calls, which then see one name and never
   follow it.  PATH is cut in place; *LAST points into it.  EBUSY when there is no last name (the top itself, "." or ".."). */
int beneath_parent(struct worker *w, unsigned which, char *path, const char **last);
/* A handle to do things with (O_PATH) and what it is.  FOLLOW a symbolic link at the end or take it itself. */
int beneath_look(struct worker *w, const char *path, int follow, struct stat *st);
/* A real descriptor of what `beneath_look` saw as SEEN; EAGAIN when the path leads elsewhere by now. */
int beneath_same(struct worker *w, const char *path, int flags, const struct stat *seen);
/* For entries of a listing: whether NAME in DIR is hidden. */
bool beneath_hides(struct worker *w, int dir, const char *name);

#endif
