/* A tree that is being made below one folder.  Nothing is reached but beneath it, no symbolic link is ever followed, and every file belongs to
   whoever makes it. */
#ifndef ARCHIVE_TREE_H
#define ARCHIVE_TREE_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct tree {
    int root;
    uint64_t bytes_most, entries_most;
    uint64_t bytes;      /* in blocks of 4 KiB, holes counted */
    uint64_t entries;    /* made */
};

/* PATH is a cleaned one (path.h) and not "".  What stands there already is replaced, but never a folder by something else or the other way
   round.  Folders on the way that are missing are made.  MODE loses its set-id bits; everybody may read, and search folders.
   Each returns 0, or -1 with E; tree_file the descriptor, empty and open for writing, of a file that will have SIZE bytes. */
int tree_folder(struct tree *t, const char *path, mode_t mode, struct err *e);
int tree_file(struct tree *t, const char *path, uint64_t size, struct err *e);
int tree_file_end(int fd, const char *path, uint64_t size, mode_t mode, int64_t mtime, struct err *e);
int tree_symlink(struct tree *t, const char *path, const char *target, struct err *e);
int tree_link(struct tree *t, const char *path, const char *target, struct err *e);   /* TARGET cleaned as well */

/* Makes what a sandbox mounts things on where it is missing, then everything durable. */
int tree_finish(struct tree *t, struct err *e);

/* Opens PATH below FOLDER: no link on the way or at its end, no other file system. */
int tree_open(int folder, const char *path, int flags, mode_t mode);

/* Removes everything beneath ROOT. */
int tree_empty(int root, struct err *e);

#endif
