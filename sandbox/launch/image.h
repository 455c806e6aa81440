/* A root file system from an imported image, in place of one made of the host's. */
#ifndef SANDBOX_LAUNCH_IMAGE_H
#define SANDBOX_LAUNCH_IMAGE_H

#include "sandbox/launch/child.h"

/* By launch: a detached, sealed copy of the mount of the plan's image; where its file system can, the image's owner is root inside.  The fd, or -1
   with E. */
int image_clone(const struct plan *p, struct err *e);
/* By the child, 0 or -1 with E.  image_root: the image at PLACE, made the working directory, with devices and our files of /etc over its own.
   image_finish: what comes behind the writable mounts. */
int image_root(struct child *c, const char *place, struct err *e);
int image_finish(struct err *e);

#endif
