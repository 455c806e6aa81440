#include "store/stored/cert.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/net.h"

enum { TYPE_USER = 1 };

/* `fields`: strings that make up the key behind the type. */
static const struct kind {
    const char *type, *plain, *word;
    unsigned fields;
    bool rsa, hardware;
} kinds[] = {
    { .type = "ssh-ed25519-cert-v01@openssh.com", .plain = "ssh-ed25519", .word = "ED25519-CERT", .fields = 1 },
    { .type = "ecdsa-sha2-nistp256-cert-v01@openssh.com", .plain = "ecdsa-sha2-nistp256", .word = "ECDSA-CERT", .fields = 2 },
    { .type = "ecdsa-sha2-nistp384-cert-v01@openssh.com", .plain = "ecdsa-sha2-nistp384", .word = "ECDSA-CERT", .fields = 2 },
    { .type = "ecdsa-sha2-nistp521-cert-v01@openssh.com", .plain = "ecdsa-sha2-nistp521", .word = "ECDSA-CERT", .fields = 2 },
    { .type = "ssh-rsa-cert-v01@openssh.com", .plain = "ssh-rsa", .word = "RSA-CERT", .fields = 2, .rsa = true },
    { .type = "sk-ssh-ed25519-cert-v01@openssh.com", .plain = "sk-ssh-ed25519@openssh.com", .word = "ED25519-SK-CERT", .fields = 2,
      .hardware = true },
    { .type = "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com", .plain = "sk-ecdsa-sha2-nistp256@openssh.com", .word = "ECDSA-SK-CERT",
      .fields = 3, .hardware = true },
};

/* Reads of bytes that stay where they are. */
static struct buf view(const uint8_t *bytes, size_t size)
{
    /* A buffer's bytes are not const, and a view of nothing needs some address; nothing is ever put. */
    static uint8_t none[1];
    union { const uint8_t *given; uint8_t *kept; } p = { .given = bytes };
    return (struct buf){ .p = bytes ? p.kept : none, .len = size, .cap = size, .max = size };
}

static const struct kind *kind_of(struct buf *b)
{
    size_t size;
    const uint8_t *type = buf_get_bytes(b, &size);
    for (size_t i = 0; type && i < countof(kinds); i++)
        if (strlen(kinds[i].type) == size && memcmp(kinds[i].type, type, size) == 0)
            return &kinds[i];
    return NULL;
}

const char *cert_word(const void *blob, size_t size)
{
    struct buf b = view(blob, size);
    const struct kind *k = kind_of(&b);
    return k ? k->word : NULL;
}

static unsigned bits_of(const uint8_t *n, size_t size)
{
    while (size && *n == 0)
        n++, size--;
    unsigned bits = (unsigned)size * 8;
    for (unsigned top = 0x80; size && !(n[0] & top); top >>= 1)
        bits--;
    return bits;
}

/* The fields of the key, copied behind its plain type. */
static int take_key(struct buf *b, const struct kind *k, struct cert *c, struct err *e)
{
    struct buf plain BUF_FREE = BUF(c->nblob + 64);
    buf_put_str(&plain, k->plain);
    for (unsigned i = 0; i < k->fields; i++) {
        size_t size;
        const uint8_t *field = buf_get_bytes(b, &size);
        if (field == NULL)
            return err_set(e, 0, "certificate", "cut short in its key");
        if (k->rsa && i == 1 && bits_of(field, size) < CERT_RSA_LEAST)
            return err_set(e, 0, "certificate", "an RSA key of %u bits; allowed: %d at least", bits_of(field, size), CERT_RSA_LEAST);
        buf_put_bytes(&plain, field, size);
    }
    c->nkey = buf_size(&plain);
    c->key = mem_new(c->nkey);
    memcpy(c->key, buf_head(&plain), c->nkey);
    return 0;
}

