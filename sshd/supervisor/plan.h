/* The plan of a sandbox, written as the message launch reads (sandbox/proto.h). */
#ifndef SUPERVISOR_PLAN_H
#define SUPERVISOR_PLAN_H

#include "sshd/supervisor/server.h"

/* Fills M; FDS (root of the files, log folder, listening socket, cgroup folder or -1) are borrowed.  0 or -1 with E. */
int plan_write(const struct server *v, const struct conf_server *c, struct msg *m, const int fds[4], struct err *e);
/* The same without descriptors, for launch -n: to be printed, not run. */
int plan_write_dry(const struct server *v, const struct conf_server *c, struct msg *m, struct err *e);
/* The same for an errand that runs by C's limits and command, for so many seconds at most; FDS: root of the files, stdin, stdout, stderr, cgroup
   folder or -1. */
int plan_write_errand(const struct server *v, const struct conf_server *c, bool writes, uint32_t seconds, struct msg *m, const int fds[5],
                      struct err *e);

#endif
