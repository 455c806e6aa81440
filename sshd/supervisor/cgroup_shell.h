/* Groups of shells in the sandbox of a server that runs: below the server's own, without controllers, so that what is in them counts as the
   server's and stands under its limits, freezes and dies with it; and can be killed alone, whatever it forked. */
#ifndef SUPERVISOR_CGROUP_SHELL_H
#define SUPERVISOR_CGROUP_SHELL_H

#include "sshd/supervisor/server.h"

/* Makes the group of shell NUMBER.  Its cgroup.kill, open for writing; -1 with E. */
int cgroup_make_shell(const struct server *v, uint32_t number, struct err *e);
/* Puts the process of PIDFD there: 0, or -1 with E, when it is none of V's or has gone. */
int cgroup_put_shell(const struct server *v, uint32_t number, int pidfd, struct err *e);
void cgroup_kill_shell(const struct server *v, uint32_t number);
/* Kills what is left in it, and removes it. */
void cgroup_remove_shell(const struct server *v, uint32_t number);
/* RLIMIT_NPROC of what is in it, as hold_nproc. */
void cgroup_nproc_shell(const struct server *v, uint32_t number, uint32_t most);

/* Those below FOLDER, a server's group, that nobody holds: of a daemon that died, or of a server that has ended. */
void cgroup_sweep_shells(const char *folder);
/* Threads in all of V's. */
uint32_t cgroup_threads_shells(const struct server *v);

#endif
