/* A disk that fills: a line in the log and an event when it passes 80 and 95 percent of its bytes or inodes and when nothing is left, and again only
   after it was 5 points below.  What a daemon finds above a mark when it first looks it tells: it cannot know what the one before it told. */
#ifndef SUPERVISOR_WARN_H
#define SUPERVISOR_WARN_H

#include "sshd/supervisor/server.h"

enum { WARN_LOW = 80, WARN_HIGH = 95, WARN_FULL = 100, WARN_BACK = 5, WARN_EVERY_MS = 30000 };

/* Percent, rounded down, of the worse of the two; a limit of 0 is none. */
unsigned warn_percent(uint64_t used, uint64_t limit, uint64_t inodes, uint64_t inodes_limit);
/* The mark (0, WARN_LOW, WARN_HIGH, WARN_FULL) it has reached; till now that was BEFORE. */
unsigned warn_mark(unsigned before, unsigned percent);
/* V passed the mark LEVEL upward. */
void quota_warn(struct server *v, unsigned level, uint64_t used, uint64_t inodes);
/* V's disk was looked at, by whoever. */
void warn_look(struct server *v, uint64_t used, uint64_t inodes);
/* From here on all disks that are up are looked at every WARN_EVERY_MS. */
void warn_begin(struct super *s);

#endif
