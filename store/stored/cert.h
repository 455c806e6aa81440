/* OpenSSH's certificates of users (openssh-portable's PROTOCOL.certkeys): what one says, and whether it is signed by the key that it names.  Bytes of
   strangers: nothing in here knows of accounts, times or whom to trust. */
#ifndef STORED_CERT_H
#define STORED_CERT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* A longer id or command, or more principals, is an error. */
enum { CERT_ID_MOST = 512, CERT_COMMAND_MOST = 200, CERT_PRINCIPALS_MOST = 256, CERT_RSA_LEAST = 3072 };

struct cert {
    bool hardware;
    uint8_t *key;                /* the certified key as a plain blob; owned */
    size_t nkey;
    uint64_t serial;
    uint64_t after, before;      /* seconds of the wall clock: the first it is valid in, the first it is not any more */
    char *id;                    /* owned */
    char **principals;           /* owned, both */
    size_t nprincipals;
    /* Critical options and extensions. */
    char *command, *sources;     /* owned; NULL: none */
    bool verify_required, no_touch, terminal;
    uint8_t *blob;               /* owned; the next ones point into it */
    size_t nblob, nsigned;       /* the signature is over the first NSIGNED bytes */
    const uint8_t *ca, *signature;
    size_t nca, nsignature;
};

/* The word OpenSSH logs for a certificate's kind ("ED25519-CERT"); NULL if BLOB does not begin as one. */
const char *cert_word(const void *blob, size_t size);
/* 0: C is filled.  -1 with E: it is no certificate of a user, or asks for what is not known. */
int cert_parse(const void *blob, size_t size, struct cert *c, struct err *e);
/* Whether the key C->ca signed C.  Keys of other kinds than ssh-ed25519 never did. */
bool cert_signed(const struct cert *c);
void cert_free(struct cert *c);
#define CERT_FREE __attribute__((cleanup(cert_free)))

/* 1: ADDRESS is in one of SOURCES ("NET,NET...").  0: it is not.  -1: SOURCES is no such list. */
int cert_from(const char *sources, const char *address);

#endif
