/* Where connections come from: /32 of IPv4, /64 of IPv6.  Counts those not logged in, accrues penalties, refuses. */
#ifndef SUPERVISOR_SOURCE_H
#define SUPERVISOR_SOURCE_H

#include <sys/socket.h>

#include "sshd/supervisor/super.h"

enum source_try { TRY_KEY, TRY_PASSWORD, TRY_KINDS };

/* What is held against a source; kept in the database by number. */
enum penalty {
    PENALTY_NONE,
    PENALTY_CRASH,          /* a session died */
    PENALTY_AUTH,           /* a login failed */
    PENALTY_USER,           /* there is no such account */
    PENALTY_NOAUTH,         /* left without a try */
    PENALTY_GRACE,          /* ran into the login grace */
    PENALTY_KEYS,           /* too many keys that do not fit */
    PENALTY_PASSWORDS,      /* too many wrong passwords */
    PENALTY_ADMIN,          /* an admin said so */
    PENALTIES
};

/* What is known of ADDRESS, NULL if nothing.  All of exempt networks are one. */
struct source *source_find(struct super *s, const struct sockaddr_storage *address);
/* A connection of ADDRESS that is let in, not logged in yet.  What is returned is kept until source_release. */
struct source *source_enter(struct super *s, const struct sockaddr_storage *address);
/* It is logged in, or ends; and the end, which for one that logged in comes later. */
void source_leave(struct source *src);
void source_release(struct super *s, struct source *src);
/* Connections not logged in; 0 of an exempt one. */
unsigned source_pending(const struct source *src);
bool source_exempt(const struct source *src);

/* True if a connection from SRC is refused now; *MS is how long still. */
bool source_refused(const struct source *src, uint64_t *ms);
/* Counts a connection that was turned away for it. */
void source_turned_away(struct source *src);
/* Adds what WHY costs by the configuration, up to limits.penalty_max; refused from limits.penalty_min on. */
void source_punish(struct super *s, struct source *src, enum penalty why);
/* One more failed try; with as many of a kind since the last login as the configuration allows, it is refused for limits.cooldown. */
void source_try(struct super *s, struct source *src, enum source_try kind);
/* Somebody logged in: tries count from nothing again.  Penalties stay. */
void source_forgive(struct super *s, struct source *src);

/* By an admin: refused for MS from now, at most SOURCE_BAN_MOST; TEXT is an address, or a network as source_text has it.  0 or -1 with E. */
#define SOURCE_BAN_MOST (366ull * 24 * 3600 * 1000)
int source_ban(struct super *s, const char *text, uint64_t ms, struct err *e);
/* Takes back all that is held against it, or against everybody (TEXT "all").  How many were refused; -1 with E. */
int source_pardon(struct super *s, const char *text, struct err *e);

/* For people: "192.0.2.1", "2001:db8::/64", "others of IPv4"; valid until the next call. */
const char *source_text(const struct source *src);
/* Of `why`: one word; and a reason to tell the client. */
const char *penalty_word(enum penalty why);
const char *penalty_reason(enum penalty why);
/* Ms of penalties accrued, in force or not. */
uint64_t source_penalty(const struct source *src);
enum penalty source_why(const struct source *src);

/* What lists say; times in wall ms. */
struct source_state {
    const struct source *source;
    enum penalty why;
    bool refused;
    int64_t since, until;          /* of the ban; not refused: of what was accrued */
    unsigned keys, passwords, turned_away, connections;
};
/* Those with something held against them, FN once each. */
void source_list(struct super *s, void (*fn)(void *data, const struct source_state *state), void *data);
void source_state(const struct source *src, struct source_state *out);

#endif
