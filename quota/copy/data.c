#include "quota/copy/data.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { PART = 1 << 20, BLOCK = 4096 };

static char part[PART], other[PART];

/* The next data at AT or behind it, END when there is none; where a file system does not tell, everything is data. */
static off_t next_data(int fd, off_t at, off_t end)
{
    off_t found = lseek(fd, at, SEEK_DATA);
    return found >= 0 ? found : errno == ENXIO ? end : at;
}

static off_t data_end(int fd, off_t at, off_t end)
{
    off_t found = lseek(fd, at, SEEK_HOLE);
    return found > at && found < end ? found : end;
}

/* SIZE bytes at AT, or -1: a file that ends before is one that changed. */
static int fill(int fd, char *bytes, size_t size, off_t at, struct err *e)
{
    for (size_t have = 0; have < size;) {
        ssize_t n = pread(fd, bytes + have, size - have, at + (off_t)have);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return err_set(e, n < 0 ? errno : ESTALE, "read", "at %lld", (long long)at);
        have += (size_t)n;
    }
    return 0;
}

static int put(int fd, const char *bytes, size_t size, off_t at, struct err *e)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = pwrite(fd, bytes + done, size - done, at + (off_t)done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return err_set(e, n < 0 ? errno : ENOSPC, "write", "at %lld", (long long)at);
        done += (size_t)n;
    }
    return 0;
}

static bool zero(const char *bytes, size_t size)
{
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0;
}

/* Where a file has fewer blocks than bytes, blocks of nothing are taken for the holes that its file system did not name. */
static int put_data(int to, const char *bytes, size_t size, off_t at, bool sparse, struct err *e)
{
    for (size_t n; size; size -= n, bytes += n, at += (off_t)n) {
        n = sparse && size > BLOCK ? BLOCK : size;
        if (!(sparse && zero(bytes, n)) && put(to, bytes, n, at, e) < 0)
            return -1;
    }
    return 0;
}

int data_copy(int from, int to, const struct stat *st, data_fn *tell, struct err *e)
{
    off_t end = st->st_size;
    bool sparse = st->st_blocks * 512 < end;
    for (off_t at = next_data(from, 0, end); at < end; at = next_data(from, at, end))
        for (off_t stop = data_end(from, at, end); at < stop;) {
            size_t n = stop - at < PART ? (size_t)(stop - at) : PART;
            if (fill(from, part, n, at, e) < 0 || put_data(to, part, n, at, sparse, e) < 0)
                return -1;
            tell(n);
            at += (off_t)n;
        }
    return ftruncate(to, end) < 0 ? err_set(e, errno, "size", "%lld", (long long)end) : 0;
}

static off_t nearer(off_t a, off_t b)
{
    return a < b ? a : b;
}

int data_compare(int from, int to, const struct stat *st, data_fn *tell, struct err *e)
{
    off_t end = st->st_size;
    posix_fadvise(to, 0, 0, POSIX_FADV_DONTNEED);
    for (off_t at = 0; (at = nearer(next_data(from, at, end), next_data(to, at, end))) < end;) {
        size_t n = end - at < PART ? (size_t)(end - at) : PART;
        if (fill(from, part, n, at, e) < 0 || fill(to, other, n, at, e) < 0)
            return -1;
        if (memcmp(part, other, n) != 0)
            return err_set(e, EBADMSG, "compare", "contents, within %zu bytes at %lld", n, (long long)at);
        tell(n);
        at += (off_t)n;
    }
    return 0;
}
