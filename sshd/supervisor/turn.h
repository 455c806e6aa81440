/* Servers that are to run when the daemon has begun are started a few at a time, so that a machine that has just come up is not taken down
   by all of them at once. */
#ifndef SUPERVISOR_TURN_H
#define SUPERVISOR_TURN_H

#include "sshd/supervisor/server.h"

/* At most so many are starting at a time; one that is not up after TURN_MS no longer counts.  While the load of the last minute is above TURN_LOAD
   for each processor, one at a time. */
enum { TURN_AT_ONCE = 4, TURN_MS = 10000, TURN_LOAD = 2 };

/* V, offline, is starting from now on, and started when it is its turn. */
void turn_take(struct server *v);

#endif
