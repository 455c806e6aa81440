/* Certificates made from parts, for tests: right where nothing is said, wrong where the test wants it. */
#ifndef T_LIB_CERTS_H
#define T_LIB_CERTS_H

#include <string.h>

#include <sodium.h>

#include "base/buf.h"

struct parts {
    const char *type;                        /* NULL: ssh-ed25519-cert-v01@openssh.com */
    const char *fields[3];                   /* of another type; strings */
    uint64_t serial;
    uint32_t kind;                           /* 0: 1, a user's */
    const char *id;
    const char *principals[4];               /* up to a NULL */
    uint64_t after, before;                  /* 0: always, for ever */
    const char *critical[8], *extensions[8]; /* name, value, name, value ... NULL; a value "-" is none */
    const char *ca_type, *signature_type;    /* NULL: ssh-ed25519 */
};

static inline void certs_options(struct buf *b, const char *const *rows)
{
    struct buf list = BUF(65536), value = BUF(65536);
    for (; rows[0]; rows += 2) {
        buf_put_str(&list, rows[0]);
        buf_reset(&value);
        if (strcmp(rows[1], "-") != 0)
            buf_put_str(&value, rows[1]);
        buf_put_bytes(&list, buf_size(&value) ? (const void *)buf_head(&value) : "", buf_size(&value));
    }
    buf_put_bytes(b, buf_size(&list) ? (const void *)buf_head(&list) : "", buf_size(&list));
    buf_free(&list);
    buf_free(&value);
}

static inline void certs_key(struct buf *b, const char *type, const uint8_t *bytes, size_t size)
{
    struct buf inner = BUF(4096);
    buf_put_str(&inner, type ? type : "ssh-ed25519");
    buf_put_bytes(&inner, bytes, size);
    buf_put_bytes(b, buf_head(&inner), buf_size(&inner));
    buf_free(&inner);
}

/* The CA is the pair that SEED (crypto_sign_SEEDBYTES) makes. */
static inline void certs_make(struct buf *b, const struct parts *p, const uint8_t *seed)
{
    uint8_t public_key[crypto_sign_PUBLICKEYBYTES], secret[crypto_sign_SECRETKEYBYTES], signature[crypto_sign_BYTES];
    static const uint8_t nonce[32] = { 1, 2, 3 }, subject[32] = { 9, 8, 7 };
    crypto_sign_seed_keypair(public_key, secret, seed);
    buf_put_str(b, p->type ? p->type : "ssh-ed25519-cert-v01@openssh.com");
    buf_put_bytes(b, nonce, sizeof nonce);
    if (p->type == NULL)
        buf_put_bytes(b, subject, sizeof subject);
    for (size_t i = 0; p->type && i < 3 && p->fields[i]; i++)
        buf_put_str(b, p->fields[i]);
    buf_put_u64(b, p->serial);
    buf_put_u32(b, p->kind ? p->kind : 1);
    buf_put_str(b, p->id ? p->id : "id");
    struct buf names = BUF(65536);
    for (size_t i = 0; i < 4 && p->principals[i]; i++)
        buf_put_str(&names, p->principals[i]);
    buf_put_bytes(b, buf_size(&names) ? (const void *)buf_head(&names) : "", buf_size(&names));
    buf_free(&names);
    buf_put_u64(b, p->after);
    buf_put_u64(b, p->before ? p->before : UINT64_MAX);
    certs_options(b, p->critical);
    certs_options(b, p->extensions);
    buf_put_str(b, "");
    certs_key(b, p->ca_type, public_key, sizeof public_key);
    crypto_sign_detached(signature, NULL, buf_head(b), buf_size(b), secret);
    certs_key(b, p->signature_type, signature, sizeof signature);
}

#endif
