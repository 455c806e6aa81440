/* How often accounts do what costs much: counted here, for all of an account's connections together.  In memory alone: a store that starts anew
   begins with full buckets. */
#ifndef STORED_RATES_H
#define STORED_RATES_H

#include "base/rate.h"
#include "store/stored/order.h"

/* The configuration's, for all verbs. */
void rates_apply(struct store *s, const struct rate rules[RATES]);
/* Takes N of VERB for W's account; false: it was answered with when to try again. */
bool rates_take(struct wish *w, enum rate_verb verb, uint64_t n);
/* It was refused for another reason. */
void rates_give_back(struct store *s, const char *account, enum rate_verb verb);
/* The fields of OP_LIMITS that are ours. */
void rates_put(struct store *s, const char *account, struct msg *m);

#endif
