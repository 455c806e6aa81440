/* One holdfast-launch that is started already and waits at its link for a job: a fifth of a server's start is the start of this program, and the
   move of a process into another cgroup can take longer than all the rest. */
#ifndef SUPERVISOR_SPARE_H
#define SUPERVISOR_SPARE_H

#include "sshd/supervisor/super.h"

/* From now on one is kept: soon, and again some time after the last one was taken. */
void spare_keep(struct super *s);
/* None any more, for a daemon that leaves: it ends with its link. */
void spare_end(void);
/* Gives the job M to the one that waits, or to one that is started now.  It is in the shims' cgroup.  Our end of its link, which is the caller's, or
   -1 with E.  Its end is told by the link alone. */
int spare_launch(struct super *s, const struct msg *m, struct err *e);

#endif
