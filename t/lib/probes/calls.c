#include "t/lib/probes/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

long try_call(const struct probe *p)
{
    return syscall(p->number, p->arg[0], p->arg[1], p->arg[2], p->arg[3], p->arg[4], p->arg[5]);
}

long try_call_path(const struct probe *p)
{
    return syscall(p->number, text_of(p->path), p->arg[0], p->arg[1], p->arg[2], p->arg[3], p->arg[4]);
}

static long reap(long pid)
{
    if (pid == 0)
        _exit(0);
    int no = errno;
    if (pid > 0)
        waitpid((pid_t)pid, NULL, 0);
    errno = no;
    return pid;
}

long try_clone(const struct probe *p)
{
    return reap(syscall(SYS_clone, p->arg[0] | SIGCHLD, NULL, NULL, NULL, NULL));
}

long try_clone3(const struct probe *p)
{
    struct clone_args a = { .flags = (uint64_t)p->arg[0], .exit_signal = SIGCHLD };
    return reap(syscall(SYS_clone3, &a, sizeof a));
}

long try_setns(const struct probe *p)
{
    int fd = open(p->path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? -1 : setns(fd, 0);
}

long try_socket(const struct probe *p)
{
    return syscall(SYS_socket, p->arg[0], p->arg[1], p->arg[2]);
}

long try_socketpair(const struct probe *p)
{
    int pair[2];
    return syscall(SYS_socketpair, p->arg[0], p->arg[1], p->arg[2], pair);
}

long try_terminal(const struct probe *p)
{
    int master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC), unlock = 0;
    if (master < 0 || ioctl(master, TIOCSPTLCK, &unlock) < 0) {
        say("no terminal");
        return -1;
    }
    setsid();
    int slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_CLOEXEC);
    if (slave < 0 || (ioctl(slave, TIOCSCTTY, 0) < 0 && errno != EPERM)) {
        say("no terminal");
        return -1;
    }
    long word = p->arg[1];
    return syscall(SYS_ioctl, slave, p->arg[0], &word);
}

long try_ioctl(const struct probe *p)
{
    int fd = open(p->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        say("not opened");
        return -1;
    }
    return syscall(SYS_ioctl, fd, p->arg[0], p->arg[1]);
}

static long copy(const struct probe *p, long number)
{
    char here[8], there[8] = "there";
    struct iovec mine = { here, sizeof here };
    struct iovec its = { p->arg[0] ? (void *)0x1000 : there, sizeof there };
    return syscall(number, p->arg[0] ? p->arg[0] : getpid(), &mine, 1L, &its, 1L, 0L);
}

long try_peek(const struct probe *p)
{
    return copy(p, SYS_process_vm_readv);
}

long try_poke(const struct probe *p)
{
    return copy(p, SYS_process_vm_writev);
}

static pid_t named(const struct probe *p)
{
    return p->path ? (pid_t)strtol(text_of(p->path), NULL, 10) : (pid_t)p->arg[0];
}

long try_ptrace(const struct probe *p)
{
    return ptrace(PTRACE_SEIZE, named(p), NULL, NULL);
}

long try_getfd(const struct probe *p)
{
    (void)p;
    int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
    return pidfd < 0 ? -1 : syscall(SYS_pidfd_getfd, pidfd, 0, 0);
}

long try_uring(const struct probe *p)
{
    (void)p;
    char parameters[256] = { 0 };
    return syscall(SYS_io_uring_setup, 4L, parameters);
}

long try_perf(const struct probe *p)
{
    (void)p;
    struct perf_event_attr a = { .type = PERF_TYPE_SOFTWARE, .size = sizeof a, .config = PERF_COUNT_SW_CPU_CLOCK,
                                 .exclude_kernel = 1, .exclude_hv = 1 };
    return syscall(SYS_perf_event_open, &a, 0L, -1L, -1L, 0L);
}

long try_bpf(const struct probe *p)
{
    char attributes[128] = { 0 };
    return syscall(SYS_bpf, p->arg[0], attributes, sizeof attributes);
}

long try_handle(const struct probe *p)
{
    struct { unsigned bytes; int type; char data[128]; } h = { .bytes = 128 };
    int mount;
    return syscall(SYS_name_to_handle_at, (long)AT_FDCWD, p->path, &h, &mount, 0L);
}

long try_adjtimex(const struct probe *p)
{
    struct timex t = { .modes = 0 };
    return p->number == SYS_adjtimex ? syscall(SYS_adjtimex, &t) : syscall(SYS_clock_adjtime, 0L, &t);
}

long try_int80(const struct probe *p)
{
    (void)p;
#ifdef __x86_64__
    long r = 20;   /* getpid */
    __asm__ volatile("int $0x80" : "+a"(r) : : "memory");
    return r;
#else
    say("no such entry");
    return -1;
#endif
}

long try_x32(const struct probe *p)
{
    (void)p;
#ifdef __x86_64__
    return syscall(SYS_getpid | 0x40000000);
#else
    say("no such entry");
    return -1;
#endif
}

long try_kill(const struct probe *p)
{
    return kill(named(p), (int)p->arg[1]);
}
