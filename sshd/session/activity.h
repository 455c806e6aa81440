/* What was done with files, for the record the store keeps: gathered, and sent in one message before the answers of the same turn leave. */
#ifndef SESSION_ACTIVITY_H
#define SESSION_ACTIVITY_H

#include <stdint.h>

#include "store/proto.h"

struct session;

/* PATH and OTHER ("" if none) are in SERVER's directory; all is copied.  NUMBER and FLAGS are those of ACTION (store/proto.h).  Never waits: where the
   store does not read, what does not fit is counted and the count recorded. */
void activity_note(struct session *s, enum activity_action action, const char *server, const char *path, const char *other, uint64_t number,
                   uint32_t flags);
/* Sends what was noted.  What the store cannot take now waits for the next call. */
void activity_send(struct session *s);

#endif
