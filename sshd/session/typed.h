/* What was typed into a server's console, for the record of who did what: a line a record, as the shim's word on it comes.  Of what the server's
   terminal did not echo, or of which nobody says whether it did, only that there was something.  More lines than a person types are counted, not kept. */
#ifndef SESSION_TYPED_H
#define SESSION_TYPED_H

#include <stddef.h>
#include <stdint.h>

#include "sandbox/proto.h"
#include "sshd/session/session.h"

struct typed;

/* What was typed by this session already counts. */
struct typed *typed_new(struct session *s, const char *server);
/* Records the rest: what the shim has said nothing of as hidden.  NULL is allowed. */
void typed_free(struct typed *t);
/* BYTES were sent to the shim. */
void typed_sent(struct typed *t, const uint8_t *bytes, size_t size);
/* The shim's word on the first SIZE of those it had said nothing of.  WHAT that is none of its words counts as hidden. */
void typed_judged(struct typed *t, uint64_t size, uint32_t what);
/* Is a word still out?  Of a shim that never gives one only for a while. */
bool typed_waits(const struct typed *t);

#endif