static int take_principals(struct buf *b, struct cert *c, struct err *e)
{
    size_t size;
    const uint8_t *list = buf_get_bytes(b, &size);
    if (list == NULL)
        return err_set(e, 0, "certificate", "cut short in its principals");
    struct buf names = view(list, size);
    while (buf_size(&names) > 0) {
        if (c->nprincipals == CERT_PRINCIPALS_MOST)
            return err_set(e, 0, "certificate", "more than %d principals", CERT_PRINCIPALS_MOST);
        char *name = buf_get_str(&names);
        if (name == NULL)
            return err_set(e, 0, "certificate", "its list of principals is broken");
        c->principals = mem_grow(c->principals, c->nprincipals + 1, sizeof *c->principals);
        c->principals[c->nprincipals++] = name;
    }
    return 0;
}

struct option;
typedef int option_fn(const struct option *o, struct cert *c, struct buf *value, struct err *e);
static option_fn text, flag;

/* What a certificate may say of its use.  `at` is the field it goes to. */
static const struct option {
    const char *name;
    bool critical;
    option_fn *take;
    size_t at;
} options[] = {
    { .name = "force-command",     .critical = true,  .take = text, .at = offsetof(struct cert, command) },
    { .name = "source-address",    .critical = true,  .take = text, .at = offsetof(struct cert, sources) },
    { .name = "verify-required",   .critical = true,  .take = flag, .at = offsetof(struct cert, verify_required) },
    { .name = "permit-pty",        .critical = false, .take = flag, .at = offsetof(struct cert, terminal) },
    { .name = "no-touch-required", .critical = false, .take = flag, .at = offsetof(struct cert, no_touch) },
};

static int text(const struct option *o, struct cert *c, struct buf *value, struct err *e)
{
    char **field = (char **)(void *)((char *)c + o->at);
    if (*field)
        return err_set(e, 0, "certificate", "'%s' stands in it twice", o->name);
    *field = buf_get_str(value);
    if (*field == NULL || buf_size(value) > 0)
        return err_set(e, 0, "certificate", "the value of '%s' is broken", o->name);
    return 0;
}

static int flag(const struct option *o, struct cert *c, struct buf *value, struct err *e)
{
    bool *field = (bool *)(void *)((char *)c + o->at);
    if (*field)
        return err_set(e, 0, "certificate", "'%s' stands in it twice", o->name);
    *field = true;
    return buf_size(value) == 0 ? 0 : err_set(e, 0, "certificate", "'%s' has a value", o->name);
}

static const struct option *option_of(const uint8_t *name, size_t size, bool critical)
{
    for (size_t i = 0; i < countof(options); i++)
        if (options[i].critical == critical && strlen(options[i].name) == size && memcmp(options[i].name, name, size) == 0)
            return &options[i];
    return NULL;
}

/* Of critical options each must be known, extensions only allow more: what they would allow does not exist here. */
static int take_options(struct buf *b, struct cert *c, bool critical, struct err *e)
{
    size_t size;
    const uint8_t *list = buf_get_bytes(b, &size);
    if (list == NULL)
        return err_set(e, 0, "certificate", "cut short in its options");
    struct buf rows = view(list, size);
    while (buf_size(&rows) > 0) {
        size_t nname, nvalue;
        const uint8_t *name = buf_get_bytes(&rows, &nname);
        const uint8_t *value = buf_get_bytes(&rows, &nvalue);
        if (name == NULL || value == NULL)
            return err_set(e, 0, "certificate", "its list of options is broken");
        const struct option *o = option_of(name, nname, critical);
        if (o == NULL && critical)
            return err_set(e, 0, "certificate", "unknown critical option '%s'", escn((const char *)name, nname < 64 ? nname : 64));
        struct buf inner = view(value, nvalue);
        if (o && o->take(o, c, &inner, e) < 0)
            return -1;
    }
    return 0;
}

