/* The profiles of sandboxes as rows, and what an admin changes of them (`seccomp =` of a server). */
#ifndef SANDBOX_LOCK_CHANGE_H
#define SANDBOX_LOCK_CHANGE_H

#include "base/err.h"
#include "sandbox/lock/policy.h"

enum { CHANGES_MOST = 200 };

/* By enum sandbox_profile of sandbox/proto.h. */
extern const struct policy policies[];

/* The reasons of rows that come from the admin. */
extern const char change_added[], change_removed[];

/* Applies WORDS, each "+CALL" or "-CALL", to the rows of P: *N rows in OUT, in no order; their texts are P's and the table's.
   0, or -1 with E: which word cannot be, and why. */
int change_apply(const struct policy *p, char *const *words, size_t nwords, struct policy_row out[POLICY_ROWS_MOST], size_t *n,
                 struct err *e);

#endif
