#include <ctype.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "sshd/tool/config.h"
#include "sshd/tool/tool.h"

enum { KEY_MOST = 16384, BLOB_MOST = 8192 };

/* In the order in which they are printed.  The number is that of SSHFP records (RFC 4255, 7479). */
static const struct kind { const char *file, *type, *word; unsigned sshfp; } kinds[] = {
    { "ssh_host_ed25519_key.pub", "ssh-ed25519", "ED25519", 4 },
    { "ssh_host_rsa_key.pub", "ssh-rsa", "RSA", 1 },
};

struct key {
    const struct kind *kind;
    char *base64;                                /* owned */
    unsigned bits;
    char print[64];                              /* "SHA256:..." */
    char hex[2 * crypto_hash_sha256_BYTES + 1];
};

/* The modulus of an RSA blob: type, exponent, modulus.  0 when it is none. */
static unsigned rsa_bits(const uint8_t *blob, size_t size)
{
    struct buf b = { .p = (uint8_t *)(uintptr_t)blob, .len = size, .cap = size, .max = size };   /* only read */
    size_t n;
    buf_get_bytes(&b, &n);
    buf_get_bytes(&b, &n);
    const uint8_t *modulus = buf_get_bytes(&b, &n);
    if (b.bad)
        return 0;
    for (; n && *modulus == 0; n--)
        modulus++;
    unsigned bits = (unsigned)n * 8;
    for (unsigned top = 0x80; n && !(*modulus & top); top >>= 1)
        bits--;
    return bits;
}

/* Fills K from a line "TYPE BASE64 COMMENT". */
static bool parse(struct key *k, const char *line)
{
    uint8_t blob[BLOB_MOST], hash[crypto_hash_sha256_BYTES];
    size_t type = strlen(k->kind->type), size;
    if (strncmp(line, k->kind->type, type) != 0 || line[type] != ' ')
        return false;
    line += type + 1;
    size_t len = strcspn(line, " \r\n");
    if (sodium_base642bin(blob, sizeof blob, line, len, NULL, &size, NULL, sodium_base64_VARIANT_ORIGINAL) < 0 ||
        size == 0)
        return false;
    k->base64 = mem_strn(line, len);
    k->bits = k->kind->sshfp == 1 ? rsa_bits(blob, size) : 256;
    crypto_hash_sha256(hash, blob, size);
    snprintf(k->print, sizeof k->print, "SHA256:");
    sodium_bin2base64(k->print + 7, sizeof k->print - 7, hash, sizeof hash, sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
    sodium_bin2hex(k->hex, sizeof k->hex, hash, sizeof hash);
    return true;
}

static void print(const struct command *c, const struct key *k, const char *host, const char *known)
{
    if (c->json) {
        printf("{\"type\":\"%s\",\"bits\":%u,\"fingerprint\":\"%s\",\"known_hosts\":\"%s %s %s\","
               "\"sshfp\":\"%s. IN SSHFP %u 2 %s\"}\n",
               k->kind->type, k->bits, k->print, known, k->kind->type, k->base64, host, k->kind->sshfp, k->hex);
        return;
    }
    printf("%u %s (%s)\n", k->bits, k->print, k->kind->word);
    printf("%s %s %s\n", known, k->kind->type, k->base64);
    printf("%s. IN SSHFP %u 2 %s\n", host, k->kind->sshfp, k->hex);
}

/* The name as known_hosts has it: [NAME]:PORT unless the port is 22. */
static char *known_name(const struct command *c, const char *host)
{
    FREE_MEM char *address = config_value(c->folder, "listen", "address");
    const char *port = strrchr(address, ':');
    if (port == NULL || strcmp(port, ":22") == 0)
        return mem_str(host);
    return mem_fmt("[%s]%s", host, port);
}

static bool host_ok(const char *host)
{
    size_t n = strlen(host);
    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)host[i]) && !strchr(".-:", host[i]))
            return false;
    return n > 0 && n < 254;
}

int hostkeys(const struct command *c)
{
    char own[256] = "localhost";
    gethostname(own, sizeof own - 1);
    const char *host = c->argc ? c->argv[0] : own;
    if (!host_ok(host)) {
        fprintf(stderr, "holdfast: '%s' is no host name\n", host);
        return TOOL_USAGE;
    }
    FREE_MEM char *known = known_name(c, host);
    unsigned found = 0;
    for (size_t i = 0; i < countof(kinds); i++) {
        FREE_MEM char *path = mem_fmt("%s/%s", c->folder, kinds[i].file);
        struct err e = { 0 };
        FREE_MEM char *line = io_read_file(path, KEY_MOST, NULL, &e);
        struct key k = { .kind = &kinds[i] };
        if (line == NULL && e.no == ENOENT)
            continue;
        if (line == NULL || !parse(&k, line)) {
            fprintf(stderr, "holdfast: %s: %s\n", path, line ? "no public key of this type" : strerror(e.no));
            return TOOL_FAILED;
        }
        print(c, &k, host, known);
        free(k.base64);
        found++;
    }
    if (found)
        return TOOL_DONE_WELL;
    fprintf(stderr, "holdfast: no host keys in %s: holdfastd makes them when it first starts\n", c->folder);
    return TOOL_FAILED;
}
