#include "sshd/session/hash.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/die.h"
#include "base/mem.h"

struct hash {
    const char *name;
    const EVP_MD *md;      /* NULL: crc32 */
    EVP_MD_CTX *context;
    uint32_t crc;
};

static const struct { const char *name; const EVP_MD *(*md)(void); } kinds[] = {
    { "md5", EVP_md5 },       { "sha1", EVP_sha1 },     { "sha224", EVP_sha224 }, { "sha256", EVP_sha256 },
    { "sha384", EVP_sha384 }, { "sha512", EVP_sha512 }, { "crc32", NULL },
};

static void begin(struct hash *h)
{
    h->crc = UINT32_MAX;
    if (h->md && EVP_DigestInit_ex(h->context, h->md, NULL) != 1)
        die("%s does not start", h->name);
}

struct hash *hash_new(const char *name, size_t size)
{
    for (size_t i = 0; i < countof(kinds); i++) {
        if (strlen(kinds[i].name) != size || memcmp(kinds[i].name, name, size) != 0)
            continue;
        struct hash *h = mem_new(sizeof *h);
        h->name = kinds[i].name;
        h->md = kinds[i].md ? kinds[i].md() : NULL;
        h->context = h->md ? EVP_MD_CTX_new() : NULL;
        if (h->md && h->context == NULL)
            die("out of memory");
        begin(h);
        return h;
    }
    return NULL;
}

void hash_free(struct hash *h)
{
    if (h == NULL)
        return;
    EVP_MD_CTX_free(h->context);
    free(h);
}

const char *hash_name(const struct hash *h) { return h->name; }

size_t hash_size(const struct hash *h)
{
    return h->md ? (size_t)EVP_MD_get_size(h->md) : sizeof h->crc;
}

/* The polynomial of Ethernet and zip, reflected. */
static const uint32_t *crc_table(void)
{
    static uint32_t table[256];
    for (uint32_t i = 0; i < 256 && table[255] == 0; i++) {
        uint32_t v = i;
        for (int bit = 0; bit < 8; bit++)
            v = v >> 1 ^ (v & 1 ? 0xedb88320u : 0);
        table[i] = v;
    }
    return table;
}

static uint32_t crc_add(uint32_t crc, const uint8_t *p, size_t size)
{
    const uint32_t *table = crc_table();
    for (size_t i = 0; i < size; i++)
        crc = crc >> 8 ^ table[(crc ^ p[i]) & 0xff];
    return crc;
}

void hash_add(struct hash *h, const void *bytes, size_t size)
{
    if (h->md == NULL)
        h->crc = crc_add(h->crc, bytes, size);
    else if (EVP_DigestUpdate(h->context, bytes, size) != 1)
        die("%s fails", h->name);
}

void hash_end(struct hash *h, uint8_t out[HASH_MOST])
{
    uint32_t crc = ~h->crc;
    if (h->md == NULL)
        for (int i = 0; i < 4; i++)
            out[i] = (uint8_t)(crc >> (24 - 8 * i));
    else if (EVP_DigestFinal_ex(h->context, out, NULL) != 1)
        die("%s fails", h->name);
    begin(h);
}

ssize_t hash_read(struct hash *h, int fd, uint64_t offset, uint64_t most)
{
    static uint8_t slice[HASH_SLICE];
    if (offset > INT64_MAX)
        return 0;
    ssize_t n;
    do
        n = pread(fd, slice, most < sizeof slice ? (size_t)most : sizeof slice, (off_t)offset);
    while (n < 0 && errno == EINTR);
    if (n > 0)
        hash_add(h, slice, (size_t)n);
    return n;
}
