/* The archive file: tar (pax where it must, plain where it can) in zstd, on one descriptor, by way of libarchive. */
#ifndef ARCHIVE_WRITER_H
#define ARCHIVE_WRITER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/err.h"

struct writer;

/* Whoever waits for the archive may leave: called now and then, true ends the work with ECANCELED. */
typedef bool writer_stop_fn(void);

/* Writes to FD, which stays the caller's.  Dies when libarchive refuses its settings. */
struct writer *writer_new(int fd, writer_stop_fn *stop);

/* Each adds one entry, NAME being its path ("./..."), and returns 0, or -1 with E when the archive cannot be written. */
int writer_plain(struct writer *w, const char *name, const struct stat *st, const char *target, struct err *e);   /* no data; TARGET of
                                                                                                                  a symlink or NULL */
/* A file's data from FD.  *CHANGED: it shrank or could not be read to its end (zeros stand for the rest) or grew (cut); the entry has the
   size of ST. */
int writer_file(struct writer *w, const char *name, const struct stat *st, int fd, bool *changed, struct err *e);

/* The end of the archive, written out and synced. */
int writer_end(struct writer *w, struct err *e);
uint64_t writer_bytes(const struct writer *w);     /* written so far */
uint64_t writer_entries(const struct writer *w);

#endif
