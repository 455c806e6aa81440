/* The plan of a sandbox, written as the message launch reads (sandbox/proto.h). */
#ifndef SUPERVISOR_PLAN_H
#define SUPERVISOR_PLAN_H

#include "sshd/supervisor/server.h"

/* Fills M; FDS (root of the files, log folder, listening socket, root of the image or -1, cgroup folder or -1) are borrowed.  0 or -1 with E. */
int plan_write(const struct server *v, const struct conf_server *c, struct msg *m, const int fds[5], struct err *e);
/* The same for an errand that runs by C's limits and command; FDS: root of the files, stdin, stdout, stderr, cgroup folder or -1. */
int plan_write_errand(const struct server *v, const struct conf_server *c, bool writes, struct msg *m, const int fds[5], struct err *e);

#endif
