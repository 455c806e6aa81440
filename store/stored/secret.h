/* The secret key of the appliance, what is derived from it, and texts sealed with it for the database (XChaCha20-Poly1305).  A sealed text is bound
   to what it belongs to: moved to another row, account or use it does not open. */
#ifndef STORED_SECRET_H
#define STORED_SECRET_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum { SECRET_KEY = 32, SECRET_ID = 16, SECRET_NONCE = 24, SECRET_TAG = 16, HASH_KEY = 32 };

struct secret {
    uint8_t key[SECRET_KEY];
    uint8_t hash[HASH_KEY];     /* derived: for hashes of public keys */
    uint8_t id[SECRET_ID];      /* derived: tells which key it is, and nothing about it */
};

/* What a text belongs to: a word of ours for its use, the account, and the bytes that name its row (NULL and 0 where the account has one). */
struct secret_bond {
    const char *use, *account;
    const void *id;
    size_t size;
};

/* Two places for keys, and one for the key of digests, in memory that is held as long as the process lives. */
enum secret_place { SECRET_NOW, SECRET_NEXT, SECRET_PLACES };

/* Keeps all memory of this process out of swap, as far as its limit allows: a process forked from it does so again.  Without it the keys' page is locked
   all the same. */
void secret_lock_memory(void);
/* The key from FD (a memfd, borrowed; read from its beginning), in its place until secret_forget.  NULL with E when it has not SECRET_KEY bytes.
   Dies when the memory cannot be locked although the limit allows it; a limit that forbids it is logged. */
const struct secret *secret_take(int fd, enum secret_place place, struct err *e);
/* What is in SECRET_NEXT goes to SECRET_NOW, at the same address as before. */
void secret_advance(void);
void secret_forget(enum secret_place place);
/* Only the key itself: what was derived stays. */
void secret_forget_key(enum secret_place place);
/* HASH_KEY bytes that the caller fills. */
uint8_t *secret_digest_key(void);

/* Adds nonce, text and tag to OUT: SIZE + SECRET_NONCE + SECRET_TAG bytes. */
void secret_seal(const uint8_t *key, const struct secret_bond *bond, const void *text, size_t size, struct buf *out);
/* Adds the text to OUT, which the caller wipes.  0, or -1: not sealed with this key for this bond. */
int secret_open(const uint8_t *key, const struct secret_bond *bond, const void *sealed, size_t size, struct buf *out);

#endif
