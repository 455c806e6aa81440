/* What the process that counts a server's disk (quota = fuse) tells us of it.  Nothing here ever touches its mount: whoever does waits for that
   process, and we must not wait for anybody. */
#ifndef SUPERVISOR_TOLD_H
#define SUPERVISOR_TOLD_H

#include "sshd/supervisor/server.h"

/* Takes over LINK, to holdfast-quotafs of V, whose disk has come up: from now on it is told what is used, and the end of the link is the end of the
   disk, for which disk_lost is called. */
void told_begin(struct server *v, int link);
/* Before the disk goes down; harmless without one. */
void told_end(struct server *v);
/* As it was told last; 0 before. */
void told_used(const struct server *v, uint64_t *bytes, uint64_t *inodes);

#endif
