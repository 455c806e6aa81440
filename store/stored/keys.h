/* Public keys: lines of authorized_keys, fingerprints for people, keyed hashes for the database. */
#ifndef STORED_KEYS_H
#define STORED_KEYS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { KEY_HASH = 32, KEY_FINGERPRINT = 52, KEY_LABEL_MOST = 128, KEY_BLOB_MOST = 8192 };

struct key {
    const char *type;      /* static */
    uint8_t *blob;         /* owned */
    size_t size;
    unsigned bits;         /* of an RSA key's modulus; 0 for the others */
    char label[KEY_LABEL_MOST + 1];
    char *options;         /* as written in front, which key_options_parse takes; owned; NULL: none */
};

/* Reads "[OPTIONS] TYPE BASE64 [LABEL]".  0, or -1 with E saying what is wrong and what is allowed.  An empty line or a comment gives a key
   whose blob is NULL. */
int key_parse(const char *line, struct key *k, struct err *e);
void key_free(struct key *k);
/* "SHA256:..." as ssh-keygen -l prints it. */
void key_fingerprint(const void *blob, size_t size, char out[KEY_FINGERPRINT]);
/* A keyed hash under SECRET (HASH_KEY bytes): of a key's blob, or of its fingerprint, which gives the same, so that hashes can be made anew under
   another key where no blob is kept.  key_hash_print: 0, or -1 when that is no fingerprint. */
void key_hash(const uint8_t *secret, const void *blob, size_t size, uint8_t out[KEY_HASH]);
int key_hash_print(const uint8_t *secret, const char *fingerprint, uint8_t out[KEY_HASH]);
/* The word OpenSSH logs for a key type ("ED25519"); "UNKNOWN" for another. */
const char *key_word(const char *type);

#endif
