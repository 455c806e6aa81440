/* In the child: there it has the right to set the clocks of its own namespace, which launch, without CAP_SYS_TIME, has not.  Not asked of clone: who is put
   into a time namespace is in it already, and then its clocks cannot be set.  Entered by setns, as exec does not enter it before Linux 6.3.

   The clocks are set so that the machine's uptime is not told, and uptime inside is the server's own.  They do not start at 0, which programs take
   for "never". */
#include "sandbox/launch/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

enum { FIRST_SECOND = 1 };

/* Whole seconds: a clock's parts of a second stay what they are. */
static int set_offsets(void)
{
    struct timespec running, booted;
    char text[128];
    if (clock_gettime(CLOCK_MONOTONIC, &running) < 0 || clock_gettime(CLOCK_BOOTTIME, &booted) < 0)
        return -1;
    int n = snprintf(text, sizeof text, "monotonic %lld 0\nboottime %lld 0\n", FIRST_SECOND - (long long)running.tv_sec,
                     FIRST_SECOND - (long long)booted.tv_sec);
    CLOSE_FD int fd = open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);
    return fd >= 0 && write(fd, text, (size_t)n) == n ? 0 : -1;
}

int clock_enter(struct err *e)
{
    if (unshare(CLONE_NEWTIME) < 0)
        return err_set(e, errno, "time namespace", "allowed: a kernel with CONFIG_TIME_NS");
    if (set_offsets() < 0)
        return err_set(e, errno, "time namespace", "timens_offsets");
    CLOSE_FD int made = open("/proc/self/ns/time_for_children", O_RDONLY | O_CLOEXEC);
    return made < 0 || setns(made, CLONE_NEWTIME) < 0 ? err_set(e, errno, "time namespace", "enter") : 0;
}
