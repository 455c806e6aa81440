/* Bytes written, and sizes set. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "t/lib/filler/filler.h"

#ifndef RWF_NOAPPEND
#define RWF_NOAPPEND 0x20
#endif
#ifndef RWF_ATOMIC
#define RWF_ATOMIC 0x40
#endif
#ifndef RWF_DONTCACHE
#define RWF_DONTCACHE 0x80
#endif

void r_write(struct tally *t)
{
    int fd = make_file(t, "w", O_WRONLY);
    fill(t, fd, PIECE);
    sync_and_close(t, fd);
}

void r_small(struct tally *t)
{
    char name[32];
    while (more(t)) {
        snprintf(name, sizeof name, "s%llu", (unsigned long long)t->made);
        int fd = make_file(t, name, O_WRONLY);
        if (fd < 0)
            break;
        if (took(t, write(fd, data, 1), false))
            t->bytes += BLOCK;
        close(fd);
    }
}

void r_sparse(struct tally *t)
{
    int fd = make_file(t, "sparse", O_WRONLY);
    for (off_t at = 0; more(t) && took(t, pwrite(fd, data, BLOCK, at), true); at += 1 << 20) {}
    sync_and_close(t, fd);
}

void r_truncate(struct tally *t)
{
    int fd = make_file(t, "t", O_WRONLY);
    for (unsigned shift = 20; shift < 44; shift++)
        if (ftruncate(fd, (off_t)1 << shift) < 0 && errno != EFBIG)
            t->wrong = "a hole costs something";
    for (off_t at = 0; more(t) && took(t, pwrite(fd, data, PIECE, at), true); at += PIECE) {}
    sync_and_close(t, fd);
}

void r_same_size(struct tally *t)
{
    struct stat before, after;
    int fd = make_file(t, "same", O_RDWR);
    if (!fill_to(t, fd, 1 << 20) || fsync(fd) < 0 || fstat(fd, &before) < 0)
        return;
    for (int i = 0; i < 2000; i++)
        if (ftruncate(fd, before.st_size) < 0 || (i % 2 && truncate("same", before.st_size) < 0))
            filed(t, errno);
    if (fsync(fd) < 0 || fstat(fd, &after) < 0 || after.st_blocks > before.st_blocks)
        t->wrong = "it grew";
    t->out |= OUT_FREE;
    close(fd);
}

void r_odd_ends(struct tally *t)
{
    char name[32];
    while (more(t)) {
        snprintf(name, sizeof name, "o%llu", (unsigned long long)t->made);
        int fd = make_file(t, name, O_RDWR);
        if (fd < 0)
            break;
        /* A byte before each end, the end moved within the block and past it. */
        for (off_t at = 4095; at < 40 * BLOCK && more(t); at += BLOCK) {
            took(t, pwrite(fd, data, 1, at), false);
            t->bytes += t->out ? 0 : BLOCK;
            if (ftruncate(fd, at + 2) < 0)
                filed(t, errno);
        }
        close(fd);
    }
}

void r_direct(struct tally *t)
{
    void *p = NULL;
    int fd = make_file(t, "direct", O_WRONLY | O_DIRECT);
    if (fd < 0 || posix_memalign(&p, BLOCK, PIECE) != 0)
        return;
    memset(p, 'd', PIECE);
    while (more(t) && took(t, write(fd, p, PIECE), true)) {}
    free(p);
    sync_and_close(t, fd);
}

struct appender { struct tally *t; pthread_t thread; uint64_t bytes; bool done; int error; };

static void *append(void *arg)
{
    struct appender *a = arg;
    int fd = open("append", O_WRONLY | O_APPEND | O_CLOEXEC);
    for (size_t size = 1; a->bytes < a->t->limit && fd >= 0; size = size * 3 % 70001 + 1) {
        ssize_t n = write(fd, data, size);
        if (n < 0) {
            a->error = errno;
            break;
        }
        a->bytes += (uint64_t)n;
    }
    if (fd >= 0)
        close(fd);
    return NULL;
}

