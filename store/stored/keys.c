#include "store/stored/keys.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/stored/key_options.h"

#define FORM "allowed: [OPTIONS] TYPE BASE64 [LABEL]"
#define TYPES "allowed: ssh-ed25519, ecdsa-sha2-nistp{256,384,521}, ssh-rsa, sk-ssh-ed25519@openssh.com, " \
              "sk-ecdsa-sha2-nistp256@openssh.com"

enum { RSA_LEAST = 2048, RSA_MOST = 16384 };

struct kind;
typedef bool fields_fn(struct buf *b, const struct kind *k, struct key *key, const char **why);
static fields_fn ed25519, ecdsa, rsa;

static const struct kind {
    const char *type, *word, *curve;
    size_t point;
    bool application;
    fields_fn *fields;
} kinds[] = {
    { .type = "ssh-ed25519", .word = "ED25519", .point = 32, .fields = ed25519 },
    { .type = "ecdsa-sha2-nistp256", .word = "ECDSA", .curve = "nistp256", .point = 65, .fields = ecdsa },
    { .type = "ecdsa-sha2-nistp384", .word = "ECDSA", .curve = "nistp384", .point = 97, .fields = ecdsa },
    { .type = "ecdsa-sha2-nistp521", .word = "ECDSA", .curve = "nistp521", .point = 133, .fields = ecdsa },
    { .type = "ssh-rsa", .word = "RSA", .fields = rsa },
    { .type = "sk-ssh-ed25519@openssh.com", .word = "ED25519-SK", .point = 32, .application = true, .fields = ed25519 },
    { .type = "sk-ecdsa-sha2-nistp256@openssh.com", .word = "ECDSA-SK", .curve = "nistp256", .point = 65,
      .application = true, .fields = ecdsa },
};

static const struct kind *kind_of(const char *type, size_t size)
{
    for (size_t i = 0; i < countof(kinds); i++)
        if (strlen(kinds[i].type) == size && memcmp(kinds[i].type, type, size) == 0)
            return &kinds[i];
    return NULL;
}

static bool ed25519(struct buf *b, const struct kind *k, struct key *key UNUSED, const char **why)
{
    size_t size;
    buf_get_bytes(b, &size);
    *why = "the point has the wrong length";
    return size == k->point;
}

static bool ecdsa(struct buf *b, const struct kind *k, struct key *key UNUSED, const char **why)
{
    size_t size;
    const uint8_t *curve = buf_get_bytes(b, &size);
    *why = "its curve is not that of its type";
    if (curve == NULL || size != strlen(k->curve) || memcmp(curve, k->curve, size) != 0)
        return false;
    const uint8_t *point = buf_get_bytes(b, &size);
    *why = "the point has the wrong length or form";
    return point && size == k->point && point[0] == 4;
}

static bool rsa(struct buf *b, const struct kind *k UNUSED, struct key *key, const char **why)
{
    size_t size;
    const uint8_t *n = buf_get_bytes(b, &size);
    *why = "the exponent is missing";
    if (n == NULL || size == 0 || size > 8)
        return false;
    n = buf_get_bytes(b, &size);
    while (size && *n == 0)
        n++, size--;
    size_t bits = size * 8;
    for (unsigned top = 0x80; size && !(n[0] & top); top >>= 1)
        bits--;
    key->bits = (unsigned)bits;
    *why = "an RSA key must have 2048 to 16384 bits";
    return bits >= RSA_LEAST && bits <= RSA_MOST;
}

/* Not for safety (a key that makes no sense never verifies) but so that a line cut short is an error now and not a mystery at login. */
static bool sound(struct key *k, const struct kind *kind, const char **why)
{
    struct buf b = { .p = k->blob, .len = k->size, .cap = k->size, .max = k->size };
    size_t size;
    const uint8_t *type = buf_get_bytes(&b, &size);
    *why = "the type inside is another one than in front";
    if (type == NULL || kind_of((const char *)type, size) != kind)
        return false;
    if (!kind->fields(&b, kind, k, why))
        return false;
    if (kind->application)
        buf_get_bytes(&b, &size);
    *why = "it is cut short or has bytes left over";
    return !b.bad && buf_size(&b) == 0;
}

static const char *skip_blank(const char *s)
{
    return s + strspn(s, " \t");
}

static size_t word(const char *s)
{
    return strcspn(s, " \t\r\n");
}

static void unknown_type(const char *text, struct err *e)
{
    size_t size = strcspn(text, "=, \t\r\n");
    err_set(e, 0, "key type", "'%s' is not known; " TYPES, escn(text, size < 64 ? size : 64));
}

