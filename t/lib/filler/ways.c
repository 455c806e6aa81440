/* Bytes that come by other ways than a write: copies in the kernel, clones, maps, threads, processes that die. */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "t/lib/filler/filler.h"

enum { SOURCE = 1 << 20, THREADS = 16, CHILDREN = 6, KILLS = 40 };

static int source(struct tally *t)
{
    int fd = make_file(t, "source", O_RDWR);
    fill_to(t, fd, SOURCE);
    if (fsync(fd) < 0)
        t->wrong = "an error at fsync";
    return fd;
}

void r_copy(struct tally *t)
{
    int from = source(t), to = make_file(t, "copy", O_RDWR);
    for (loff_t out = 0; more(t);) {
        loff_t in = 0;
        if (!took(t, copy_file_range(from, &in, to, &out, SOURCE, 0), true))
            break;
    }
    close(from);
    sync_and_close(t, to);
}

void r_sendfile(struct tally *t)
{
    int from = source(t), to = make_file(t, "sent", O_RDWR);
    while (more(t)) {
        off_t in = 0;
        if (!took(t, sendfile(to, from, &in, SOURCE), true))
            break;
    }
    close(from);
    sync_and_close(t, to);
}

void r_splice(struct tally *t)
{
    int p[2], to = make_file(t, "spliced", O_RDWR);
    loff_t at = 0;
    if (pipe2(p, O_CLOEXEC) < 0) {
        filed(t, errno);
        return;
    }
    while (more(t)) {
        ssize_t n = write(p[1], data, 65536);
        while (n > 0 && more(t)) {
            ssize_t r = splice(p[0], NULL, to, &at, (size_t)n, SPLICE_F_MOVE);
            if (!took(t, r, true))
                break;
            n -= r;
        }
    }
    close(p[0]);
    close(p[1]);
    sync_and_close(t, to);
}

/* The clones share; what is written to them does not. */
static void clones(struct tally *t, bool range)
{
    int from = source(t);
    char name[32];
    while (more(t)) {
        snprintf(name, sizeof name, "c%llu", (unsigned long long)t->made);
        int to = make_file(t, name, O_RDWR);
        struct file_clone_range r = { .src_fd = from, .src_length = SOURCE };
        if (to < 0)
            break;
        if ((range ? ioctl(to, FICLONERANGE, &r) : ioctl(to, FICLONE, from)) < 0) {
            filed(t, errno);
            close(to);
            break;
        }
        for (off_t at = 0; at < SOURCE && more(t); at += PIECE)
            took(t, pwrite(to, data, PIECE, at), true);
        sync_and_close(t, to);
    }
    close(from);
}

void r_clone(struct tally *t) { clones(t, false); }
void r_clone_range(struct tally *t) { clones(t, true); }

static __thread sigjmp_buf no_page;

static void on_bus(int sig)
{
    (void)sig;
    siglongjmp(no_page, 1);
}

static void catch_bus(void)
{
    struct sigaction a = { .sa_handler = on_bus, .sa_flags = SA_NODEFER };
    sigaction(SIGBUS, &a, NULL);
}

/* Stores a byte a page; returns the pages that took one before there was no room. */
static uint64_t store(volatile uint8_t *p, uint64_t pages)
{
    volatile uint64_t n = 0;
    if (sigsetjmp(no_page, 1) == 0)
        for (; n < pages; n++)
            p[n * BLOCK] = 'm';
    return n;
}

void r_map_hole(struct tally *t)
{
    size_t size = (size_t)(3 * t->limit);
    int fd = make_file(t, "map", O_RDWR);
    catch_bus();
    if (ftruncate(fd, (off_t)size) < 0) {
        filed(t, errno);
        return;
    }
    uint8_t *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED) {
        filed(t, errno);
        return;
    }
    uint64_t n = store(p, size / BLOCK);
    t->bytes += n * BLOCK;
    t->out |= n < size / BLOCK ? OUT_FULL : 0;
    if (msync(p, n * BLOCK, MS_SYNC) < 0)
        t->wrong = "an error at msync, not at the store";
    munmap(p, size);
    sync_and_close(t, fd);
}

