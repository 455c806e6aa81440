/* Disks of servers: mounted by the launch program when first needed, the gate's page beside each. */
#ifndef SUPERVISOR_DISK_H
#define SUPERVISOR_DISK_H

#include "sshd/supervisor/server.h"

/* ERROR is NULL when the disk is up. */
typedef void disk_fn(void *data, const char *error);

/* Calls FN (may be NULL) once V's disk is up, or why it is not: at once if it is, else from the loop. */
void disk_need(struct server *v, disk_fn *fn, void *data);
/* Unmounts; FN (may be NULL) is told.  Refused ("busy") while workers use it. */
void disk_down(struct server *v, disk_fn *fn, void *data);
/* After the configuration changed: limits that are others than those asked for last are set by a job, which the log tells the end of.  Added to
   TOLD (may be NULL), as cgroup_limits. */
void disk_apply(struct server *v, struct buf *told);
/* Why V cannot be started with the disk that is up, as its configuration wants another backend; "" if it can.  BUF is returned. */
const char *disk_refusal(const struct server *v, char *buf, size_t size);
/* What an admin ought to know about V's disk: that nothing holds it to its limits, limits that are not in force, a backend that is not the one
   configured; "" if nothing. */
const char *disk_note(const struct server *v, char *buf, size_t size);
/* Its backend as it is written in the ini files, "" if it is not known yet. */
const char *disk_backend(const struct server *v);
/* A disk's fields of launch's messages. */
void disk_put(const struct server *v, struct msg *m);
/* The root directory of V's files, O_RDONLY; -1 with E. */
int disk_open(const struct server *v, struct err *e);

/* The process that a disk depends on (quota = fuse) has ended: mounts it anew, and starts the server anew that stood on it. */
void disk_lost(struct server *v);

#endif
