/* Where connections come from: /32 of IPv4, /64 of IPv6.  Counts those not logged in, accrues penalties, refuses. */
#ifndef SUPERVISOR_SOURCE_H
#define SUPERVISOR_SOURCE_H

#include <sys/socket.h>

#include "sshd/supervisor/super.h"

/* The source of ADDRESS, known or made.  Kept while it has connections or penalties; at most 8192 are remembered, the one whose penalty ends
   first goes. */
struct source *source_of(struct super *s, const struct sockaddr_storage *address);
/* True if a connection from SRC is refused now for its penalties. */
bool source_refused(struct super *s, const struct source *src);
unsigned source_pending(const struct source *src);
/* One more connection, not logged in; it is now, or ends; and the end, which for one that logged in comes later. */
void source_enter(struct source *src);
void source_leave(struct source *src);
void source_release(struct source *src);
/* Adds MS of penalty, up to limits.penalty_max. */
void source_punish(struct super *s, struct source *src, uint64_t ms, const char *why);
/* One more failed try; with MOST of a kind since the last login from there, it is refused for limits.cooldown. */
enum source_try { TRY_KEY, TRY_PASSWORD, TRY_KINDS };
void source_try(struct super *s, struct source *src, enum source_try kind, unsigned most);
/* Somebody logged in: tries count from nothing again.  Penalties stay. */
void source_forgive(struct source *src);
const char *source_text(const struct source *src);

#endif
