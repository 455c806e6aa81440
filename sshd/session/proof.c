/* A hardware key signs SHA-256 of its application, a byte of flags, a counter and SHA-256 of what libssh composed: 69 bytes, which libssh hands
   OpenSSL to be verified, and which nothing else in it has the length of.  What is verified there is seen here, flags and all; only what the
   signature covers is believed.

   Replaces OpenSSL's function for libssh, which reaches it through its procedure linkage table.  A libssh that goes another way shows nothing
   here: then no proof is there, and a key that needs one is refused. */
#include "sshd/session/proof.h"

#include <dlfcn.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <string.h>

#include "base/buf.h"
#include "base/die.h"
#include "store/proto.h"

enum { HASH = 32, FLAGS = HASH, SIGNED = HASH + 1 + 4 + HASH };
enum { FLAG_PRESENT = 1, FLAG_VERIFIED = 4 };    /* of the authenticator's data, WebAuthn section 6.1 */

typedef int verify_fn(EVP_MD_CTX *context, const unsigned char *signature, size_t size, const unsigned char *bytes, size_t nbytes);

static struct {
    verify_fn *verify;
    bool valid;
    uint8_t bytes[SIGNED];
} last;

void proof_open(void)
{
    void *verify = dlsym(RTLD_NEXT, "EVP_DigestVerify");
    if (verify == NULL)
        die("OpenSSL has no EVP_DigestVerify");
    memcpy(&last.verify, &verify, sizeof last.verify);
}

__attribute__((visibility("default"))) int EVP_DigestVerify(EVP_MD_CTX *context, const unsigned char *signature, size_t size,
                                                            const unsigned char *bytes, size_t nbytes)
{
    int r = last.verify ? last.verify(context, signature, size, bytes, nbytes) : 0;
    last.valid = r == 1 && nbytes == SIGNED;
    if (last.valid)
        memcpy(last.bytes, bytes, SIGNED);
    return r;
}

static bool is(const uint8_t *text, size_t size, const char *word)
{
    return text && size == strlen(word) && memcmp(text, word, size) == 0;
}

/* What the key is for ("ssh:"), behind the fields of its kind; NULL for a key of another kind, or a broken one. */
static const uint8_t *application(struct buf *b, size_t *size)
{
    size_t n;
    const uint8_t *type = buf_get_bytes(b, &n);
    bool ed25519 = is(type, n, "sk-ssh-ed25519@openssh.com"), ecdsa = is(type, n, "sk-ecdsa-sha2-nistp256@openssh.com");
    bool ed25519_cert = is(type, n, "sk-ssh-ed25519-cert-v01@openssh.com"), ecdsa_cert = is(type, n, "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com");
    if (!ed25519 && !ecdsa && !ed25519_cert && !ecdsa_cert)
        return NULL;
    if (ed25519_cert || ecdsa_cert)
        buf_get_bytes(b, &n);    /* the nonce */
    if (ecdsa || ecdsa_cert)
        buf_get_bytes(b, &n);    /* the curve */
    buf_get_bytes(b, &n);
    const uint8_t *a = buf_get_bytes(b, size);
    return b->bad ? NULL : a;
}

uint32_t proof_take(const uint8_t *blob, size_t size)
{
    uint8_t hash[EVP_MAX_MD_SIZE];
    size_t n = 0;
    bool valid = last.valid;
    last.valid = false;
    BUF_FREE struct buf b = BUF(size);
    buf_put(&b, blob, size);
    const uint8_t *a = valid ? application(&b, &n) : NULL;
    if (a == NULL || EVP_Digest(a, n, hash, NULL, EVP_sha256(), NULL) != 1 || memcmp(hash, last.bytes, HASH) != 0)
        return 0;
    return (last.bytes[FLAGS] & FLAG_PRESENT ? (uint32_t)PROOF_TOUCH : 0) | (last.bytes[FLAGS] & FLAG_VERIFIED ? (uint32_t)PROOF_VERIFIED : 0);
}
