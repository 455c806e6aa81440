#include "store/stored/totp.h"

#include <string.h>

#include <liboath/oath.h>
#include <sodium.h>

#include "base/die.h"
#include "base/mem.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

enum code_kind code_read(const void *typed, size_t size, char out[CODE_TEXT])
{
    const char *from = typed;
    size_t n = 0;
    for (size_t i = 0; i < size && size <= CODE_MOST; i++) {
        char c = from[i];
        if (c == ' ' || c == '-' || c == '\t')
            continue;
        out[n++] = c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
    }
    out[n] = '\0';
    if (n == TOTP_DIGITS && strspn(out, "0123456789") == n)
        return CODE_TOTP;
    if (n == RECOVERY_DIGITS && strspn(out, alphabet) == n)
        return CODE_RECOVERY;
    mem_wipe(out, CODE_TEXT);
    return CODE_NONE;
}

void base32(const uint8_t *bytes, size_t size, char *out)
{
    invariant(size % 5 == 0);
    for (size_t i = 0; i < size; i += 5) {
        uint64_t group = 0;
        for (size_t j = 0; j < 5; j++)
            group = group << 8 | bytes[i + j];
        for (int shift = 35; shift >= 0; shift -= 5)
            *out++ = alphabet[group >> shift & 31];
    }
    *out = '\0';
}

int64_t totp_step(int64_t wall_ms)
{
    return wall_ms / TOTP_STEP_MS;
}

int64_t totp_match(const uint8_t seed[TOTP_SEED], int64_t now, int64_t last, const char code[TOTP_DIGITS + 1])
{
    int64_t found = 0;
    for (int64_t step = now - TOTP_SKEW; step <= now + TOTP_SKEW; step++) {
        char want[TOTP_DIGITS + 1] = "";
        int rc = oath_hotp_generate((const char *)seed, TOTP_SEED, (uint64_t)step, TOTP_DIGITS, false, OATH_HOTP_DYNAMIC_TRUNCATION, want);
        if (rc != OATH_OK)
            die("liboath: %s", oath_strerror(rc));
        /* No early end, no branch: how far a guess came is not to be seen. */
        int64_t fits = -(int64_t)((sodium_memcmp(want, code, TOTP_DIGITS) == 0) & (step > last));
        found |= fits & step & -(int64_t)(found == 0);
        mem_wipe(want, sizeof want);
    }
    return found;
}

/* Names of accounts need no escaping in a URI. */
char *totp_uri(const char *account, const char *secret)
{
    return mem_fmt("otpauth://totp/holdfast:%s?secret=%s&issuer=holdfast&algorithm=SHA1&digits=6&period=30", account, secret);
}

void recovery_make(char shown[RECOVERY_SHOWN])
{
    uint8_t bytes[RECOVERY_BYTES];
    char text[RECOVERY_DIGITS + 1];
    randombytes_buf(bytes, sizeof bytes);
    base32(bytes, sizeof bytes, text);
    size_t at = 0;
    for (size_t i = 0; i < RECOVERY_DIGITS; i++) {
        if (i > 0 && i % 4 == 0)
            shown[at++] = '-';
        shown[at++] = text[i];
    }
    shown[at] = '\0';
    mem_wipe(bytes, sizeof bytes);
    mem_wipe(text, sizeof text);
}

/* Account and use go in with their ends: a hash fits nothing else. */
void recovery_hash(const uint8_t *key, const char *account, const char *code, uint8_t out[RECOVERY_HASH])
{
    static const char use[] = "recovery code";
    crypto_generichash_state d;
    crypto_generichash_init(&d, key, crypto_generichash_KEYBYTES, RECOVERY_HASH);
    crypto_generichash_update(&d, (const unsigned char *)use, sizeof use);
    crypto_generichash_update(&d, (const unsigned char *)account, strlen(account) + 1);
    crypto_generichash_update(&d, (const unsigned char *)code, RECOVERY_DIGITS);
    crypto_generichash_final(&d, out, RECOVERY_HASH);
    mem_wipe(&d, sizeof d);
}
