/* Every sealed column of the database, in one table: what a new secret key must seal anew, and what a check opens. */
#ifndef STORED_SEALED_H
#define STORED_SEALED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sqlite3.h>

#include "base/err.h"
#include "store/stored/secret.h"

/* A column of a table.  Its name begins with "sealed"; NULL and empty values are no texts. */
struct sealed {
    const char *table, *column;
    const char *use;            /* of the bond */
    const char *account, *id;   /* of the bond: SQL expressions over the row */
    bool hashed;                /* id is the keyed hash of a public key, whose fingerprint is in sealed_print of the same row */
    bool comes_again;           /* with the next configuration: no loss where it cannot be opened */
};

extern const struct sealed sealed_columns[];
extern const size_t sealed_count;

struct sealed_tally {
    uint64_t texts, broken;     /* broken: did not open, and were left as they are */
};

/* Opens everything with FROM and seals it with TO, hashes of public keys included; with PLAIN what is text is taken as not yet sealed.  In a transaction
   of the caller's.  What does not open is said in the log.  0 and *T, or -1 with E. */
int sealed_anew(sqlite3 *db, const struct secret *from, const struct secret *to, bool plain, struct sealed_tally *t, struct err *e);
/* 1: the database holds a sealed text that does not come again.  0: none.  -1 with E. */
int sealed_any(sqlite3 *db, struct err *e);
/* Opens everything; tells FN of each text that does not open, and of each row whose hash is not that of its fingerprint. */
typedef void sealed_fn(void *data, const struct sealed *s, const char *account, const char *what);
int sealed_check(sqlite3 *db, const struct secret *key, sealed_fn *fn, void *data, struct sealed_tally *t, struct err *e);

/* Says in the log that a text of S did not open; a few a second. */
void sealed_complain(const char *use, const char *account);

/* The fingerprint at COLUMN of Q, sealed for ACCOUNT and HASH: 0 and OUT, or -1 and OUT "". */
int sealed_print(sqlite3_stmt *q, int column, const uint8_t *key, const char *account, const void *hash, char *out, size_t size);
/* Adds FINGERPRINT, sealed, to OUT; nothing where KEY is NULL. */
void sealed_print_put(const uint8_t *key, const char *account, const void *hash, const char *fingerprint, struct buf *out);

#endif
