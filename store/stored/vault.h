/* Which secret key the database is sealed with: its id is kept in it, and changes in the transaction that seals everything anew. */
#ifndef STORED_VAULT_H
#define STORED_VAULT_H

#include <stdbool.h>

#include <sqlite3.h>

#include "base/err.h"
#include "store/stored/sealed.h"
#include "store/stored/secret.h"

/* Is KEY the one that DB is sealed with?  One that was not sealed yet, or holds nothing that KEY would lose, becomes so; FRESH: the key was made just
   now, and nothing can have been sealed with it.  1 and the key of digests in DIGEST (HASH_KEY bytes), 0, or -1 with E. */
int vault_fit(sqlite3 *db, const struct secret *key, bool fresh, uint8_t *digest, struct err *e);
/* Seals everything with TO instead of FROM, in one transaction; refused when something does not open, unless FORCE (then that stays as it is).  0, or -1
   with E.  *SEALED: the key that DB is sealed with now, FROM or TO; NULL when a failed commit leaves that to the next start. */
int vault_rotate(sqlite3 *db, const struct secret *from, const struct secret *to, bool force, struct sealed_tally *t, const struct secret **sealed,
                 struct err *e);

#endif
