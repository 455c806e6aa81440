/* The sandbox's file system: a tmpfs with the host's /usr, a few files in /etc, devices, proc, and the server's files. */
#ifndef SANDBOX_LAUNCH_ROOT_H
#define SANDBOX_LAUNCH_ROOT_H

#include "sandbox/launch/child.h"

/* Its steps: as root of the new user namespace, in the new mount namespace, in this order. */
void root_steps_make(struct steps *l, const struct plan *p);    /* mounts it, makes it the working directory, fills it */
void root_steps_seal(struct steps *l, const struct plan *p);    /* read-only so far; then what is writable: proc, tmp, run, home, terminals */
void root_steps_enter(struct steps *l, const struct plan *p);   /* pivot, and the host's tree is gone */

/* sys.c: what of /sys a program reads to know how many processors there are; a new file with the content of a small one of the host's, or none if the
   host has none. */
void sys_steps(struct steps *l);
void sys_step_copy(struct steps *l, const char *from, const char *to);

/* etc.c: the files of /etc.  etc_steps_files: those that are made here, below the folder PREFIX ("" or "NAME/"), without what is the host's. */
void etc_steps(struct steps *l, const struct plan *p);
void etc_steps_files(struct steps *l, const struct plan *p, const char *prefix);

/* AT is a new mount of the kind FROM; a new folder of mode NUMBER. */
extern const struct verb verb_mount, verb_mkdir;

#endif
