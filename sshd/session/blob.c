#include "sshd/session/blob.h"

#include <string.h>

#include "base/buf.h"

static int digit(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

size_t blob_of_base64(const char *text, uint8_t *out, size_t size)
{
    size_t len = strlen(text), n = 0;
    while (len > 0 && text[len - 1] == '=')
        len--;
    if (len % 4 == 1)
        return 0;
    uint32_t bits = 0;
    unsigned have = 0;
    for (size_t i = 0; i < len; i++) {
        int d = digit(text[i]);
        if (d < 0)
            return 0;
        bits = bits << 6 | (uint32_t)d;
        have += 6;
        if (have < 8)
            continue;
        have -= 8;
        if (n == size)
            return 0;
        out[n++] = (uint8_t)(bits >> have);
    }
    return n;
}

int blob_rsa_bits(const uint8_t *blob, size_t size)
{
    BUF_FREE struct buf b = BUF(size);
    buf_put(&b, blob, size);
    size_t n;
    const uint8_t *type = buf_get_bytes(&b, &n);
    if (type == NULL)
        return -1;
    if (n != 7 || memcmp(type, "ssh-rsa", 7) != 0)
        return 0;
    buf_get_bytes(&b, &n);
    const uint8_t *modulus = buf_get_bytes(&b, &n);
    if (modulus == NULL)
        return -1;
    while (n > 0 && *modulus == 0) {
        modulus++;
        n--;
    }
    int bits = (int)n * 8;
    if (n > 0)
        bits -= __builtin_clz(*modulus) - 24;
    return bits;
}
