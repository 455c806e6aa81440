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
/* The root directory of V's files, O_RDONLY; -1 with E. */
int disk_open(const struct server *v, struct err *e);

#endif
