/* Backend `image`: a server's files live in a sparse ext4 image, STATE/servers/NAME.img, mounted through a loop device
   on STATE/servers/NAME.  The kernel's own free counts are the wall: what an unprivileged user may use of an empty
   image is exactly the limit in bytes (whole blocks of 4 KiB) and the limit in inodes or the nearest below that ext4
   allows (quota/ext4.h; a large disk cannot have very few).

   On the disk files belong to ids 0 to 65535, whatever machine it is on: those the server has inside.  The mount shows them as the server's
   range of this machine.  An image whose root folder belongs to a higher id (IMAGE_UID above a range's first) has its files in that
   range: earlier versions made them so, with the range of the machine and the number of the server.  It is mapped from there.
   Where the kernel cannot map, an empty disk is given to the range of this machine, as then, and stays that way; the log says so.

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
    uid_t owner;            /* of the files on this machine, uid and gid: IMAGE_UID above the range's first */
};

enum { IMAGE_UID = 1000 };  /* their owner on the disk, uid and gid */

/* Makes the image when missing (whole or not at all), mounts it, gives its root folder to the owner, mode 0750.
   Harmless when it is mounted for that owner; mounted for another one it is mounted anew.  An image that is there keeps its limits; a difference is logged and I tells.  0, or -1 with E. */
int image_up(struct image *i, struct err *e);
/* Gives freed blocks back to the host, unmounts, and waits for the loop device to be free.  Harmless when not mounted;
   EBUSY names a process that holds it.  Only `state` and `name` are read. */
int image_down(const struct image *i, struct err *e);

#endif
