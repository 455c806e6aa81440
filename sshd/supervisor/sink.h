/* The admin's program ([events] command), run for each event, one after the other. */
#ifndef SUPERVISOR_SINK_H
#define SUPERVISOR_SINK_H

#include "sshd/supervisor/super.h"

/* Of no effect when there is no program, or it does not want this kind.  At most 256 wait; what comes then is dropped, and the log says how many. */
void sink_put(struct super *s, int64_t at, const char *what, const char *server, const char *account, const char *text);

#endif
