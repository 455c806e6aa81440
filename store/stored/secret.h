/* The secret key of the appliance, and texts sealed with it for the database (XChaCha20-Poly1305).  A sealed text is bound to what it belongs to:
   moved to another row, account or use it does not open. */
#ifndef STORED_SECRET_H
#define STORED_SECRET_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum { SECRET_KEY = 32, SECRET_NONCE = 24, SECRET_TAG = 16 };

/* What a text belongs to: a word of ours for its use, the account, and the bytes that name its row (NULL and 0 where the account has one). */
struct secret_bond {
    const char *use, *account;
    const void *id;
    size_t size;
};

/* Keeps a page with a key out of swap and core files.  Dies when that fails although the limit allows it; a limit that forbids it is logged. */
void secret_hold(void *page, size_t size);
/* The key from FD (a memfd, borrowed; read from its beginning), in memory that is held for as long as the process lives or until secret_forget.
   NULL with E when it has not SECRET_KEY bytes. */
const uint8_t *secret_take(int fd, struct err *e);
void secret_forget(void);

/* Adds nonce, text and tag to OUT: SIZE + SECRET_NONCE + SECRET_TAG bytes. */
void secret_seal(const uint8_t *key, const struct secret_bond *bond, const void *text, size_t size, struct buf *out);
/* Adds the text to OUT, which the caller wipes.  0, or -1: not sealed with this key for this bond. */
int secret_open(const uint8_t *key, const struct secret_bond *bond, const void *sealed, size_t size, struct buf *out);

#endif
