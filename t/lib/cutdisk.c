/* A disk with a cache that a power cut empties: one file, shown by FUSE, that a loop device lies on.

   cutdisk MOUNTPOINT FILE CUTS     shows FILE as MOUNTPOINT/disk

   What was written since the last flush (the loop device's fsync) is remembered with what stood there before.  SIGUSR1 cuts: CUTS.N (N from 1 on) is
   made, FILE with a random part of these writes undone, newest first, whole or from some 512 bytes on (a torn write).  That is what a disk that
   keeps its word on flushes may show after a power cut, and no more.  One thread: a cut is between two requests, where there is something to lose,
   or two seconds later on a machine too slow to have more. */
#define FUSE_USE_VERSION 31
#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"

enum { DISK = 2, SECTOR = 512 };

struct undo { struct undo *older; off_t at; size_t size; uint8_t before[]; };

static struct { int fd; const char *cuts; struct undo *newest; unsigned count, unflushed; unsigned seed; struct fuse_session *session; } disk;
static volatile sig_atomic_t cut_wanted;

enum { LATEST_S = 2 };

static void flushed(void)
{
    while (disk.newest) {
        struct undo *u = disk.newest;
        disk.newest = u->older;
        free(u);
    }
    disk.unflushed = 0;
}

static void remember(off_t at, size_t size)
{
    struct undo *u = mem_new(sizeof *u + size);
    *u = (struct undo){ .older = disk.newest, .at = at, .size = size };
    if (pread(disk.fd, u->before, size, at) < 0)
        memset(u->before, 0, size);
    disk.newest = u;
    disk.unflushed++;
}

static void cut(void)
{
    char path[4096];
    static uint8_t buffer[1 << 20];
    struct stat st;
    snprintf(path, sizeof path, "%s.%u", disk.cuts, ++disk.count);
    int to = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    unsigned lost = 0;
    if (to < 0 || fstat(disk.fd, &st) < 0 || ftruncate(to, st.st_size) < 0)
        abort();
    for (off_t at = 0; at < st.st_size; at += (off_t)sizeof buffer) {
        at = lseek(disk.fd, at, SEEK_DATA);
        if (at < 0)
            break;
        ssize_t n = pread(disk.fd, buffer, sizeof buffer, at);
        if (n > 0 && pwrite(to, buffer, (size_t)n, at) != n)
            abort();
    }
    for (struct undo *u = disk.newest; u; u = u->older) {
        int dice = rand_r(&disk.seed) % 4;
        size_t from = dice == 0 ? 0 : dice == 1 ? (size_t)rand_r(&disk.seed) % (u->size / SECTOR + 1) * SECTOR : u->size;
        lost += from < u->size;
        if (from < u->size && pwrite(to, u->before + from, u->size - from, u->at + (off_t)from) < 0)
            abort();
    }
    close(to);
    fprintf(stderr, "cut %u: %u of %u writes since the last flush are lost or torn\n", disk.count, lost, disk.unflushed);
}

static void stat_of(fuse_ino_t ino, struct stat *st)
{
    memset(st, 0, sizeof *st);
    if (ino == DISK)
        fstat(disk.fd, st);
    else
        st->st_mode = S_IFDIR | 0755;
    st->st_ino = ino;
}

static void f_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    struct fuse_entry_param e = { .ino = DISK, .attr_timeout = 1, .entry_timeout = 1 };
    if (parent != FUSE_ROOT_ID || strcmp(name, "disk") != 0) {
        fuse_reply_err(req, ENOENT);
        return;
    }
    stat_of(DISK, &e.attr);
    fuse_reply_entry(req, &e);
}

static void f_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct stat st;
    (void)fi;
    stat_of(ino, &st);
    fuse_reply_attr(req, &st, 1);
}

static void f_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    (void)ino;
    fi->direct_io = 1;
    fuse_reply_open(req, fi);
}

static void f_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t at, struct fuse_file_info *fi)
{
    (void)ino;
    (void)fi;
    uint8_t *p = mem_new(size);
    ssize_t n = pread(disk.fd, p, size, at);
    if (n < 0)
        fuse_reply_err(req, errno);
    else
        fuse_reply_buf(req, (const char *)p, (size_t)n);
    free(p);
}

static void f_write(fuse_req_t req, fuse_ino_t ino, const char *p, size_t size, off_t at, struct fuse_file_info *fi)
{
    (void)ino;
    (void)fi;
    remember(at, size);
    ssize_t n = pwrite(disk.fd, p, size, at);
    if (n < 0)
        fuse_reply_err(req, errno);
    else
        fuse_reply_write(req, (size_t)n);
}

static void f_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
    (void)ino;
    (void)datasync;
    (void)fi;
    flushed();
    fuse_reply_err(req, 0);
}

static void on_cut(int sig)
{
    (void)sig;
    cut_wanted = 1;
}

static bool wanted_now(void)
{
    static time_t since;
    struct timespec now;
    if (!cut_wanted) {
        since = 0;
        return false;
    }
    clock_gettime(CLOCK_MONOTONIC, &now);
    since = since ? since : now.tv_sec;
    return disk.unflushed >= 1 + disk.count * 5 % 24 || now.tv_sec - since > LATEST_S;
}

static void on_tick(int sig)
{
    (void)sig;
}

static int serve(void)
{
    struct fuse_buf b = { 0 };
    while (!fuse_session_exited(disk.session)) {
        int n = fuse_session_receive_buf(disk.session, &b);
        if (wanted_now()) {
            cut_wanted = 0;
            cut();
        }
        if (n == -EINTR)
            continue;
        if (n <= 0)
            break;
        fuse_session_process_buf(disk.session, &b);
    }
    free(b.mem);
    return 0;
}

int main(int argc, char **argv)
{
    static const struct fuse_lowlevel_ops ops = { .lookup = f_lookup, .getattr = f_getattr, .open = f_open, .read = f_read, .write = f_write,
                                                  .fsync = f_fsync };
    char *words[] = { argv[0], (char[]){ "-o" }, (char[]){ "fsname=cutdisk,allow_other" }, NULL };
    struct fuse_args args = FUSE_ARGS_INIT(3, words);
    const struct sigaction a = { .sa_handler = on_cut }, tick = { .sa_handler = on_tick };
    /* A disk that nothing is asked of is looked at as well. */
    const struct itimerval often = { .it_interval.tv_usec = 200000, .it_value.tv_usec = 200000 };
    if (argc != 4)
        return 2;
    disk.fd = open(argv[2], O_RDWR | O_CLOEXEC);
    disk.cuts = argv[3];
    disk.seed = 1;
    disk.session = disk.fd < 0 ? NULL : fuse_session_new(&args, &ops, sizeof ops, NULL);
    if (disk.session == NULL || sigaction(SIGUSR1, &a, NULL) < 0 || sigaction(SIGALRM, &tick, NULL) < 0 ||
        setitimer(ITIMER_REAL, &often, NULL) < 0 || fuse_set_signal_handlers(disk.session) < 0 ||
        fuse_session_mount(disk.session, argv[1]) < 0)
        return 1;
    serve();
    fuse_session_unmount(disk.session);
    fuse_session_destroy(disk.session);
    return 0;
}
