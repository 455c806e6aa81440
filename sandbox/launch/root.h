/* The sandbox's file system: a tmpfs with the host's /usr, a few files in /etc, devices, proc, and the server's files. */
#ifndef SANDBOX_LAUNCH_ROOT_H
#define SANDBOX_LAUNCH_ROOT_H

#include "sandbox/launch/child.h"

/* Each 0, or -1 with E; called in this order, as root of the new user namespace, in the new mount namespace. */
int root_make(struct child *c, struct err *e);       /* mounts it, makes it the working directory, fills it */
int root_seal(struct child *c, struct err *e);       /* read-only so far; then what is writable: proc, tmp, run, home, terminals */
int root_enter(struct child *c, struct err *e);      /* pivot, and the host's tree is gone */

/* Device nodes below dev, and the links beside them. */
int root_devices(struct err *e);

/* etc.c: the files of /etc, below the working directory.  etc_write: those that are made here, without what is the host's. */
int etc_fill(const struct plan *p, struct err *e);
int etc_write(const struct plan *p, struct err *e);

#endif
