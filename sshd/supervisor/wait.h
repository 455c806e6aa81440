/* Orders that wait for a server's state: answered when it is reached, when it cannot be any more, or when their time is over. */
#ifndef SUPERVISOR_WAIT_H
#define SUPERVISOR_WAIT_H

#include "sshd/supervisor/server.h"

/* Looks at V's waiters after its state changed. */
void wait_check(struct server *v);

#endif
