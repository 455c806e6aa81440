/* From a path to a descriptor without ever leaving the server's directory: openat2 with RESOLVE_BENEATH, NO_MAGICLINKS, NO_XDEV.
   All return a close-on-exec descriptor owned by the caller, or -1 with errno (EXDEV: it would have left). */
#ifndef FILES_BENEATH_H
#define FILES_BENEATH_H

#include <sys/stat.h>
#include <sys/types.h>

#include "sshd/files/worker.h"

/* PATH "" is the directory itself.  MODE is used with O_CREAT only. */
int beneath_open(const struct worker *w, const char *path, int flags, mode_t mode);
/* The directory PATH's last component stands in, for the *at() calls, which then see one name and never follow it.  PATH is cut in place;
   *LAST points into it.  EBUSY when there is no last name (the top itself, "." or ".."). */
int beneath_parent(const struct worker *w, char *path, const char **last);
/* A handle to do things with (O_PATH) and what it is.  FOLLOW a symbolic link at the end or take it itself. */
int beneath_look(const struct worker *w, const char *path, int follow, struct stat *st);
/* A real descriptor of what `beneath_look` saw as SEEN; EAGAIN when the path leads elsewhere by now. */
int beneath_same(const struct worker *w, const char *path, int flags, const struct stat *seen);

#endif