static int take_all(struct buf *b, const struct kind *k, struct cert *c, struct err *e)
{
    size_t size;
    buf_get_bytes(b, &size);    /* the nonce */
    if (take_key(b, k, c, e) < 0)
        return -1;
    c->serial = buf_get_u64(b);
    uint32_t type = buf_get_u32(b);
    c->id = buf_get_str(b);
    if (c->id == NULL)
        return err_set(e, 0, "certificate", "cut short before its id, or a NUL in it");
    if (type != TYPE_USER)
        return err_set(e, 0, "certificate", "not one of a user");
    if (strlen(c->id) > CERT_ID_MOST)
        return err_set(e, 0, "certificate", "an id longer than %d bytes", CERT_ID_MOST);
    if (take_principals(b, c, e) < 0)
        return -1;
    c->after = buf_get_u64(b);
    c->before = buf_get_u64(b);
    if (take_options(b, c, true, e) < 0 || take_options(b, c, false, e) < 0)
        return -1;
    /* It would stand for any command further on. */
    if (c->command && c->command[0] == '\0')
        return err_set(e, 0, "certificate", "an empty force-command");
    if (c->command && strlen(c->command) > CERT_COMMAND_MOST)
        return err_set(e, 0, "certificate", "a force-command longer than %d bytes", CERT_COMMAND_MOST);
    buf_get_bytes(b, &size);    /* reserved */
    c->ca = buf_get_bytes(b, &c->nca);
    c->nsigned = b->off;
    c->signature = buf_get_bytes(b, &c->nsignature);
    if (b->bad || buf_size(b) > 0)
        return err_set(e, 0, "certificate", "cut short, or bytes left over");
    return 0;
}

int cert_parse(const void *blob, size_t size, struct cert *c, struct err *e)
{
    *c = (struct cert){ .nblob = size };
    struct buf b = view(blob, size);
    const struct kind *k = kind_of(&b);
    if (k == NULL)
        return err_set(e, 0, "certificate", "of no kind that is known");
    c->hardware = k->hardware;
    c->blob = mem_new(size);
    memcpy(c->blob, blob, size);
    size_t off = b.off;
    b = view(c->blob, size);
    b.off = off;
    if (take_all(&b, k, c, e) == 0)
        return 0;
    cert_free(c);
    return -1;
}

/* A string "ssh-ed25519" and one of SIZE bytes, nothing else: a public key, or a signature. */
static const uint8_t *ed25519(const uint8_t *bytes, size_t size, size_t want)
{
    static const char type[] = "ssh-ed25519";
    struct buf b = view(bytes, size);
    size_t n, ntype;
    const uint8_t *t = buf_get_bytes(&b, &ntype);
    const uint8_t *p = buf_get_bytes(&b, &n);
    bool right = t && p && ntype == sizeof type - 1 && memcmp(t, type, ntype) == 0 && n == want && buf_size(&b) == 0;
    return right ? p : NULL;
}

bool cert_signed(const struct cert *c)
{
    const uint8_t *key = ed25519(c->ca, c->nca, crypto_sign_PUBLICKEYBYTES);
    const uint8_t *signature = ed25519(c->signature, c->nsignature, crypto_sign_BYTES);
    return key && signature && crypto_sign_verify_detached(signature, c->blob, c->nsigned, key) == 0;
}

void cert_free(struct cert *c)
{
    for (size_t i = 0; i < c->nprincipals; i++)
        free(c->principals[i]);
    free(c->principals);
    free(c->key);
    free(c->id);
    free(c->command);
    free(c->sources);
    free(c->blob);
    *c = (struct cert){ 0 };
}

static bool within(const struct net *n, const struct net *one)
{
    if (n->six != one->six)
        return false;
    for (unsigned i = 0; i < n->bits; i++)
        if ((n->address[i / 8] ^ one->address[i / 8]) & (0x80u >> i % 8))
            return false;
    return true;
}

int cert_from(const char *sources, const char *address)
{
    struct net one, n;
    int r = 0;
    if (net_parse(address, &one, NULL) < 0 || !net_whole(&one))
        return -1;
    /* To the end, so that a list with a mistake in it is refused from everywhere. */
    for (const char *at = sources;; at++) {
        size_t len = strcspn(at, ",");
        FREE_MEM char *text = mem_strn(at, len);
        if (net_parse(text, &n, NULL) < 0)
            return -1;
        if (within(&n, &one))
            r = 1;
        at += len;
        if (*at == '\0')
            return r;
    }
}
