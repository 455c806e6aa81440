#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <linux/close_range.h>

#include "base/mem.h"

int io_nonblock(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    return flags < 0 ? -1 : fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

int io_cloexec(int fd, bool on)
{
    int flags = fcntl(fd, F_GETFD);
    if (flags < 0)
        return -1;
    return fcntl(fd, F_SETFD, on ? flags | FD_CLOEXEC : flags & ~FD_CLOEXEC);
}

int io_write_all(int fd, const void *bytes, size_t size)
{
    const char *p = bytes;
    while (size > 0) {
        ssize_t n = write(fd, p, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        p += n;
        size -= (size_t)n;
    }
    return 0;
}

ssize_t io_read_all(int fd, void *bytes, size_t size)
{
    size_t at = 0;
    while (at < size) {
        ssize_t n = read(fd, (char *)bytes + at, size - at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        at += (size_t)n;
    }
    return (ssize_t)at;
}

char *io_read_fd(int fd, const char *name, size_t most, size_t *len, struct err *e)
{
    size_t cap = 4096, at = 0;
    FREE_MEM char *text = mem_new(cap);
    for (;;) {
        ssize_t n = io_read_all(fd, text + at, cap - at - 1);
        if (n < 0) {
            err_set(e, errno, "read", "%s", name);
            return NULL;
        }
        at += (size_t)n;
        if (at < cap - 1)
            break;
        if (at > most)
            break;
        cap *= 2;
        text = mem_grow(text, cap, 1);
    }
    if (at > most) {
        err_set(e, EFBIG, "read", "%s", name);
        return NULL;
    }
    text[at] = '\0';
    if (len)
        *len = at;
    char *out = text;
    text = NULL;
    return out;
}

char *io_read_file(const char *path, size_t most, size_t *len, struct err *e)
{
    CLOSE_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        err_set(e, errno, "open", "%s", path);
        return NULL;
    }
    return io_read_fd(fd, path, most, len, e);
}

static int sync_folder_of(const char *path)
{
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    if (slash == NULL)
        snprintf(folder, sizeof folder, ".");
    else
        slash[slash == folder] = '\0';
    CLOSE_FD int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -1 : fsync(fd);
}

int io_write_file(const char *path, mode_t mode, const void *bytes, size_t size, struct err *e)
{
    char beside[PATH_MAX];
    if (snprintf(beside, sizeof beside, "%s.%d.new", path, (int)getpid()) >= (int)sizeof beside)
        return err_set(e, ENAMETOOLONG, "write", "%s", path);
    CLOSE_FD int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0)
        return err_set(e, errno, "create", "%s", beside);
    if (fchmod(fd, mode) < 0 || io_write_all(fd, bytes, size) < 0 || fsync(fd) < 0 || rename(beside, path) < 0 ||
        sync_folder_of(path) < 0) {
        err_set(e, errno, "write", "%s", path);
        unlink(beside);
        return -1;
    }
    return 0;
}

int io_rename_new(int from, const char *old, int to, const char *new)
{
    struct stat st;
    /* Not libc's, which takes another call when there are no flags. */
    if (syscall(SYS_renameat2, from, old, to, new, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL)
        return -1;
    if (fstatat(to, new, &st, AT_SYMLINK_NOFOLLOW) == 0)
        errno = EEXIST;
    return errno == ENOENT ? (int)syscall(SYS_renameat2, from, old, to, new, 0) : -1;
}

int io_pair(int pair[2])
{
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair);
}

int io_sealed(const char *name, const void *bytes, size_t size)
{
    CLOSE_FD int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0 || io_write_all(fd, bytes, size) < 0 || lseek(fd, 0, SEEK_SET) < 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
        return -1;
    return fd_steal(&fd);
}

int io_close_from(int first)
{
    return close_range((unsigned)first, ~0U, CLOSE_RANGE_CLOEXEC);
}

uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

uint64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

int64_t wall_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

const char *wall_text(int64_t ms, char *buf, size_t size)
{
    time_t t = ms / 1000;
    struct tm tm;
    gmtime_r(&t, &tm);
    if (strftime(buf, size, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        buf[0] = '\0';
    return buf;
}

int io_folder(int fd)
{
    CLOSE_FD int path = fd;
    return openat(path, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}