/* What stands in front of the type at LINE, which begins with none.  Returns where the type is, or NULL with E. */
static const char *take_options(const char *line, struct key *k, struct err *e)
{
    struct key_options o;
    size_t size = key_options_size(line);
    const char *type = skip_blank(line + size);
    const struct kind *kind = kind_of(type, word(type));
    int r = key_options_parse(line, size, KEY_OF_ACCOUNT, &o, e);
    uint32_t flags = o.flags;
    key_options_end(&o);
    /* One word that is no option and has no key behind it was meant as a type. */
    if (r < 0 && kind == NULL && strcspn(line, "=,\"") >= size)
        unknown_type(line, e);
    else if (r == 0 && word(type) == 0)
        err_set(e, 0, "key", "there are options and no key; " FORM);
    else if (r == 0 && kind == NULL)
        unknown_type(type, e);
    else if (r == 0 && flags & (KEY_VERIFY_REQUIRED | KEY_NO_TOUCH) && !kind->application)
        err_set(e, 0, "option", "%s is for the keys of tokens (sk-...), and this is none",
                flags & KEY_VERIFY_REQUIRED ? "verify-required" : "no-touch-required");
    else if (r == 0) {
        k->options = mem_strn(line, size);
        return type;
    }
    return NULL;
}

static int decode(struct key *k, const char *text, size_t size, struct err *e)
{
    if (size == 0)
        return err_set(e, 0, "key", "the base64 part is missing; " FORM);
    if (size > KEY_BLOB_MOST)
        return err_set(e, 0, "key", "longer than %d characters", KEY_BLOB_MOST);
    k->blob = mem_new(size);
    const char *end = NULL;
    int r = sodium_base642bin(k->blob, size, text, size, NULL, &k->size, &end, sodium_base64_VARIANT_ORIGINAL);
    if (r == 0 && end == text + size)
        return 0;
    return err_set(e, 0, "key", "the base64 part is cut short or has a character that is not base64");
}

static void take_label(struct key *k, const char *text)
{
    size_t n = strcspn(text, "\r\n");
    if (n > KEY_LABEL_MOST)
        n = KEY_LABEL_MOST;
    for (size_t i = 0; i < n; i++)
        k->label[i] = text[i] >= ' ' && text[i] < 0x7f ? text[i] : '?';
    k->label[n] = '\0';
}

int key_parse(const char *line, struct key *k, struct err *e)
{
    *k = (struct key){ 0 };
    line = skip_blank(line);
    if (word(line) == 0 || *line == '#')
        return 0;
    const char *begin = kind_of(line, word(line)) ? line : take_options(line, k, e);
    if (begin == NULL)
        return -1;
    const struct kind *kind = kind_of(begin, word(begin));
    k->type = kind->type;
    line = begin;
    const char *base64 = skip_blank(line + word(line));
    const char *why = NULL;
    int r = decode(k, base64, word(base64), e);
    if (r == 0 && !sound(k, kind, &why))
        r = err_set(e, 0, kind->type, "%s", why);
    if (r < 0) {
        key_free(k);
        return -1;
    }
    take_label(k, skip_blank(base64 + word(base64)));
    return 0;
}

void key_free(struct key *k)
{
    free(k->blob);
    free(k->options);
    *k = (struct key){ 0 };
}

static const char print_head[] = "SHA256:";
enum { PRINT_HEAD = sizeof print_head - 1 };

void key_fingerprint(const void *blob, size_t size, char out[KEY_FINGERPRINT])
{
    uint8_t sum[crypto_hash_sha256_BYTES];
    crypto_hash_sha256(sum, blob, size);
    memcpy(out, print_head, PRINT_HEAD);
    sodium_bin2base64(out + PRINT_HEAD, KEY_FINGERPRINT - PRINT_HEAD, sum, sizeof sum, sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
}

static void hash_sum(const uint8_t *secret, const uint8_t sum[crypto_hash_sha256_BYTES], uint8_t out[KEY_HASH])
{
    crypto_generichash(out, KEY_HASH, sum, crypto_hash_sha256_BYTES, secret, crypto_generichash_KEYBYTES);
}

void key_hash(const uint8_t *secret, const void *blob, size_t size, uint8_t out[KEY_HASH])
{
    uint8_t sum[crypto_hash_sha256_BYTES];
    crypto_hash_sha256(sum, blob, size);
    hash_sum(secret, sum, out);
}

int key_hash_print(const uint8_t *secret, const char *fingerprint, uint8_t out[KEY_HASH])
{
    uint8_t sum[crypto_hash_sha256_BYTES];
    size_t size;
    if (strncmp(fingerprint, print_head, PRINT_HEAD) != 0 ||
        sodium_base642bin(sum, sizeof sum, fingerprint + PRINT_HEAD, strlen(fingerprint) - PRINT_HEAD, NULL, &size, NULL,
                          sodium_base64_VARIANT_ORIGINAL_NO_PADDING) != 0 || size != sizeof sum)
        return -1;
    hash_sum(secret, sum, out);
    return 0;
}

const char *key_word(const char *type)
{
    const struct kind *k = kind_of(type, strlen(type));
    return k ? k->word : "UNKNOWN";
}
