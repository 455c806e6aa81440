#include <criterion/criterion.h>
#include <string.h>

#include "base/buf.h"
#include "sshd/session/blob.h"

Test(blob, base64)
{
    uint8_t out[8];
    cr_assert_eq(blob_of_base64("aGVsbG8=", out, sizeof out), 5);
    cr_assert(memcmp(out, "hello", 5) == 0);
    cr_assert_eq(blob_of_base64("aGVsbG8", out, sizeof out), 5);
    cr_assert_eq(blob_of_base64("aGVs bG8=", out, sizeof out), 0);
    cr_assert_eq(blob_of_base64("a", out, sizeof out), 0);
    cr_assert_eq(blob_of_base64("", out, sizeof out), 0);
    cr_assert_eq(blob_of_base64("aGVsbG8=", out, 4), 0);
}

static int bits(const char *type, const uint8_t *modulus, size_t size)
{
    BUF_FREE struct buf b = BUF(4096);
    buf_put_str(&b, type);
    buf_put_bytes(&b, "\1\0\1", 3);
    buf_put_bytes(&b, modulus, size);
    return blob_rsa_bits(buf_head(&b), buf_size(&b));
}

Test(blob, rsa_bits)
{
    uint8_t modulus[385] = { 0, 0x80 };
    cr_assert_eq(bits("ssh-rsa", modulus, sizeof modulus), 3072);
    modulus[1] = 0x7f;
    cr_assert_eq(bits("ssh-rsa", modulus, sizeof modulus), 3071);
    cr_assert_eq(bits("ssh-ed25519", modulus, sizeof modulus), 0);
    cr_assert_eq(bits("ssh-rsa", modulus, 1), 0);
    cr_assert_eq(blob_rsa_bits((const uint8_t *)"\0\0\0\7ssh-rsa\0\0\0\377", 15), -1);
    cr_assert_eq(blob_rsa_bits((const uint8_t *)"", 0), -1);
}
