/* Launch's end: it becomes the shim. */
#ifndef SANDBOX_LAUNCH_SHIM_H
#define SANDBOX_LAUNCH_SHIM_H

#include <sys/types.h>

#include "sandbox/launch/plan.h"
#include "sandbox/launch/step.h"

struct shim {
    int init;        /* init's link */
    int stdio[3];    /* our ends; [0] is the terminal's master and the others -1 if there is one */
    int kill;        /* cgroup.kill, or /dev/null */
    int pidfd;       /* init's */
    int master;      /* of a shell's terminal, for the supervisor; 0: none */
    int notify;      /* the notify socket, bound inside; -1: none */
    int64_t started;
};

/* Opens what is missing, places the descriptors as sandbox/proto.h lists them, gives up root, sends LAUNCH_DONE; then executes.  A step fails
   in the usual way only while nothing has been said to the supervisor; later failures end the process, and the sandbox with it (its link to us
   closes). */
void shim_steps(struct steps *l, const struct plan *p);
void shim_steps_exec(struct steps *l, const struct plan *p);

#endif
