/* hoard KIND MOST [FILE]: takes of one kind of what the kernel counts per user, or for all, until it is refused or has MOST; prints "KIND N WHY" and,
   with FILE, keeps it all until there is a file of that name.  For t/sys/hoard.t. */
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <mqueue.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/attr.h"

/* Each takes the Nth: at least 0, or -1 with errno. */

static long take_instance(long n UNUSED)
{
    return inotify_init1(IN_CLOEXEC);
}

/* One instance cannot watch an inode twice; FILES inodes are enough for as many watches as there are instances to hold them. */
static long take_watch(long n)
{
    enum { FILES = 3000 };
    static int instance;
    char name[32];
    if (n % FILES == 0 && (instance = inotify_init1(IN_CLOEXEC)) < 0)
        return -1;
    snprintf(name, sizeof name, "/tmp/w%ld", n % FILES);
    if (n < FILES && mknod(name, S_IFREG | 0600, 0) < 0 && errno != EEXIST)
        return -1;
    return inotify_add_watch(instance, name, IN_MODIFY);
}

static long take_queue(long n)
{
    struct mq_attr a = { .mq_maxmsg = 10, .mq_msgsize = 8192 };
    char name[32];
    snprintf(name, sizeof name, "/hoard-%d-%ld", (int)getpid(), n);
    long r = mq_open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600, &a);
    if (r >= 0)
        mq_unlink(name);   /* open, it counts as before */
    return r;
}

static long take_signal(long n)
{
    return sigqueue(getpid(), SIGRTMIN + 1, (union sigval){ .sival_int = (int)n });
}

static long take_timer(long n UNUSED)
{
    struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 2 };
    timer_t t;
    return syscall(SYS_timer_create, (long)CLOCK_MONOTONIC, &event, &t);
}

/* A page of memory that is locked whoever maps it. */
static long take_locked(long n UNUSED)
{
    int id = shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600);
    if (id < 0)
        return -1;
    void *at = shmat(id, NULL, 0);
    int r = shmctl(id, SHM_LOCK, NULL), no = errno;
    shmctl(id, IPC_RMID, NULL);   /* goes with the process, which has it mapped */
    errno = no;
    return at == (void *)-1 ? -1 : r;
}

static long take_epoll(long n)
{
    enum { EACH = 1000 };
    static int event, set[EACH];
    static long sets;
    struct epoll_event e = { .events = EPOLLIN };
    if (n % EACH == 0 && (event = eventfd(0, EFD_CLOEXEC)) < 0)
        return -1;
    if (sets <= n % EACH && (set[sets++] = epoll_create1(EPOLL_CLOEXEC)) < 0)
        return -1;
    return epoll_ctl(set[n % EACH], EPOLL_CTL_ADD, event, &e);
}

/* Who has too many pages in pipes gets smaller ones. */
static long take_pipe(long n UNUSED)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -1;
    errno = EPERM;
    return fcntl(ends[0], F_GETPIPE_SZ) < 65536 ? -1 : 0;
}

/* Pipes that others have made for it: its stdin, stdout and stderr. */
static long take_stdio(long n)
{
    return fcntl((int)(n % 3), F_SETPIPE_SZ, 1 << 20);
}

/* In flight: sent to nobody who takes them. */
static long take_flight(long n)
{
    static int pair[2];
    if (n == 0 && socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
        return -1;
    char byte = 0, space[CMSG_SPACE(sizeof(int) * 200)] = { 0 };
    struct iovec v = { &byte, 1 };
    struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space };
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int) * 200);
    for (size_t i = 0; i < 200; i++)
        memcpy(CMSG_DATA(c) + i * sizeof(int), &(int){ 0 }, sizeof(int));
    long r = sendmsg(pair[0], &m, 0);
    if (r < 0 && errno == EAGAIN) {   /* this one is full: the next */
        if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
            return -1;
        r = sendmsg(pair[0], &m, 0);
    }
    return r;
}

static long take_aio(long n UNUSED)
{
    aio_context_t c = 0;
    return syscall(SYS_io_setup, 100, &c);
}

static long take_terminal(long n UNUSED)
{
    return open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
}

static const struct { const char *name; long (*take)(long n); } kinds[] = {
    { "instances", take_instance }, { "watches", take_watch }, { "queues", take_queue }, { "signals", take_signal }, { "timers", take_timer },
    { "locked", take_locked }, { "epoll", take_epoll }, { "pipes", take_pipe }, { "stdio", take_stdio }, { "flight", take_flight },
    { "aio", take_aio }, { "terminals", take_terminal },
};

int main(int argc, char **argv)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    for (size_t i = 0; argc >= 3 && i < countof(kinds); i++) {
        if (strcmp(kinds[i].name, argv[1]) != 0)
            continue;
        long n = 0, most = atol(argv[2]);
        while (n < most && kinds[i].take(n) >= 0)
            n++;
        printf("%s %ld %s\n", argv[1], n, n < most ? strerrorname_np(errno) : "enough");
        fflush(stdout);
        while (argc > 3 && access(argv[3], F_OK) < 0)
            usleep(20000);
        return 0;
    }
    fprintf(stderr, "usage: hoard KIND MOST [FILE]\n");
    return 2;
}
