#include "store/stored/trust.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "base/log.h"
#include "base/mem.h"

#define ALLOWED "allowed: a public key, serial: N[-M], id: TEXT, key: PUBLIC KEY, sha256: PUBLIC KEY, hash: SHA256:..."

struct print { char text[KEY_FINGERPRINT]; };
struct serials { uint64_t first, last; };
struct id { uint8_t hash[TRUST_ID]; };

struct trust {
    struct print *cas, *keys;
    struct serials *serials;
    struct id *ids;
    size_t ncas, nkeys, nserials, nids;
    crypto_hash_sha256_state lines[2];   /* over all that was added: CAs, revocations */
};

struct trust *trust_new(void)
{
    struct trust *t = mem_new(sizeof *t);
    *t = (struct trust){ 0 };
    crypto_hash_sha256_init(&t->lines[0]);
    crypto_hash_sha256_init(&t->lines[1]);
    return t;
}

void trust_free(struct trust *t)
{
    if (t == NULL)
        return;
    free(t->cas);
    free(t->keys);
    free(t->serials);
    free(t->ids);
    free(t);
}

static void add_print(struct print **list, size_t *n, const char *fingerprint)
{
    *list = mem_grow(*list, *n + 1, sizeof **list);
    (*list)[*n] = (struct print){ "" };
    memcpy((*list)[(*n)++].text, fingerprint, strnlen(fingerprint, KEY_FINGERPRINT - 1));
}

static bool has_print(const struct print *list, size_t n, const char *fingerprint)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i].text, fingerprint) == 0)
            return true;
    return false;
}

static int add_key(struct print **list, size_t *n, const char *line, bool ca, struct err *e)
{
    struct key k;
    char fingerprint[KEY_FINGERPRINT];
    if (strstr(line, "-cert-v01@openssh.com "))
        return err_set(e, 0, "key", ca ? "a certificate; allowed: the public key of a CA" : "a certificate; name its serial, its id or its key");
    if (key_parse(line, &k, e) < 0)
        return -1;
    if (k.blob && ca && strcmp(k.type, "ssh-ed25519") != 0) {
        err_set(e, 0, k.type, "no key of a CA that can be verified; allowed: ssh-ed25519 only");
        key_free(&k);
        return -1;
    }
    if (k.blob) {
        key_fingerprint(k.blob, k.size, fingerprint);
        add_print(list, n, fingerprint);
    }
    key_free(&k);
    return 0;
}

static void note(struct trust *t, unsigned list, const char *line)
{
    crypto_hash_sha256_update(&t->lines[list], (const unsigned char *)line, strlen(line) + 1);
}

int trust_add_ca(struct trust *t, const char *line, struct err *e)
{
    note(t, 0, line);
    return add_key(&t->cas, &t->ncas, line, true, e);
}

/* Decimal, 0x..., 0... as ssh-keygen takes them; not zero, which is the serial of certificates that have none. */
static const char *serial(const char *text, uint64_t *v)
{
    char *end;
    errno = 0;
    if (!isdigit((unsigned char)*text))
        return NULL;
    *v = strtoull(text, &end, 0);
    return errno || *v == 0 ? NULL : end;
}

static const char *blank(const char *s)
{
    return s + strspn(s, " \t");
}

static int add_serials(struct trust *t, const char *text, struct err *e)
{
    struct serials s;
    const char *at = serial(text, &s.first);
    s.last = s.first;
    if (at && *blank(at) == '-')
        at = serial(blank(blank(at) + 1), &s.last);
    if (at == NULL || *blank(at) || s.last < s.first)
        return err_set(e, 0, "serial", "'%s'; allowed: N or N-M, from 1, M not below N", escn(text, strnlen(text, 64)));
    t->serials = mem_grow(t->serials, t->nserials + 1, sizeof *t->serials);
    t->serials[t->nserials++] = s;
    return 0;
}

static void hash_id(const char *text, size_t size, uint8_t out[TRUST_ID])
{
    crypto_hash_sha256(out, (const unsigned char *)text, size);
}

static int add_id(struct trust *t, const char *text, struct err *e)
{
    size_t size = strlen(text);
    while (size && strchr(" \t", text[size - 1]))
        size--;
    if (size == 0)
        return err_set(e, 0, "id", "no text behind it");
    t->ids = mem_grow(t->ids, t->nids + 1, sizeof *t->ids);
    hash_id(text, size, t->ids[t->nids++].hash);
    return 0;
}

