/* Descriptors and clocks. */
#ifndef BASE_IO_H
#define BASE_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* Each returns 0, or -1 with errno. */
int io_nonblock(int fd);
int io_cloexec(int fd, bool on);
/* The whole of SIZE bytes, over short counts and EINTR.  io_read_all returns the bytes read (less than SIZE only at the
   end of the file), or -1 with errno. */
int io_write_all(int fd, const void *bytes, size_t size);
ssize_t io_read_all(int fd, void *bytes, size_t size);
/* A whole file (at most MOST bytes; more is EFBIG) as a NUL-terminated string owned by the caller, its length in *LEN if LEN is
   not NULL.  NULL with E filled. */
char *io_read_file(const char *path, size_t most, size_t *len, struct err *e);
char *io_read_fd(int fd, const char *name, size_t most, size_t *len, struct err *e);
/* Writes a file beside PATH, fsyncs it, renames it over PATH, fsyncs the folder: whole or not at all.  Returns 0 or -1 with E. */
int io_write_file(const char *path, mode_t mode, const void *bytes, size_t size, struct err *e);
/* Renames OLD in the folder FROM to NEW in TO unless there is one (EEXIST).  ZFS before 2.2 cannot do that at once: there it is looked for first, and
   what is made under that name in between is replaced.  0, or -1 with errno. */
int io_rename_new(int from, const char *old, int to, const char *new);
/* A connected pair of AF_UNIX SOCK_SEQPACKET sockets, close-on-exec, blocking.  0, or -1 with errno. */
int io_pair(int pair[2]);
/* A memfd holding BYTES, sealed against any change, at offset 0.  The fd, or -1 with errno. */
int io_sealed(const char *name, const void *bytes, size_t size);
/* Makes every descriptor from FIRST on close-on-exec (close_range).  0, or -1 with errno. */
int io_close_from(int first);
/* The folder that FD names, which may be a path only (O_PATH), open for reading; FD is closed.  The descriptor, or -1 with errno. */
int io_folder(int fd);

uint64_t now_ms(void);        /* CLOCK_MONOTONIC */
uint64_t now_us(void);        /* the same, in microseconds */
int64_t wall_ms(void);        /* since the epoch */
/* RFC 3339 in UTC, seconds; BUF of at least 21 bytes.  Returns BUF. */
const char *wall_text(int64_t ms, char *buf, size_t size);

#endif
