/* init, weakened. */
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/msg.h"
#include "t/lib/probes/weaken.h"

int __real_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d);
int __wrap_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d);
int __real_close(int fd);
int __wrap_close(int fd);
sighandler_t __real_signal(int sig, sighandler_t handler);
sighandler_t __wrap_signal(int sig, sighandler_t handler);
pid_t __real_getpid(void);
pid_t __wrap_getpid(void);

void weaken_names(void)
{
    puts("dumpable\nclose-link\ninit-signals");
}

int __wrap_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d)
{
    return option == PR_SET_DUMPABLE && off("dumpable") ? 0 : __real_prctl(option, a, b, c, d);
}

int __wrap_close(int fd)
{
    return fd == LINK_FD && off("close-link") ? 0 : __real_close(fd);
}

sighandler_t __wrap_signal(int sig, sighandler_t handler)
{
    return off("init-signals") ? SIG_DFL : __real_signal(sig, handler);
}

/* Else init would refuse to be anything but pid 1. */
pid_t __wrap_getpid(void)
{
    return off("ns-pid") ? 1 : __real_getpid();
}
