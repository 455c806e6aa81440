/* The sandbox's first process, from clone to the exec of init. */
#ifndef SANDBOX_LAUNCH_CHILD_H
#define SANDBOX_LAUNCH_CHILD_H

#include "base/attr.h"
#include "sandbox/launch/plan.h"

/* Between launch and the child, one SEQPACKET socket.  The two words of launch come in this order, each a message without fields; the
   child says CHILD_TERMINAL (one descriptor: the master) if the plan wants a terminal, and CHILD_FAILED (u32 errno, str step, str text)
   if it must.  Its end without a word means that init runs. */
enum { CHILD_MAPPED = 1, CHILD_NETWORK, CHILD_TERMINAL, CHILD_FAILED };

struct child {
    const struct plan *plan;
    int talk;       /* to launch */
    int link;       /* init's descriptor 3 */
    int init;       /* the program */
    int usr, home;  /* detached mount trees: the host's /usr, the server's files */
    int stdio[3];   /* -1 with a terminal, until there is one */
};

NORETURN void child_run(struct child *c);

#endif
