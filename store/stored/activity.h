/* Who did what, from where, when: a database file of its own, so that however much of it there is, logins do not depend on it.  A file that cannot
   be used is set aside as activity.db.bad and a new one begun; without any, nothing is recorded and everything else goes on. */
#ifndef STORED_ACTIVITY_H
#define STORED_ACTIVITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sqlite3.h>

#include "base/err.h"
#include "base/loop.h"
#include "base/msg.h"
#include "base/name.h"

struct activity;

/* One event; all borrowed. */
struct deed {
    const char *account, *address, *server;
    uint32_t action;             /* enum activity_action */
    const void *path, *other;
    size_t npath, nother;        /* at most ACTIVITY_PATH */
    uint64_t number;
    uint32_t flags;
};

enum { RECENT_MOST = 16, RECENT_MS = 5000 };

/* What one session did last: the same again, within RECENT_MS, is counted in the record there is.  Zeroed at the start. */
struct recent {
    struct { uint64_t hash; int64_t id, until; } last[RECENT_MOST];
    unsigned at, epoch;
};

/* FOLDER (absolute, open as FD until this returns) is the store's.  Never NULL.  Must come before the process is locked. */
struct activity *activity_open(struct loop *loop, const char *folder, int fd);
void activity_close(struct activity *a);
/* Records older than DAYS go, and the oldest when there are more than ROWS; of the server that has the most, so that nobody's many push out another's
   few.  A long path counts as several.  They go in small batches, from the loop. */
void activity_limits(struct activity *a, uint32_t days, uint32_t rows);
/* Adds N deeds to the transaction under way, or to a new one.  RECENT may be NULL: each is a record of its own.  -1 with E: neither these nor what
   was added since the last commit will be written. */
int activity_add(struct activity *a, struct recent *recent, const struct deed *deeds, size_t n, struct err *e);
/* What was added is written, and survives our end.  -1 with E: none of it was.  Must come before control returns to the loop. */
int activity_commit(struct activity *a, struct err *e);

/* Both look at the COUNT servers NAMES.  *ID is the one behind which their newest WANTED records are. */
int activity_last(struct activity *a, const char *const *names, size_t count, uint64_t wanted, int64_t *id, struct err *e);
/* Puts records behind ID into M, the oldest first, at most ACTIVITY_PAGE and SIZE bytes, as OP_ACTIVITY says; *N is how many. */
enum { ACTIVITY_PAGE = 200 };
int activity_page(struct activity *a, const char *const *names, size_t count, int64_t id, struct msg *m, size_t size, uint32_t *n,
                  struct err *e);

#endif
