/* The locks a role puts on itself once it has what it needs: rlimits, then landlock, then seccomp, in that order; each failure is fatal,
   there is no weaker fallback.  The uid, groups, capabilities and no_new_privs were set by the supervisor before exec.

   Filters are compiled at build time from etc/seccomp/NAME.policy into sandbox/lock/NAME.bpf.h, which defines
   `static const struct sock_filter lock_NAME_filter[]`. */
#ifndef SANDBOX_LOCK_H
#define SANDBOX_LOCK_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>

struct lock_limit { int resource; rlim_t value; };

/* Beneath the folder open at FD, what may be done.  LOCK_FOLDER_READ: open for reading, list.  LOCK_FOLDER_WRITE: that and make,
   change, rename, remove all but device nodes; never execute. */
enum lock_access { LOCK_FOLDER_READ = 1, LOCK_FOLDER_WRITE = 2 };   /* fcntl.h has taken LOCK_READ */
struct lock_folder { int fd; enum lock_access access; };

struct lock {
    const struct lock_limit *limits;
    size_t nlimits;
    const struct lock_folder *folders;   /* none: no path can be opened at all */
    size_t nfolders;
    uint16_t connect_port;               /* the one TCP port it may connect to (kept from Linux 6.7 on); 0: none */
    const struct sock_filter *filter;
    size_t nfilter;
};

#define LOCK_FILTER(name) .filter = name, .nfilter = sizeof(name) / sizeof((name)[0])

/* Applies all three and makes the process undumpable; dies when any step fails. */
void lock_apply(const struct lock *l);

#endif
