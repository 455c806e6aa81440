/* Processes the supervisor started: role table, the one way to start them, and who is told when they end. */
#ifndef SUPERVISOR_CHILD_H
#define SUPERVISOR_CHILD_H

#include "sshd/supervisor/super.h"

enum role {
    ROLE_SESSION, ROLE_FILES, ROLE_STORE, ROLE_AID, ROLE_LAUNCH, ROLE_ARCHIVE, ROLE_COUNT_FILES, ROLE_PLAN, ROLE_POLICY, ROLE_FILTER, ROLE_SINK,
    ROLE_PROMPT, ROLE_COUNT
};

/* STATUS as from waitpid. */
typedef void child_fn(void *data, pid_t pid, int status);

/* Starts ROLE as UID (gid the same number; ignored for roles that stay root) with LINK as its descriptor 3.  LINK stays the caller's.
   FN is called when it ends.  The pid, or -1 with E. */
pid_t child_start(struct super *s, enum role role, uid_t uid, int link, child_fn *fn, void *data, struct err *e);
/* The same, with OUT as its standard output, which for the others leads nowhere. */
pid_t child_start_out(struct super *s, enum role role, uid_t uid, int link, int out, child_fn *fn, void *data, struct err *e);
/* Nobody wants to know any more. */
void child_forget(pid_t pid);
/* Reaps everything that ended; from SIGCHLD. */
void child_reap(void);
const char *role_name(enum role role);
/* "exit code 3" or "signal 9 (Killed)", in a static buffer. */
const char *status_text(int status);

#endif
