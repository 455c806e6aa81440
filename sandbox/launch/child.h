/* The sandbox's first process, from clone to the exec of init. */
#ifndef SANDBOX_LAUNCH_CHILD_H
#define SANDBOX_LAUNCH_CHILD_H

#include <linux/filter.h>

#include "base/attr.h"
#include "sandbox/launch/plan.h"
#include "sandbox/launch/step.h"
#include "sandbox/lock/landlock.h"

/* Between launch and the child, one SEQPACKET socket.
   The child: CHILD_TERMINAL (a descriptor: the master) if the plan wants a terminal; CHILD_NOTIFY (a descriptor: the socket) if it wants one to
   be notified by; CHILD_READY before the exec; CHILD_FAILED (u32 errno, str step, str text) if it must.  Its end behind CHILD_READY means that
   init runs, or ran: a short command may be over before launch looks.
   Launch: CHILD_MAPPED when ids have their meaning, CHILD_NETWORK (a descriptor: its network namespace, in which nothing need stand yet). */
enum { CHILD_MAPPED = 1, CHILD_NETWORK, CHILD_TERMINAL, CHILD_READY, CHILD_FAILED, CHILD_NOTIFY };

struct child {
    const struct steps *steps;
    int talk;       /* to launch */
    int link;       /* init's descriptor 3 */
    int init;       /* the program */
    int usr, image; /* detached mount trees: the host's /usr, or the image; the other is -1 */
    int home;       /* and the server's files */
    struct sock_fprog filter;
    int stdio[3];   /* -1 with a terminal, until there is one */
    int landlock;   /* the rules, while they are made, */
    struct landlock taken;   /* and what they are about on this kernel */
};

/* Its steps, in the parts that sequence.c puts in order. */
void child_steps_alone(struct steps *l, const struct plan *p);       /* what needs no ids */
void child_steps_root(struct steps *l, const struct plan *p);
void child_steps_network(struct steps *l, const struct plan *p);
void child_steps_terminal(struct steps *l, const struct plan *p);
void child_steps_notify(struct steps *l, const struct plan *p);
void child_steps_rights(struct steps *l, const struct plan *p);
void child_steps_end(struct steps *l, const struct plan *p);         /* filter, exec */

NORETURN void child_run(struct child *c);

#endif
