/* What the SFTP session and the files worker both speak of: codes of SFTP version 3 and file attributes in its encoding.  In messages
   (sshd/proto.h) `attrs` is one bytes field in this encoding. */
#ifndef SSHD_ATTRS_H
#define SSHD_ATTRS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/buf.h"

enum fx_status {
    FX_OK = 0, FX_EOF, FX_NO_SUCH_FILE, FX_PERMISSION_DENIED, FX_FAILURE, FX_BAD_MESSAGE, FX_NO_CONNECTION, FX_CONNECTION_LOST,
    FX_OP_UNSUPPORTED,
};

enum fx_open {
    FXF_READ = 1, FXF_WRITE = 2, FXF_APPEND = 4, FXF_CREAT = 8, FXF_TRUNC = 16, FXF_EXCL = 32,
    FXF_ALL = 63,
};

enum attrs_flag {
    ATTRS_SIZE = 1, ATTRS_OWNER = 2, ATTRS_MODE = 4, ATTRS_TIMES = 8,
    ATTRS_ALL = 15,
};
#define ATTRS_EXTENDED 0x80000000u

struct attrs {
    uint32_t flags;   /* which of the following are there */
    uint64_t size;
    uint32_t uid, gid;
    uint32_t mode;    /* with the file type when it comes from us */
    uint32_t atime, mtime;
};

/* Largest encoding attrs_put makes. */
enum { ATTRS_MOST = 4 + 8 + 8 + 4 + 8 };

void attrs_of_stat(struct attrs *a, const struct stat *st);
void attrs_put(struct buf *b, const struct attrs *a);
/* Reads attributes; extended pairs are skipped, unknown flags and anything past the end set B bad. */
void attrs_get(struct buf *b, struct attrs *a);

/* A line as `ls -l` prints it, without the name: mode, links, "server", "server", size, time in UTC (with the year when it is more than half
   a year from NOW), and a space.  BUF of ATTRS_LINE bytes.  Returns BUF. */
enum { ATTRS_LINE = 96 };
char *attrs_line(const struct stat *st, int64_t now, char *buf);

#endif
