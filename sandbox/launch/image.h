/* A root file system from an imported image, in place of one made of the host's. */
#ifndef SANDBOX_LAUNCH_IMAGE_H
#define SANDBOX_LAUNCH_IMAGE_H

#include "sandbox/launch/child.h"

/* By launch: a detached, sealed copy of the mount of the plan's image; where its file system can, the image's owner is root inside.  The fd, or -1
   with E. */
int image_clone(const struct plan *p, struct err *e);
/* The child's steps, in the image as working directory: our files of /etc over its own, room for home, devices and /sys; and what comes behind the
   writable mounts. */
void image_steps_make(struct steps *l, const struct plan *p);
void image_steps_end(struct steps *l);

#endif
