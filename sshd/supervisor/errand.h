/* Errands: programs that run once, for a session, on a server's files: in a sandbox like the server's own, beside it; or, a shell, in the sandbox of
   a server that runs. */
#ifndef SUPERVISOR_ERRAND_H
#define SUPERVISOR_ERRAND_H

#include "sshd/supervisor/order.h"

/* OP_RSYNC.  Starts rsync once the disk is up; the session gets its stdio and a link whose end ends it.  Refused past 2 a server and 4 an
   account; its shim kills it after 6 hours. */
void errand_rsync(struct super *s, struct order *o);
/* OP_SHELL, by the same numbers; it ends after 12 hours. */
void errand_shell(struct super *s, struct order *o);
/* The configuration changed: kills those whose account may not do this any more, holds the others to
   new limits. */
void errands_apply(struct super *s);

#endif
