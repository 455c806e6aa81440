/* The rows of second factors.  Each returns -1 with E when the database fails: then nothing was changed, and the caller refuses. */
#ifndef STORED_FACTOR_H
#define STORED_FACTOR_H

#include <stdbool.h>
#include <stdint.h>

#include <sqlite3.h>

#include "base/err.h"
#include "store/stored/totp.h"

/* Wrong codes of an account in a row: from FACTOR_FREE on each is followed by a wait, FACTOR_WAIT_MS at first, twice as long each time, at most
   FACTOR_WAIT_MOST_MS. */
enum { FACTOR_FREE = 10, FACTOR_WAIT_MS = 15000, FACTOR_WAIT_MOST_MS = 600000 };

/* What the codes of an account are opened and looked up with.  SEAL is NULL where the secret key was lost; DIGEST (HASH_KEY bytes) is then none that
   anything was kept with. */
struct factor_keys {
    const uint8_t *seal, *digest;
};

struct factor {
    bool demanded;      /* by the ini files */
    int64_t seed;       /* the id of the active one; 0: there is none, and no code is asked for */
};

/* 1: *F is ACCOUNT's.  0: no such account. */
int factor_find(sqlite3 *db, const char *account, struct factor *f, struct err *e);

enum factor_verdict {
    FACTOR_WRONG,       /* counted */
    FACTOR_RIGHT,       /* and used up, for good */
    FACTOR_LATER,       /* not looked at: too many wrong ones before */
    FACTOR_ABSENT,      /* there is no seed to check it with */
    FACTOR_UNREADABLE,  /* the seed does not open; a recovery code can still be right, but not where SEAL is NULL */
};

struct factor_check {
    enum factor_verdict verdict;
    int64_t seed;                 /* RIGHT: of what */
    bool recovery;                /* RIGHT: it was a recovery code, and LEFT are left */
    unsigned left;
    unsigned wait_s;              /* LATER */
};

/* Judges what was typed against the active seed and the recovery codes of ACCOUNT.  The answer is in the database before it is here. */
int factor_check(sqlite3 *db, const struct factor_keys *k, const char *account, const void *typed, size_t size, int64_t wall_ms,
                 struct factor_check *c, struct err *e);

/* A new pending seed of ACCOUNT in place of an earlier one. */
int factor_enroll(sqlite3 *db, const uint8_t *seal, const char *account, uint8_t seed[TOTP_SEED], struct err *e);
/* Ten fresh recovery codes, shown once; those before are void. */
struct recovery_codes {
    char shown[RECOVERY_CODES][RECOVERY_SHOWN];
};
/* If what was typed is a code of the pending seed: makes that the active one, in place of an earlier, with new recovery codes.
   *C: RIGHT, WRONG (not counted: whoever asks has the seed), ABSENT or UNREADABLE. */
int factor_activate(sqlite3 *db, const struct factor_keys *k, const char *account, const void *typed, size_t size, int64_t wall_ms,
                    struct factor_check *c, struct recovery_codes *codes, struct err *e);
int factor_recovery(sqlite3 *db, const struct factor_keys *k, const char *account, struct recovery_codes *codes, struct err *e);
/* Everything of ACCOUNT goes: seeds, recovery codes, the count of wrong ones.  1; 0: there was no seed. */
int factor_remove(sqlite3 *db, const char *account, struct err *e);

#endif
