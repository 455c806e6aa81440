/* A disk that fills: one line when it passes 80 and one when it passes 95 percent of its bytes or inodes, and again only after it was 5 points below. */
#ifndef SUPERVISOR_WARN_H
#define SUPERVISOR_WARN_H

#include "sshd/supervisor/server.h"

enum { WARN_LOW = 80, WARN_HIGH = 95, WARN_BACK = 5, WARN_EVERY_MS = 30000 };

/* Percent, rounded down, of the worse of the two; a limit of 0 is none. */
unsigned warn_percent(uint64_t used, uint64_t limit, uint64_t inodes, uint64_t inodes_limit);
/* The mark (0, WARN_LOW, WARN_HIGH) it is above, being above BEFORE till now. */
unsigned warn_mark(unsigned before, unsigned percent);
/* V passed the mark LEVEL upward.  Whoever else wants to know is told from here. */
void quota_warn(struct server *v, unsigned level, uint64_t used, uint64_t inodes);
/* V's disk was looked at, by whoever. */
void warn_look(struct server *v, uint64_t used, uint64_t inodes);
/* From here on all disks that are up are looked at every WARN_EVERY_MS. */
void warn_begin(struct super *s);

#endif