void r_map_past(struct tally *t)
{
    struct stat st;
    int fd = make_file(t, "past", O_RDWR);
    catch_bus();
    fill_to(t, fd, 100);
    uint8_t *p = mmap(NULL, SOURCE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED) {
        filed(t, errno);
        return;
    }
    uint64_t n = store(p, SOURCE / BLOCK);
    if (n > 1 || msync(p, BLOCK, MS_SYNC) < 0 || fstat(fd, &st) < 0 || st.st_size != 100 || st.st_blocks > 16)
        t->wrong = "it grew";
    t->out |= OUT_FREE;
    munmap(p, SOURCE);
    close(fd);
}

struct thread { pthread_t id; uint64_t limit, bytes; int n, error; };

static long one_way(int way, int fd, uint64_t at)
{
    static const int modes[] = { 0, FALLOC_FL_KEEP_SIZE };
    switch (way) {
    case 0: return pwrite(fd, data, PIECE, (off_t)at);
    case 1: return pwrite(fd, data, BLOCK, (off_t)(at * 16));
    case 2: return fallocate(fd, modes[at / PIECE % 2], (off_t)at, PIECE) < 0 ? -1 : PIECE;
    default: return ftruncate(fd, (off_t)(at + 5000)) < 0 ? -1 : pwrite(fd, data, 10000, (off_t)at);
    }
}

static void *many_ways(void *arg)
{
    struct thread *w = arg;
    char name[32];
    snprintf(name, sizeof name, "thread%d", w->n);
    int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    for (uint64_t at = 0; fd >= 0 && w->bytes < w->limit && w->error == 0; at += PIECE) {
        long r = one_way(w->n % 4, fd, at);
        if (r < 0)
            w->error = errno;
        else
            w->bytes += (uint64_t)r;
    }
    if (fd < 0)
        w->error = errno;
    else if (fsync(fd) < 0)
        w->error = EIO;
    if (fd >= 0)
        close(fd);
    return NULL;
}

void r_threads(struct tally *t)
{
    struct thread w[THREADS] = { 0 };
    for (int i = 0; i < THREADS; i++) {
        w[i] = (struct thread){ .n = i, .limit = t->limit / 4 };
        if (pthread_create(&w[i].id, NULL, many_ways, &w[i]) != 0)
            t->wrong = "no thread";
    }
    for (int i = 0; i < THREADS && t->wrong == NULL; i++) {
        pthread_join(w[i].id, NULL);
        t->bytes += w[i].bytes;
        t->made++;
        if (w[i].error == EIO)
            t->wrong = "an error at fsync, not at the write";
        else if (w[i].error)
            filed(t, w[i].error);
    }
}

static void endless(int n)
{
    char name[32];
    for (unsigned turn = 0;; turn++) {
        snprintf(name, sizeof name, "k%d.%u", n, turn % 4);
        int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | (turn % 3 ? 0 : O_TRUNC), 0600);
        if (fd < 0)
            _exit(errno == ENOSPC || errno == EDQUOT ? 1 : 2);
        for (int i = 0; i < 20; i++)
            if (write(fd, data, PIECE) < 0)
                _exit(errno == ENOSPC || errno == EDQUOT ? 1 : 2);
        if (turn % 2)
            unlink(name);
        close(fd);
    }
}

/* Killed in the middle of writing, begun again; then what is left is taken. */
void r_killed(struct tally *t)
{
    pid_t pid[CHILDREN] = { 0 };
    for (int i = 0; i < KILLS; i++) {
        int n = i % CHILDREN, status;
        if (pid[n] > 0) {
            kill(pid[n], SIGKILL);
            waitpid(pid[n], &status, 0);
            if (WIFEXITED(status) && WEXITSTATUS(status) == 2)
                t->wrong = "another error than a full disk";
        }
        pid[n] = fork();
        if (pid[n] == 0)
            endless(n);
        usleep(30000);
    }
    for (int n = 0; n < CHILDREN; n++)
        if (pid[n] > 0) {
            kill(pid[n], SIGKILL);
            waitpid(pid[n], NULL, 0);
        }
    int fd = make_file(t, "rest", O_WRONLY);
    if (fd < 0)
        return;
    fill(t, fd, PIECE);
    sync_and_close(t, fd);
}
