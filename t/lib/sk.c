/* A hardware key made of software, for OpenSSH's SecurityKeyProvider (version 0x000a0000 of its interface): the key's handle is its private key, and
   SK_FLAGS of the environment says in hexadecimal what it signs of who used it: 1 touched, 4 verified.  Tests only. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

enum { ECDSA, ED25519, ED25519_SIZE = 32, HASH = 32, SCALAR = 32, POINT = 65 };

struct sk_enroll_response {
    uint8_t flags;
    uint8_t *public_key; size_t npublic_key;
    uint8_t *handle; size_t nhandle;
    uint8_t *signature; size_t nsignature;
    uint8_t *cert; size_t ncert;
    uint8_t *data; size_t ndata;
};

struct sk_sign_response {
    uint8_t flags;
    uint32_t counter;
    uint8_t *r; size_t nr;
    uint8_t *s; size_t ns;
};

struct sk_option;
struct sk_resident_key;

#define PUBLIC __attribute__((visibility("default")))
PUBLIC uint32_t sk_api_version(void);
PUBLIC int sk_enroll(uint32_t alg, const uint8_t *challenge, size_t nchallenge, const char *application, uint8_t flags, const char *pin,
                     struct sk_option **options, struct sk_enroll_response **out);
PUBLIC int sk_sign(uint32_t alg, const uint8_t *data, size_t ndata, const char *application, const uint8_t *handle, size_t nhandle, uint8_t flags,
                   const char *pin, struct sk_option **options, struct sk_sign_response **out);
PUBLIC int sk_load_resident_keys(const char *pin, struct sk_option **options, struct sk_resident_key ***keys, size_t *n);

uint32_t sk_api_version(void)
{
    return 0x000a0000;
}

static uint8_t *copy(const void *bytes, size_t size)
{
    uint8_t *p = malloc(size);
    if (p)
        memcpy(p, bytes, size);
    return p;
}

int sk_enroll(uint32_t alg, const uint8_t *challenge, size_t nchallenge, const char *application, uint8_t flags, const char *pin,
              struct sk_option **options, struct sk_enroll_response **out)
{
    (void)challenge, (void)nchallenge, (void)application, (void)pin, (void)options;
    uint8_t public_key[POINT], handle[SCALAR];
    size_t npublic = sizeof public_key, nhandle = sizeof handle;
    struct sk_enroll_response *r = calloc(1, sizeof *r);
    EVP_PKEY *key = alg == ED25519 ? EVP_PKEY_Q_keygen(NULL, NULL, "ED25519") : EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    BIGNUM *scalar = NULL;
    if (r == NULL || key == NULL)
        return -1;
    if (alg == ED25519) {
        if (EVP_PKEY_get_raw_public_key(key, public_key, &npublic) != 1 || EVP_PKEY_get_raw_private_key(key, handle, &nhandle) != 1)
            return -1;
    } else if (EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, public_key, sizeof public_key, &npublic) != 1 ||
               EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_PRIV_KEY, &scalar) != 1 || BN_bn2binpad(scalar, handle, SCALAR) != SCALAR) {
        return -1;
    }
    r->flags = flags;
    r->public_key = copy(public_key, npublic);
    r->npublic_key = npublic;
    r->handle = copy(handle, nhandle);
    r->nhandle = nhandle;
    r->signature = copy("none", 4);
    r->nsignature = 4;
    BN_free(scalar);
    EVP_PKEY_free(key);
    *out = r;
    return 0;
}

static EVP_PKEY *load(uint32_t alg, const uint8_t *handle, size_t nhandle)
{
    if (alg == ED25519)
        return EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, handle, nhandle);
    BIGNUM *scalar = BN_bin2bn(handle, (int)nhandle, NULL);
    OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
    OSSL_PARAM_BLD_push_utf8_string(b, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0);
    OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_PRIV_KEY, scalar);
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(b);
    EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    EVP_PKEY *key = NULL;
    if (EVP_PKEY_fromdata_init(c) != 1 || EVP_PKEY_fromdata(c, &key, EVP_PKEY_KEYPAIR, params) != 1)
        key = NULL;
    EVP_PKEY_CTX_free(c);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(b);
    BN_free(scalar);
    return key;
}

static int take(struct sk_sign_response *r, uint32_t alg, const uint8_t *signature, size_t size)
{
    uint8_t half[2][SCALAR];
    if (alg == ED25519) {
        r->r = copy(signature, size);
        r->nr = size;
        return 0;
    }
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &signature, (long)size);
    if (sig == NULL || BN_bn2binpad(ECDSA_SIG_get0_r(sig), half[0], SCALAR) != SCALAR || BN_bn2binpad(ECDSA_SIG_get0_s(sig), half[1], SCALAR) != SCALAR)
        return -1;
    r->r = copy(half[0], SCALAR);
    r->s = copy(half[1], SCALAR);
    r->nr = r->ns = SCALAR;
    ECDSA_SIG_free(sig);
    return 0;
}

int sk_sign(uint32_t alg, const uint8_t *data, size_t ndata, const char *application, const uint8_t *handle, size_t nhandle, uint8_t flags,
            const char *pin, struct sk_option **options, struct sk_sign_response **out)
{
    (void)pin, (void)options;
    const char *told = getenv("SK_FLAGS");
    uint8_t bytes[HASH + 1 + 4 + HASH] = { 0 }, signature[256];
    size_t size = sizeof signature;
    struct sk_sign_response *r = calloc(1, sizeof *r);
    EVP_PKEY *key = load(alg, handle, nhandle);
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    if (r == NULL || key == NULL || c == NULL)
        return -1;
    r->flags = told ? (uint8_t)strtoul(told, NULL, 16) : flags;
    r->counter = 7;
    bytes[HASH] = r->flags;
    bytes[HASH + 4] = (uint8_t)r->counter;
    if (EVP_Digest(application, strlen(application), bytes, NULL, EVP_sha256(), NULL) != 1 ||
        EVP_Digest(data, ndata, bytes + HASH + 5, NULL, EVP_sha256(), NULL) != 1 ||
        EVP_DigestSignInit(c, NULL, alg == ED25519 ? NULL : EVP_sha256(), NULL, key) != 1 ||
        EVP_DigestSign(c, signature, &size, bytes, sizeof bytes) != 1 || take(r, alg, signature, size) < 0)
        return -1;
    EVP_MD_CTX_free(c);
    EVP_PKEY_free(key);
    *out = r;
    return 0;
}

int sk_load_resident_keys(const char *pin, struct sk_option **options, struct sk_resident_key ***keys, size_t *n)
{
    (void)pin, (void)options, (void)keys;
    *n = 0;
    return -2;
}
