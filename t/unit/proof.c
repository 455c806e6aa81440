/* What a hardware key signs of its person is seen as OpenSSL verifies it, once, and only under a valid signature. */
#include <criterion/criterion.h>
#include <openssl/evp.h>
#include <string.h>

#include "base/buf.h"
#include "sshd/session/proof.h"
#include "store/proto.h"

static EVP_PKEY *pair;

/* Verifies, through the replaced function, a signature over SIZE bytes that are those of a hardware key with FLAGS; BREAK spoils it. */
static int verify(const char *application, uint8_t flags, size_t size, bool broken)
{
    uint8_t bytes[100] = { 0 }, signature[64];
    size_t n = sizeof signature;
    if (pair == NULL)
        pair = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    EVP_Digest(application, strlen(application), bytes, NULL, EVP_sha256(), NULL);
    bytes[32] = flags;
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    cr_assert_eq(EVP_DigestSignInit(c, NULL, NULL, NULL, pair), 1);
    cr_assert_eq(EVP_DigestSign(c, signature, &n, bytes, size), 1);
    EVP_MD_CTX_free(c);
    signature[5] ^= broken;
    c = EVP_MD_CTX_new();
    cr_assert_eq(EVP_DigestVerifyInit(c, NULL, NULL, NULL, pair), 1);
    int r = EVP_DigestVerify(c, signature, n, bytes, size);
    EVP_MD_CTX_free(c);
    return r;
}

static uint32_t take(const char *type, const char *second, const char *third, const char *fourth)
{
    struct buf b BUF_FREE = BUF(4096);
    const char *const fields[] = { type, second, third, fourth };
    for (size_t i = 0; i < 4 && fields[i]; i++)
        buf_put_str(&b, fields[i]);
    return proof_take(buf_head(&b), buf_size(&b));
}

#define ED25519 "sk-ssh-ed25519@openssh.com", "point"

Test(proof, flags, .init = proof_open)
{
    const struct { uint8_t flags; uint32_t want; } rows[] = {
        { 0, 0 }, { 1, PROOF_TOUCH }, { 4, PROOF_VERIFIED }, { 5, PROOF_TOUCH | PROOF_VERIFIED }, { 0xfa, 0 }, { 0xff, 3 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cr_assert_eq(verify("ssh:", rows[i].flags, 69, false), 1);
        cr_expect_eq(take(ED25519, "ssh:", NULL), rows[i].want, "flags %#x", rows[i].flags);
        cr_expect_eq(take(ED25519, "ssh:", NULL), 0, "flags %#x: twice", rows[i].flags);
    }
}

Test(proof, kinds, .init = proof_open)
{
    verify("ssh:", 1, 69, false);
    cr_assert_eq(take("sk-ecdsa-sha2-nistp256@openssh.com", "nistp256", "point", "ssh:"), PROOF_TOUCH);
    verify("ssh:", 1, 69, false);
    cr_assert_eq(take("sk-ssh-ed25519-cert-v01@openssh.com", "nonce", "point", "ssh:"), PROOF_TOUCH);
    verify("ssh:", 1, 69, false);
    cr_assert_eq(take("ssh-ed25519", "point", "ssh:", NULL), 0);
    verify("ssh:", 1, 69, false);
    cr_assert_eq(take("sk-ssh-ed25519@openssh.com", "point", NULL, NULL), 0, "cut short");
    verify("ssh:", 1, 69, false);
    cr_assert_eq(proof_take((const uint8_t *)"", 0), 0);
}

Test(proof, only_of_what_was_verified, .init = proof_open)
{
    cr_assert_eq(take(ED25519, "ssh:", NULL), 0, "nothing was");
    cr_assert_neq(verify("ssh:", 1, 69, true), 1);
    cr_assert_eq(take(ED25519, "ssh:", NULL), 0, "a wrong signature");
    verify("ssh:", 1, 69, false);
    verify("ssh:", 1, 69, true);
    cr_assert_eq(take(ED25519, "ssh:", NULL), 0, "a right one before a wrong one");
    verify("ssh:", 1, 69, false);
    verify("ssh:", 0, 69, false);
    cr_assert_eq(take(ED25519, "ssh:", NULL), 0, "a touch before none");
    verify("ssh:", 1, 69, false);
    verify("ssh:", 1, 68, false);
    cr_assert_eq(take(ED25519, "ssh:", NULL), 0, "another length");
    verify("ssh:elsewhere", 1, 69, false);
    cr_assert_eq(take(ED25519, "ssh:", NULL), 0, "another application");
    verify("ssh:elsewhere", 1, 69, false);
    cr_assert_eq(take(ED25519, "ssh:elsewhere", NULL), PROOF_TOUCH);
}