static int add_hash(struct trust *t, const char *text, struct err *e)
{
    uint8_t raw[crypto_hash_sha256_BYTES];
    char fingerprint[KEY_FINGERPRINT];
    static const char head[] = "SHA256:";
    size_t n, len = strcspn(text, " \t");
    const char *end;
    if (strncmp(text, head, strlen(head)) != 0 || len != KEY_FINGERPRINT - 2 || *blank(text + len) ||
        sodium_base642bin(raw, sizeof raw, text + strlen(head), len - strlen(head), NULL, &n, &end, sodium_base64_VARIANT_ORIGINAL_NO_PADDING) != 0 ||
        n != sizeof raw || end != text + len)
        return err_set(e, 0, "hash", "'%s'; allowed: SHA256:... as 'ssh-keygen -l' prints it", escn(text, strnlen(text, 64)));
    memcpy(fingerprint, text, len);
    fingerprint[len] = '\0';
    add_print(&t->keys, &t->nkeys, fingerprint);
    return 0;
}

static int add_revoked_key(struct trust *t, const char *text, struct err *e)
{
    return *text ? add_key(&t->keys, &t->nkeys, text, false, e) : err_set(e, 0, "key", "no key behind it");
}

static const struct {
    const char *word;
    int (*add)(struct trust *t, const char *text, struct err *e);
} words[] = {
    { "serial:", add_serials }, { "id:", add_id }, { "key:", add_revoked_key }, { "sha256:", add_revoked_key }, { "hash:", add_hash },
};

int trust_add_revoked(struct trust *t, const char *line, struct err *e)
{
    note(t, 1, line);
    line = blank(line);
    for (size_t i = 0; i < countof(words); i++)
        if (strncmp(line, words[i].word, strlen(words[i].word)) == 0)
            return words[i].add(t, blank(line + strlen(words[i].word)), e);
    size_t n = strcspn(line, ": \t");
    if (line[n] == ':' && *line != '#')
        return err_set(e, 0, "revoked", "'%s:' is not known; " ALLOWED, escn(line, n < 64 ? n : 64));
    return add_key(&t->keys, &t->nkeys, line, false, e);
}

unsigned trust_changes(const struct trust *t, const struct trust *before)
{
    unsigned n = 0;
    for (unsigned i = 0; before && i < countof(t->lines); i++) {
        crypto_hash_sha256_state now = t->lines[i], then = before->lines[i];
        uint8_t a[crypto_hash_sha256_BYTES], b[crypto_hash_sha256_BYTES];
        crypto_hash_sha256_final(&now, a);
        crypto_hash_sha256_final(&then, b);
        n += memcmp(a, b, sizeof a) != 0;
    }
    return n;
}

bool trust_has_ca(const struct trust *t, const char *fingerprint)
{
    return t && has_print(t->cas, t->ncas, fingerprint);
}

bool trust_revoked(const struct trust *t, const char *fingerprint)
{
    return t && has_print(t->keys, t->nkeys, fingerprint);
}

void pass_of(const struct cert *c, struct pass *p)
{
    *p = (struct pass){ .serial = c->serial, .before = c->before };
    hash_id(c->id, strlen(c->id), p->id);
    key_fingerprint(c->ca, c->nca, p->ca);
}

static bool revoked(const struct trust *t, const struct pass *p, const char *fingerprint)
{
    if (trust_revoked(t, fingerprint) || trust_revoked(t, p->ca))
        return true;
    for (size_t i = 0; i < t->nserials; i++)
        if (p->serial >= t->serials[i].first && p->serial <= t->serials[i].last)
            return true;
    for (size_t i = 0; i < t->nids; i++)
        if (memcmp(t->ids[i].hash, p->id, TRUST_ID) == 0)
            return true;
    return false;
}

const char *trust_refuses(const struct trust *t, const struct pass *p, const char *fingerprint, uint64_t now)
{
    if (!trust_has_ca(t, p->ca))
        return "signed by an unknown CA";
    if (revoked(t, p, fingerprint))
        return "revoked";
    return now < p->before ? NULL : "expired";
}
