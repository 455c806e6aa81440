/* A launch under way, as launch has it. */
#ifndef SANDBOX_LAUNCH_RUN_H
#define SANDBOX_LAUNCH_RUN_H

#include "sandbox/launch/child.h"
#include "sandbox/launch/plan.h"
#include "sandbox/launch/shim.h"
#include "sandbox/launch/step.h"

struct run {
    struct plan plan;
    struct steps steps;
    struct child child;
    struct shim shim;
    int talk;      /* to the child */
    int users;     /* the sandbox's user namespace, */
    int net;       /* and its network namespace, once there are */
    int inside;    /* rtnetlink in it, until its network stands */
    pid_t pid;     /* the child's, once there is one */
};

/* Launch's own steps, in the parts that sequence.c puts in order. */
void run_steps_prepare(struct steps *l, const struct plan *p);   /* all that can fail without a process, then the process */
void run_steps_ids(struct steps *l, const struct plan *p);
void run_steps_network(struct steps *l, const struct plan *p);
void run_steps_end(struct steps *l, const struct plan *p);       /* the child's last words */
void run_steps_start(struct steps *l, const struct plan *p);     /* the server itself: init waits for this */

/* sequence.c: all of them. */
void sequence(struct steps *l, const struct plan *p);

#endif
