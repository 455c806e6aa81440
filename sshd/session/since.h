/* A time as people write it: behind `logs --since`. */
#ifndef SESSION_SINCE_H
#define SESSION_SINCE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define SINCE_FORMS "10m (s, m, h, d), today, yesterday, 2026-01-31, 2026-01-31T12:00:00Z, 2026-01-31T12:00:00+01:00"

/* In *MS, wall clock; days are those of UTC, a fraction of a second is left out.  NOW: wall ms.  False: it is none of SINCE_FORMS. */
bool since_parse(const char *text, int64_t now, int64_t *ms);

/* Where in the log FD (sandbox/shim/journal.h), of which SIZE bytes count, the first line begins that is of the time SINCE (as the log has it, 20
   bytes) or later; SIZE if none does.  A line that came to its end long after it began has the time when it began, and stays where it is. */
off_t since_find(int fd, off_t size, const char *since);

#endif
