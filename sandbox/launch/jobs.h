/* What launch can be asked to do: one job a process. */
#ifndef SANDBOX_LAUNCH_JOBS_H
#define SANDBOX_LAUNCH_JOBS_H

#include "base/err.h"
#include "base/msg.h"

enum { JOB_ANSWERED = 1 };

/* Returns 0, JOB_ANSWERED when it has sent LAUNCH_DONE itself, or -1 with E filled and everything undone.  M was received as a peer's: what is malformed ends the process. */
typedef int job_fn(struct msg *m, struct err *e);

/* LAUNCH_RUN, LAUNCH_ERRAND and LAUNCH_SHELL: starts the sandbox, answers LAUNCH_DONE itself and becomes the shim: it returns only to fail. */
int job_run(struct msg *m, struct err *e);
/* LAUNCH_TERMINAL: in the sandbox that its descriptor names, it answers itself. */
int job_terminal(struct msg *m, struct err *e);
/* The same messages as job_run's, without descriptors: prints what job_run would do.  Needs no right at all. */
int job_print(struct msg *m, struct err *e);

#endif
