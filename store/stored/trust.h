/* Whose certificates are believed, and which keys and certificates are not believed any more: [auth] of the configuration, in memory only, as the
   supervisor sends it anew to each store.  Keys are known by their fingerprints. */
#ifndef STORED_TRUST_H
#define STORED_TRUST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "store/stored/cert.h"
#include "store/stored/keys.h"

enum { TRUST_ID = 32 };
/* What of a certificate lasts as long as the session that it let in. */
struct pass {
    uint64_t serial, before;
    uint8_t id[TRUST_ID];           /* SHA-256 */
    char ca[KEY_FINGERPRINT];
};

struct trust;
struct trust *trust_new(void);
void trust_free(struct trust *t);   /* NULL is allowed */
/* A line "ssh-ed25519 BASE64 [LABEL]" of a CA.  0, or -1 with E; so of an empty line or a comment, which are 0. */
int trust_add_ca(struct trust *t, const char *line, struct err *e);
/* A line of a revocation list as ssh-keygen -k reads it: a public key, or "serial: N[-M]", "id: TEXT", "key: PUBLIC KEY", "sha256: PUBLIC KEY",
   "hash: SHA256:...". */
int trust_add_revoked(struct trust *t, const char *line, struct err *e);

/* How many of T's lists, CAs and revocations, say something else than those of BEFORE. */
unsigned trust_changes(const struct trust *t, const struct trust *before);
bool trust_has_ca(const struct trust *t, const char *fingerprint);
/* The plain key with this fingerprint is revoked.  T may be NULL in all of these: nobody is trusted, nothing revoked. */
bool trust_revoked(const struct trust *t, const char *fingerprint);
void pass_of(const struct cert *c, struct pass *p);
/* NULL, or why PASS of the key with FINGERPRINT does not do at NOW (seconds of the wall clock). */
const char *trust_refuses(const struct trust *t, const struct pass *p, const char *fingerprint, uint64_t now);

#endif
