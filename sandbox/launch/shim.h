/* Launch's end: it becomes the shim. */
#ifndef SANDBOX_LAUNCH_SHIM_H
#define SANDBOX_LAUNCH_SHIM_H

#include <sys/types.h>

#include "sandbox/launch/plan.h"

struct shim {
    const struct plan *plan;
    int init;        /* init's link */
    int stdio[3];    /* our ends; [0] is the terminal's master and the others -1 if there is one */
    int kill;        /* cgroup.kill, or /dev/null */
    int pidfd;
    pid_t pid;       /* init, as the host counts */
    int64_t started;
};

/* Opens what is missing, places the descriptors as sandbox/proto.h lists them, gives up root, sends LAUNCH_DONE, executes.  Returns -1 with
   E only while nothing has been said to the supervisor and the pidfd is still open; later failures end the process, and
   the sandbox with it (its link to us closes). */
int shim_become(struct shim *s, struct err *e);

#endif
