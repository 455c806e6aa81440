/* The sandbox's time namespace: its clocks that count from a start count from its own. */
#ifndef SANDBOX_LAUNCH_CLOCK_H
#define SANDBOX_LAUNCH_CLOCK_H

#include "base/err.h"

/* Makes one and enters it, in the new user namespace, while /proc is the host's and has us as its root: before the change to a uid of the sandbox.
   0, or -1 with E. */
int clock_enter(struct err *e);

#endif
