/* The disk jobs of launch.  M is positioned at the first field and is eaten to its end.  As job_fn. */
#ifndef LAUNCH_DISK_H
#define LAUNCH_DISK_H

#include "base/err.h"
#include "base/msg.h"

int job_disk_up(struct msg *m, struct err *e);
int job_disk_down(struct msg *m, struct err *e);
int job_disk_resize(struct msg *m, struct err *e);
int job_disk_fit(struct msg *m, struct err *e);
int job_disk_migrate(struct msg *m, struct err *e);

#endif