void r_append(struct tally *t)
{
    enum { THREADS = 8 };
    struct appender a[THREADS] = { 0 };
    struct stat st;
    int fd = make_file(t, "append", O_WRONLY);
    for (int i = 0; i < THREADS; i++) {
        a[i].t = t;
        if (pthread_create(&a[i].thread, NULL, append, &a[i]) != 0)
            t->wrong = "no thread";
    }
    for (int i = 0; i < THREADS && t->wrong == NULL; i++) {
        pthread_join(a[i].thread, NULL);
        t->bytes += a[i].bytes;
        if (a[i].error)
            filed(t, a[i].error);
    }
    if (fstat(fd, &st) < 0 || (uint64_t)st.st_size != t->bytes)
        t->wrong = "what was taken is not in the file";
    sync_and_close(t, fd);
}

/* One file a flag, until refused; on to the next where the flag is unknown. */
void r_flags(struct tally *t)
{
    static const int flags[] = { RWF_HIPRI, RWF_DSYNC, RWF_SYNC, RWF_NOWAIT, RWF_APPEND, RWF_NOAPPEND, RWF_ATOMIC, RWF_DONTCACHE };
    const struct iovec v[2] = { { data, PIECE / 2 }, { data, PIECE / 2 } };
    char name[32];
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        snprintf(name, sizeof name, "flag%zu", i);
        int fd = make_file(t, name, O_RDWR);
        uint64_t most = t->limit / 4, n = 0;
        off_t at = 0;
        while (fd >= 0 && (i == 7 || n < most) && t->bytes < 3 * t->limit) {
            ssize_t r = pwritev2(fd, v, 2, at, flags[i]);
            if (r < 0)
                break;
            t->bytes += (uint64_t)r;
            n += (uint64_t)r;
            at += r;
        }
        if (fd >= 0 && n == 0 && errno == EAGAIN)
            errno = EOPNOTSUPP;
        if (fd >= 0 && n < most)
            filed(t, errno);
        if (fd >= 0)
            sync_and_close(t, fd);
    }
    /* preadv and pwritev without a flag end it. */
    int fd = open("flag0", O_WRONLY | O_CLOEXEC);
    off_t at = 0;
    while (fd >= 0 && t->bytes < 3 * t->limit && took(t, pwritev(fd, v, 2, at), true))
        at += PIECE;
    if (fd >= 0)
        close(fd);
}

void r_self_fd(struct tally *t)
{
    char path[64];
    int fd = make_file(t, "self", O_RDONLY);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int again = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    if (again < 0) {
        filed(t, errno);
        return;
    }
    unlink("self");
    fill(t, again, PIECE);
    hold(t, fd);
    hold(t, again);
}

void r_sync(struct tally *t)
{
    static uint8_t back[PIECE];
    uint64_t at = 0;
    int fd = make_file(t, "sync", O_RDWR);
    fill(t, fd, 12345);
    if (fdatasync(fd) < 0 || sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER) < 0)
        t->wrong = errno == ENOSYS || errno == EPERM ? t->wrong : "an error at fdatasync, not at the write";
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    for (ssize_t n; (n = pread(fd, back, sizeof back, (off_t)at)) > 0; at += (uint64_t)n)
        if (memcmp(back, data, (size_t)n) != 0)
            t->wrong = "what was taken is lost";
    if (at != t->bytes)
        t->wrong = "what was taken is not there";
    sync_and_close(t, fd);
}

void r_overwrite(struct tally *t)
{
    int fd = make_file(t, "over", O_RDWR);
    fill(t, fd, PIECE);
    uint64_t size = t->bytes;
    if (fsync(fd) < 0)
        t->wrong = "an error at fsync";
    for (uint64_t at = 0; at < size; at += PIECE) {
        size_t n = size - at < PIECE ? (size_t)(size - at) : PIECE;
        ssize_t r = pwrite(fd, data, n, (off_t)at);
        /* A file system that never writes in place may want room for it. */
        if (r < 0 && errno != ENOSPC && errno != EDQUOT)
            t->wrong = "an error at writing over it";
    }
    sync_and_close(t, fd);
}

void r_fragments(struct tally *t)
{
    char name[32];
    while (more(t)) {
        snprintf(name, sizeof name, "f%llu", (unsigned long long)t->made);
        int fd = make_file(t, name, O_WRONLY);
        if (fd < 0)
            break;
        for (off_t at = 0; at < 2000 * BLOCK && more(t); at += 2 * BLOCK)
            took(t, pwrite(fd, data, BLOCK, at), true);
        if (fsync(fd) < 0)
            t->wrong = "an error at fsync, not at the write";
        close(fd);
    }
}
