/* The sandbox's file system: a tmpfs with the host's /usr, a few files in /etc, devices, proc, and the server's files. */
#ifndef SANDBOX_LAUNCH_ROOT_H
#define SANDBOX_LAUNCH_ROOT_H

#include "sandbox/launch/child.h"

/* Each 0, or -1 with E; called in this order, as root of the new user namespace, in the new mount namespace. */
int root_make(struct child *c, struct err *e);       /* mounts it, makes it the working directory, fills it */
int root_seal(struct child *c, struct err *e);       /* read-only so far; then what is writable: proc, tmp, run, home, terminals */
int root_enter(struct child *c, struct err *e);      /* pivot, and the host's tree is gone */

/* sys.c: what of /sys a program reads to know how many processors there are, below the working directory; a new file with the content of a small one of
   the host's, or none if the host has none; and, when sealed, the sandbox's own cgroup. */
int sys_fill(struct err *e);
int sys_copy(const char *from, const char *to, struct err *e);
int sys_open_cgroup(const struct plan *p, struct err *e);   /* by launch, before: then it can be read inside */
int sys_mount_cgroup(const struct plan *p, struct err *e);

/* etc.c: the files of /etc, below the working directory. */
int etc_fill(const struct plan *p, struct err *e);

#endif
