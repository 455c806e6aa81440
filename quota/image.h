/* Backend `image`: a server's files live in a sparse ext4 image, STATE/servers/NAME.img, mounted through a loop device
   on STATE/servers/NAME.  The kernel's own free counts are the wall: what an unprivileged user may use of an empty
   image is exactly the limit in bytes (whole blocks of 4 KiB) and the limit in inodes or the nearest below that ext4
   allows (quota/ext4.h; a large disk cannot have very few).

   For root, in one-shot processes: calls block, on a lock of the name, on mke2fs, on the disk. */
#ifndef QUOTA_IMAGE_H
#define QUOTA_IMAGE_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct image {
    const char *state;      /* folder; its `servers` is made when missing */
    const char *name;       /* the server's; must be name_ok */
    uint64_t bytes, inodes; /* limits: wanted of an image that must be made; afterwards those that the image has */
    uid_t owner;            /* of the files: uid and gid */
};

/* Makes the image when missing (whole or not at all), mounts it, gives its root folder to the owner, mode 0750.
   Harmless when it is mounted.  An image that is there keeps its limits; a difference is logged and I tells.  0, or -1 with E. */
int image_up(struct image *i, struct err *e);
/* Gives freed blocks back to the host, unmounts, and waits for the loop device to be free.  Harmless when not mounted;
   EBUSY names a process that holds it.  Only `state` and `name` are read. */
int image_down(const struct image *i, struct err *e);

#endif
