/* What happened to servers and accounts, as the supervisor told it: in activity.db beside who did what, numbered from 1 without end, so that a reader
   can go on where it stopped.  The newest EVENTS_MOST are kept. */
#ifndef STORED_EVENT_H
#define STORED_EVENT_H

#include "store/stored/activity.h"

enum { EVENTS_MOST = 50000, EVENT_PAGE = 200, EVENT_LOOK = 5000 };

/* All borrowed.  SERVER or ACCOUNT may be "". */
struct event {
    int64_t id, at;             /* at: wall ms */
    const char *kind, *server, *account, *text;
};

typedef bool event_seen_fn(void *data, const struct event *v);

/* Writes it: V->id is its number.  -1 with E: it is lost. */
int event_add(struct activity *a, struct event *v, struct err *e);
/* *ID is the one behind which the newest WANTED that SEEN lets pass are, among the newest kept. */
int event_last(struct activity *a, uint64_t wanted, event_seen_fn *seen, void *data, int64_t *id, struct err *e);
/* Puts those behind *ID that SEEN lets pass into M, the oldest first, as OP_EVENTS says: at most EVENT_PAGE and SIZE bytes, out of EVENT_LOOK that are
   looked at.  *N is how many, *ID the last that was looked at; *END is whether there was nothing more. */
int event_page(struct activity *a, int64_t *id, event_seen_fn *seen, void *data, struct msg *m, size_t size, uint32_t *n, bool *end,
               struct err *e);

#endif
