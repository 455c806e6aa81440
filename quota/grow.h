/* Other sizes of an image: of one that is mounted, larger; of one that is not, both ways. */
#ifndef QUOTA_GROW_H
#define QUOTA_GROW_H

#include "base/err.h"
#include "quota/ext4.h"
#include "quota/limit.h"
#include "quota/place.h"

/* Whether the kernel lets us grow what is mounted: root without CAP_SYS_RESOURCE, as in some containers, may not. */
bool grow_can(void);

/* Makes the mounted F, whose file is IMAGE, large enough for LIMITS: file, loop device, file system.  Ended between the steps, it leaves a file
   that is larger than its file system, which costs nothing.  At most to EXT4's `growth`, 100 times the size it was made with (and 8 TiB).
   Where LIMITS ask for more inodes these come with whole groups; what comes above LIMITS is held (quota/limit.h) after every group, or every 64th of
   the way, and until then it is whoever's writes first.  For 20 s at most, and what one group takes: the next call goes on.
   0 and f->super anew, or -1 with E: f->super tells how far it came. */
int grow_mounted(struct limit_fs *f, int image, const struct ext4_limits *limits, struct err *e);

/* Makes FILE (below p->servers, not mounted, open at *IMAGE) of the size that LIMITS want, when that is worth it and cheap: a copy is resized,
   checked, and takes the name, so that at any moment there is one whole image.  Copying is free where the host's file system can
   share blocks; else at most GROW_COPY bytes are copied.  1 and *IMAGE replaced; 0 when it stays (the reason is logged); -1 with E. */
enum { GROW_COPY = 512 << 20 };
int grow_unmounted(const struct place *p, const char *file, int *image, const struct ext4_limits *limits, struct err *e);

#endif
