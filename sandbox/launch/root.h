/* The sandbox's file system: a tmpfs with the host's /usr, a few files in /etc, devices, proc, and the server's files. */
#ifndef SANDBOX_LAUNCH_ROOT_H
#define SANDBOX_LAUNCH_ROOT_H

#include "sandbox/launch/child.h"

/* Its steps: as root of the new user namespace, in the new mount namespace, in this order. */
void root_steps_make(struct steps *l, const struct plan *p);    /* mounts it, makes it the working directory, fills it */
void root_steps_seal(struct steps *l, const struct plan *p);    /* read-only so far; then what is writable: proc, tmp, run, home, terminals */
void root_steps_enter(struct steps *l, const struct plan *p);   /* pivot, and the host's tree is gone */

/* etc.c: the files of /etc. */
void etc_steps(struct steps *l, const struct plan *p);

#endif
