/* Files of own keys: what is taken of one, and which line is named when nothing is. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "base/buf.h"
#include "base/mem.h"
#include "store/stored/keyfile.h"

static const uint8_t secret[32] = { 9 };
static struct err e;

/* An ed25519 line with the point N. */
static void put_line(struct buf *b, unsigned n, const char *label)
{
    char text[128];
    uint8_t point[32] = { (uint8_t)n, (uint8_t)(n >> 8) };
    BUF_FREE struct buf blob = BUF(256);
    buf_put_str(&blob, "ssh-ed25519");
    buf_put_bytes(&blob, point, sizeof point);
    sodium_bin2base64(text, sizeof text, buf_head(&blob), buf_size(&blob), sodium_base64_VARIANT_ORIGINAL);
    buf_put_fmt(b, "ssh-ed25519 %s%s%s\n", text, label[0] ? " " : "", label);
}

static const char *rsa(unsigned bits)
{
    static char text[4200], base64[4096];
    uint8_t n[1024] = { 0, 0x80 }, exponent[] = { 1, 0, 1 };
    BUF_FREE struct buf blob = BUF(4096);
    buf_put_str(&blob, "ssh-rsa");
    buf_put_bytes(&blob, exponent, sizeof exponent);
    buf_put_bytes(&blob, n, bits / 8 + 1);
    sodium_bin2base64(base64, sizeof base64, buf_head(&blob), buf_size(&blob), sodium_base64_VARIANT_ORIGINAL);
    snprintf(text, sizeof text, "ssh-rsa %s r", base64);
    return text;
}

static char *text_of(struct buf *b)
{
    return mem_strn(buf_size(b) ? (const void *)buf_head(b) : "", buf_size(b));
}

Test(keyfile, comments_blanks_and_line_ends)
{
    struct keyfile f;
    BUF_FREE struct buf b = BUF(4096);
    buf_put_fmt(&b, "# set by the admin: ...\n\n  \t\r\n");
    put_line(&b, 1, "one two");
    buf_put_fmt(&b, "# in between\n  ");
    put_line(&b, 2, "");
    b.len--;                                    /* no end of the last line */
    FREE_MEM char *text = text_of(&b);
    cr_assert_eq(keyfile_parse(text, secret, &f, &e), 0, "%s: %s", e.step, e.text);
    cr_assert_eq(f.n, 2);
    cr_assert_eq(f.keys[0].line, 4);
    cr_assert_eq(f.keys[1].line, 6);
    cr_assert(strncmp(f.keys[0].text, "ssh-ed25519 AAAA", 16) == 0 && strcmp(f.keys[0].text + strlen(f.keys[0].text) - 8, " one two") == 0);
    cr_assert(strncmp(f.keys[1].text, "  ssh-ed25519 AAAA", 18) == 0, "as it was written");
    cr_assert_eq(keyfile_find(&f, f.keys[1].hash), &f.keys[1]);
    cr_assert_null(keyfile_find(&f, secret));
    keyfile_free(&f);
}

Test(keyfile, carriage_returns_are_line_ends)
{
    struct keyfile f;
    BUF_FREE struct buf b = BUF(4096);
    put_line(&b, 1, "label");
    b.len--;
    buf_put_fmt(&b, "\r\n");
    FREE_MEM char *text = text_of(&b);
    cr_assert_eq(keyfile_parse(text, secret, &f, &e), 0);
    cr_assert_eq(f.n, 1);
    cr_assert_eq(strchr(f.keys[0].text, '\r'), NULL);
    keyfile_free(&f);
}

Test(keyfile, nothing)
{
    struct keyfile f;
    cr_assert_eq(keyfile_parse("", secret, &f, &e), 0);
    cr_assert_eq(f.n, 0);
    cr_assert_eq(keyfile_parse("# only this", secret, &f, &e), 0);
    cr_assert_eq(f.n, 0);
    keyfile_free(&f);
}

Test(keyfile, the_wrong_line_is_named)
{
    static const struct { const char *line, *step, *text; } bad[] = {
        { "ssh-dss AAAAB3NzaC1kc3M= old", "line 3: key type", "'ssh-dss' is not known; allowed: ssh-ed25519" },
        { "tunnel=\"0\" ssh-ed25519 AAAA", "line 3: option", "'tunnel' is not supported; allowed: command expiry-time from" },
        { "restrict,from=\"mail.example.org\" ssh-ed25519 AAAA", "line 3: option", "from: 'mail.example.org' is no address" },
        { "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAEC cut", "line 3: ssh-ed25519", "wrong length" },
        { "<html>", "line 3: key type", "is not known" },
        { NULL, "line 3: key", "the same key as in line 1" },
    };
    for (size_t i = 0; i < countof(bad); i++) {
        struct keyfile f;
        BUF_FREE struct buf b = BUF(4096);
        put_line(&b, 1, "first");
        buf_put_fmt(&b, "#\n");
        if (bad[i].line)
            buf_put_fmt(&b, "%s\n", bad[i].line);
        else
            put_line(&b, 1, "another label");
        put_line(&b, 2, "behind");
        FREE_MEM char *text = text_of(&b);
        cr_assert_eq(keyfile_parse(text, secret, &f, &e), -1, "%zu", i);
        cr_assert_str_eq(e.step, bad[i].step);
        cr_assert_not_null(strstr(e.text, bad[i].text), "%s", e.text);
        cr_assert_eq(f.n, 0);
        cr_assert_null(f.keys);
    }
}

Test(keyfile, rsa_of_3072_bits)
{
    struct keyfile f;
    cr_assert_eq(keyfile_parse(rsa(3072), secret, &f, &e), 0, "%s: %s", e.step, e.text);
    cr_assert_eq(f.n, 1);
    keyfile_free(&f);
    cr_assert_eq(keyfile_parse(rsa(3064), secret, &f, &e), -1);
    cr_assert_str_eq(e.step, "line 1: ssh-rsa");
    cr_assert_not_null(strstr(e.text, "3064 bits; allowed: 3072"), "%s", e.text);
}

Test(keyfile, limits)
{
    struct keyfile f;
    BUF_FREE struct buf b = BUF(128 * 1024);
    for (unsigned i = 0; i < KEYFILE_KEYS; i++)
        put_line(&b, i, "");
    FREE_MEM char *fits = text_of(&b);
    cr_assert_eq(keyfile_parse(fits, secret, &f, &e), 0, "%s: %s", e.step, e.text);
    cr_assert_eq(f.n, KEYFILE_KEYS);
    keyfile_free(&f);
    put_line(&b, 999, "");
    FREE_MEM char *many = text_of(&b);
    cr_assert_eq(keyfile_parse(many, secret, &f, &e), -1);
    cr_assert_str_eq(e.step, "line 65: key");
    cr_assert_not_null(strstr(e.text, "64"), "%s", e.text);
    buf_reset(&b);
    while (buf_size(&b) <= KEYS_FILE_MOST)
        buf_put_fmt(&b, "# a long comment, once more\n");
    FREE_MEM char *large = text_of(&b);
    cr_assert_eq(keyfile_parse(large, secret, &f, &e), -1);
    cr_assert_not_null(strstr(e.text, "32768"), "%s", e.text);
}
