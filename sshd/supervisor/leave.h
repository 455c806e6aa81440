/* Going down with everything: servers stopped, disks unmounted, nothing left. */
#ifndef SUPERVISOR_LEAVE_H
#define SUPERVISOR_LEAVE_H

#include "sshd/supervisor/super.h"

/* ERROR is "" when nothing is left. */
typedef void leave_fn(void *data, const char *error);
/* Calls FN at the end, then ends the process.  A second call while one is under way is refused. */
void leave(struct super *s, leave_fn *fn, void *data);

#endif
