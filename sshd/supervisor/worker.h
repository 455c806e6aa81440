/* Files workers: one a channel and server, under the server's uid. */
#ifndef SUPERVISOR_WORKER_H
#define SUPERVISOR_WORKER_H

#include "sshd/supervisor/conn.h"
#include "sshd/supervisor/server.h"

/* Starts a worker on V's files for C with RIGHTS; V's disk is up.  Returns the session's end of its link, owned by the caller; -1 with E
   (EAGAIN: too many workers). */
int worker_start(struct super *s, struct session *c, struct server *v, uint32_t rights, struct err *e);
/* The configuration changed: ends those that hide something else than it says now; their sessions are told.  How many.  Those that may do more than
   their account may now end in half a second, unless their session, which knows from the store, ends them before. */
unsigned workers_apply(struct super *s);

#endif
