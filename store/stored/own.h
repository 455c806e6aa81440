/* The rows of own keys: those that accounts set themselves.  Each returns -1 with E when the database fails. */
#ifndef STORED_OWN_H
#define STORED_OWN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sqlite3.h>

#include "base/buf.h"
#include "base/err.h"
#include "store/stored/keyfile.h"

/* Adds the lines of ACCOUNT to OUT, a comment for one that does not open; *ADDED is when the last came (wall ms; 0: there is none).  1, or 0 when there
   are some and KEY is NULL. */
int own_lines(sqlite3 *db, const uint8_t *key, const char *account, struct buf *out, int64_t *added, struct err *e);
/* Adds a comment for each key that the admin gave ACCOUNT and that is not an own one as well. */
int own_comments(sqlite3 *db, const uint8_t *key, const char *account, struct buf *out, struct err *e);

struct own_change {
    bool added;                        /* or removed */
    char fingerprint[KEY_FINGERPRINT];
    const char *word;                  /* of its type, static */
};

/* Makes the rows of ACCOUNT those of F, and those that do not open, in one transaction.  *CHANGES (owned by the caller) tells what came and went.  0, or -1 with E and nothing
   changed. */
int own_replace(sqlite3 *db, const uint8_t *key, const char *account, const struct keyfile *f, struct own_change **changes, size_t *n,
                struct err *e);

#endif
