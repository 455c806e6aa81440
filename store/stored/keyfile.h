/* A file of own keys as an account writes it: lines of authorized_keys, comments and empty lines of no meaning. */
#ifndef STORED_KEYFILE_H
#define STORED_KEYFILE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "store/proto.h"
#include "store/stored/keys.h"

/* Bits: of an RSA key. */
enum { KEYFILE_KEYS = 64, KEYFILE_BITS = 3072 };

struct keyfile_key {
    unsigned line;                     /* from 1 */
    const char *type;                  /* static */
    uint8_t hash[KEY_HASH];
    char fingerprint[KEY_FINGERPRINT];
    char *text;                        /* the line as it was written, without its end; owned */
    char *options;                     /* those in front of it; owned; NULL: none */
    char label[KEY_LABEL_MOST + 1];
};

struct keyfile {
    struct keyfile_key *keys;          /* owned */
    size_t n;
};

/* Reads TEXT; hashes are made with SECRET (HASH_KEY bytes).  0 and *F, to be freed; or -1 with E, whose step begins with the line that is wrong:
   one that key_parse refuses, a short RSA key, a key that stands there already, one more than KEYFILE_KEYS; or more bytes than KEYS_FILE_MOST. */
int keyfile_parse(const char *text, const uint8_t *secret, struct keyfile *f, struct err *e);
void keyfile_free(struct keyfile *f);
/* Takes the key at I out. */
void keyfile_drop(struct keyfile *f, size_t i);
/* The key with HASH, or NULL. */
const struct keyfile_key *keyfile_find(const struct keyfile *f, const uint8_t hash[KEY_HASH]);

#endif
