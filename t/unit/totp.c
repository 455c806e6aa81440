/* Codes: the vectors of RFC 6238, steps of skew, one use, what people type, base32, recovery codes. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "base/mem.h"
#include "store/stored/totp.h"

static const uint8_t seed[TOTP_SEED] = "12345678901234567890";

static void start(void)
{
    cr_assert_geq(sodium_init(), 0);
}

TestSuite(totp, .init = start);

/* Appendix B for SHA-1, the last six of its eight digits. */
static const struct { int64_t seconds; const char *code; } vectors[] = {
    { 59, "287082" },         { 1111111109, "081804" }, { 1111111111, "050471" },
    { 1234567890, "005924" }, { 2000000000, "279037" }, { 20000000000, "353130" },
};

Test(totp, vectors)
{
    for (size_t i = 0; i < countof(vectors); i++) {
        int64_t now = totp_step(vectors[i].seconds * 1000);
        cr_assert_eq(now, vectors[i].seconds / 30);
        cr_assert_eq(totp_match(seed, now, 0, vectors[i].code), now, "%s", vectors[i].code);
        cr_assert_eq(totp_match((const uint8_t *)"12345678901234567891", now, 0, vectors[i].code), 0);
    }
}

Test(totp, a_step_each_way_and_no_more)
{
    int64_t of = totp_step(1234567890 * 1000ll);
    cr_assert_eq(totp_match(seed, of - 2, 0, "005924"), 0);
    cr_assert_eq(totp_match(seed, of - 1, 0, "005924"), of, "the clock of the device is a step ahead");
    cr_assert_eq(totp_match(seed, of + 1, 0, "005924"), of, "and behind");
    cr_assert_eq(totp_match(seed, of + 2, 0, "005924"), 0);
}

Test(totp, each_code_once_and_none_before_it)
{
    int64_t of = totp_step(1234567890 * 1000ll);
    cr_assert_eq(totp_match(seed, of, of, "005924"), 0);
    cr_assert_eq(totp_match(seed, of, of + 1, "005924"), 0);
    cr_assert_eq(totp_match(seed, of, of - 1, "005924"), of);
}

Test(totp, nothing_but_the_code)
{
    int64_t of = totp_step(1234567890 * 1000ll);
    char code[] = "005924";
    for (size_t i = 0; i < TOTP_DIGITS; i++)
        for (char c = '0'; c <= '9'; c++) {
            char was = code[i];
            code[i] = c;
            cr_assert_eq(totp_match(seed, of, 0, code), c == was ? of : 0, "%s", code);
            code[i] = was;
        }
}

Test(totp, what_people_type)
{
    static const struct { const char *typed; enum code_kind kind; const char *code; } rows[] = {
        { "005924", CODE_TOTP, "005924" },
        { " 005 924\t", CODE_TOTP, "005924" },
        { "005-924", CODE_TOTP, "005924" },
        { "abcd-efgh-2345-7abc", CODE_RECOVERY, "ABCDEFGH23457ABC" },
        { "ABCDEFGH23457ABC", CODE_RECOVERY, "ABCDEFGH23457ABC" },
        { "", CODE_NONE, "" },
        { "00592", CODE_NONE, "" },
        { "0059244", CODE_NONE, "" },
        { "00592a", CODE_NONE, "" },
        { "ABCD-EFGH-2345-7AB1", CODE_NONE, "" },
        { "ABCD-EFGH-2345-7ABCD", CODE_NONE, "" },
        { "123456\n", CODE_NONE, "" },
        { "                                                                005924", CODE_NONE, "" },
    };
    for (size_t i = 0; i < countof(rows); i++) {
        char out[CODE_TEXT];
        memset(out, 'x', sizeof out);
        cr_assert_eq(code_read(rows[i].typed, strlen(rows[i].typed), out), rows[i].kind, "%s", rows[i].typed);
        cr_assert_str_eq(out, rows[i].code);
    }
    char out[CODE_TEXT];
    cr_assert_eq(code_read("005\0924", 7, out), CODE_NONE, "a NUL is no blank");
    cr_assert_eq(code_read("123456\0", 7, out), CODE_NONE, "nor an end");
}

Test(totp, base32_of_rfc_4648)
{
    char out[33];
    base32((const uint8_t *)"fooba", 5, out);
    cr_assert_str_eq(out, "MZXW6YTB");
    base32(seed, sizeof seed, out);
    cr_assert_str_eq(out, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
    base32((const uint8_t *)"\xff\xff\xff\xff\xff\0\0\0\0\0", 10, out);
    cr_assert_str_eq(out, "77777777AAAAAAAA");
}

Test(totp, uri)
{
    FREE_MEM char *uri = totp_uri("eve.x", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
    cr_assert_str_eq(uri, "otpauth://totp/holdfast:eve.x?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=holdfast&algorithm=SHA1&digits=6&period=30");
}

Test(totp, recovery_codes_are_read_back_and_differ)
{
    static const uint8_t secret[32] = { 1 }, other[32] = { 2 };
    char a[RECOVERY_SHOWN], b[RECOVERY_SHOWN], code[CODE_TEXT], next[CODE_TEXT];
    uint8_t h[RECOVERY_HASH], g[RECOVERY_HASH];
    recovery_make(a);
    recovery_make(b);
    cr_assert_eq(strlen(a), 19);
    cr_assert_str_neq(a, b);
    cr_assert_eq(code_read(a, strlen(a), code), CODE_RECOVERY);
    cr_assert_eq(code_read(b, strlen(b), next), CODE_RECOVERY);
    recovery_hash(secret, "eve", code, h);
    recovery_hash(secret, "eve", code, g);
    cr_assert_eq(memcmp(h, g, sizeof h), 0);
    recovery_hash(secret, "eve", next, g);
    cr_assert_neq(memcmp(h, g, sizeof h), 0, "another code");
    recovery_hash(secret, "bob", code, g);
    cr_assert_neq(memcmp(h, g, sizeof h), 0, "another account");
    recovery_hash(other, "eve", code, g);
    cr_assert_neq(memcmp(h, g, sizeof h), 0, "another appliance");
}
