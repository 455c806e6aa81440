/* Each takes what it gets until it is refused, or has had more than it should.  What it took goes with its process, or is removed. */
#include "t/lib/probes/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

long bomb_forks(const struct probe *p)
{
    pid_t *pids = calloc((size_t)p->arg[0], sizeof *pids);
    long n = 0, r = 0;
    for (; pids && n < p->arg[0] && r >= 0; n++)
        if ((r = pids[n] = fork()) == 0) {
            alarm(60);
            pause();
            _exit(0);
        }
    int no = errno;
    for (long i = 0; i < n; i++)
        if (pids[i] > 0) {
            kill(pids[i], SIGKILL);
            waitpid(pids[i], NULL, 0);
        }
    errno = no;
    return r;
}

static void *wait_forever(void *data)
{
    pause();
    return data;
}

long bomb_threads(const struct probe *p)
{
    pthread_attr_t a;
    pthread_attr_init(&a);
    pthread_attr_setstacksize(&a, 65536);
    for (long n = 0; n < p->arg[0]; n++) {
        pthread_t t;
        int no = pthread_create(&t, &a, wait_forever, NULL);
        if (no) {
            errno = no;
            return -1;
        }
    }
    return 0;
}

long bomb_descriptors(const struct probe *p)
{
    const char *limit = text_of(p->path);
    long most = limit[0] ? strtol(limit, NULL, 10) + 16 : p->arg[0];
    for (long n = 0; n < most; n++)
        if (fcntl(2, F_DUPFD_CLOEXEC, 0) < 0)
            return -1;
    return 0;
}

long bomb_terminals(const struct probe *p)
{
    for (long n = 0; n < p->arg[0]; n++)
        if (open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC) < 0)
            return -1;
    return 0;
}

long bomb_fill(const struct probe *p)
{
    static char block[1 << 16];
    char path[128];
    snprintf(path, sizeof path, "%s/filled", p->path);
    memset(block, 'x', sizeof block);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    long r = fd < 0 ? -1 : 0;
    for (long done = 0; r >= 0 && done < p->arg[0]; done += r)
        r = write(fd, block, sizeof block);
    int no = errno;
    unlink(path);
    errno = no;
    return r;
}

static long files_in(const char *folder, long most)
{
    char path[160];
    long r = 0, n = 0;
    for (; n < most && r >= 0; n++) {
        snprintf(path, sizeof path, "%s/%ld", folder, n);
        r = mknod(path, S_IFREG | 0600, 0);
    }
    int no = errno;
    while (n-- > 0) {
        snprintf(path, sizeof path, "%s/%ld", folder, n);
        unlink(path);
    }
    errno = no;
    return r;
}

long bomb_inodes(const struct probe *p)
{
    char folder[128];
    snprintf(folder, sizeof folder, "%s/many", p->path);
    if (mkdir(folder, 0700) < 0)
        return -1;
    long r = files_in(folder, p->arg[0]);
    int no = errno;
    rmdir(folder);
    errno = no;
    return r;
}

long bomb_fsync(const struct probe *p)
{
    int fd = open("synced", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    long long end = now_ms() + p->arg[0];
    while (fd >= 0 && now_ms() < end)
        if (pwrite(fd, &end, sizeof end, 0) < 0 || fsync(fd) < 0)
            return -1;
    unlink("synced");
    return fd < 0 ? -1 : 0;
}

long bomb_spin(const struct probe *p)
{
    long long end = now_ms() + p->arg[0];
    long children = sysconf(_SC_NPROCESSORS_ONLN);
    for (long i = 0; i < children; i++)
        if (fork() == 0) {
            while (now_ms() < end)
                ;
            _exit(0);
        }
    while (wait(NULL) > 0)
        ;
    return 0;
}

long bomb_signals(const struct probe *p)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    for (long n = 0; n < p->arg[0]; n++)
        if (sigqueue(getpid(), SIGRTMIN + 1, (union sigval){ .sival_int = 1 }) < 0)
            return -1;
    return 0;
}

long bomb_timers(const struct probe *p)
{
    struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 2 };
    timer_t t;
    signal(SIGRTMIN + 2, SIG_IGN);
    for (long n = 0; n < p->arg[0]; n++) {
        struct itimerspec often = { { 0, 1000000 }, { 0, 1000000 } };
        if (syscall(SYS_timer_create, (long)CLOCK_MONOTONIC, &event, &t) < 0)
            return -1;
        if (n % 16 == 0)
            syscall(SYS_timer_settime, t, 0L, &often, NULL);
    }
    return 0;
}

long bomb_mqueues(const struct probe *p)
{
    char name[32];
    long r = 0, n = 0;
    for (; n < p->arg[0] && r >= 0; n++) {
        struct mq_attr a = { .mq_maxmsg = 10, .mq_msgsize = 8192 };
        snprintf(name, sizeof name, "/bomb-%ld", n);
        r = mq_open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600, &a);
    }
    int no = errno;
    while (n-- > 0) {
        snprintf(name, sizeof name, "/bomb-%ld", n);
        mq_unlink(name);
    }
    errno = no;
    return r;
}

/* The kernel counts what pipes are made for beyond one page each per user, and users of other servers are others. */
long bomb_pipes(const struct probe *p)
{
    for (long n = 0; n < p->arg[0]; n++) {
        int pair[2];
        if (pipe2(pair, O_CLOEXEC | O_NONBLOCK) < 0 || fcntl(pair[1], F_SETPIPE_SZ, 1 << 20) < 0)
            return -1;
    }
    return 0;
}

long bomb_memory(const struct probe *p)
{
    char *m = mmap(NULL, (size_t)p->arg[0], PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (m == MAP_FAILED)
        return -1;
    for (long at = 0; at < p->arg[0]; at += 4096)
        ((volatile char *)m)[at] = 1;
    return 0;
}

long bomb_depth(const struct probe *p)
{
    long n = 0;
    if (mkdir("deep", 0700) < 0 || chdir("deep") < 0)
        return -1;
    for (; n < p->arg[0]; n++)
        if (mkdir("d", 0700) < 0 || chdir("d") < 0)
            break;
    say("%s", n == p->arg[0] ? "made" : strerrorname_np(errno));
    return 0;
}

long bomb_links(const struct probe *p)
{
    (void)p;
    if (symlink("loop-b", "loop-a") < 0 || symlink("loop-a", "loop-b") < 0 || symlink(".", "loop-here") < 0 || symlink("/", "loop-root") < 0)
        return -1;
    return open("loop-a", O_RDONLY | O_CLOEXEC);
}

long bomb_sparse(const struct probe *p)
{
    int fd = open("sparse", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, p->arg[0]) < 0)
        return -1;
    return pwrite(fd, "end", 3, p->arg[0] - 3) == 3 ? 0 : -1;
}

/* All but pid 1 and itself. */
long bomb_kill_all(const struct probe *p)
{
    (void)p;
    return kill(-1, SIGKILL);
}
