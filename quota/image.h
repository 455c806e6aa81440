/* Backend `image`: a server's files live in a sparse ext4 image, STATE/servers/NAME.img, mounted through a loop device
   on STATE/servers/NAME.  The kernel's own free counts are the wall: what an unprivileged user may use of an empty
   image is exactly the limit in bytes (whole blocks of 4 KiB) and the limit in inodes or the nearest below that ext4
   allows.  How it is held, and changed under a server: quota/limit.h; how the image gets another size: quota/grow.h.

   Direct IO: buffered, the host's cache holds all twice, and an fsync took six times as long.  errors=remount-ro: after an error
   nothing more is written over what may be wrong; `up` checks and mounts anew.

   On the disk files belong to ids 0 to 65535, whatever machine it is on: those the server has inside.  The mount shows them as the server's
   range of this machine.  An image whose root folder belongs to a higher id (DISK_UID above a range's first) has its files in that
   range: earlier versions made them so, with the range of the machine and the number of the server.  It is mapped from there. */
#ifndef QUOTA_IMAGE_H
#define QUOTA_IMAGE_H

#include "quota/backend.h"

extern const struct backend backend_image;

#endif
