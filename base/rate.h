/* How often an account may do what costs much: one table, a row a verb, each counted apart.  A full bucket holds BURST; an empty one is full again
   after MS, and fills evenly all the time, so that there is no moment at which a new hour begins. */
#ifndef BASE_RATE_H
#define BASE_RATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bucket.h"
#include "base/err.h"

/* Numbers of messages: a new one goes to the end. */
enum rate_verb { RATE_BACKUP_CREATE, RATE_BACKUP_GET, RATE_RSYNC, RATE_SUM, RATE_CHECK_FILE, RATES };

struct rate {
    uint32_t burst;      /* times, or MiB of a verb that counts bytes; 0: no limit */
    uint64_t ms;
};

/* What is left to one account, in ms of refilling: every verb has the same scale then, however slow it fills. */
struct rate_left {
    struct rate rate;
    struct bucket bucket;
};

const char *rate_name(enum rate_verb verb);
bool rate_bytes(enum rate_verb verb);
struct rate rate_default(enum rate_verb verb);
/* "VERB BURST/TIME" or "VERB none": the verb, or -1 with WHY (may be NULL). */
int rate_parse(const char *text, struct rate *r, struct err *why);

/* Full at first.  The same rate again changes nothing. */
void rate_set(struct rate_left *l, const struct rate *r, uint64_t now);
/* Takes N times or bytes (what is more than the whole bucket counts as the whole): 0, or nothing is taken and the ms until it could be. */
uint64_t rate_take(struct rate_left *l, enum rate_verb verb, uint64_t n, uint64_t now);
/* It was not done after all. */
void rate_give_back(struct rate_left *l, enum rate_verb verb, uint64_t n);
/* Times or bytes that are left, rounded down; and ms until it is full. */
uint64_t rate_there(struct rate_left *l, enum rate_verb verb, uint64_t now, uint64_t *full_in);

#endif
