/* Certificates of users: what is read out of them, what is refused, every cut and every changed byte; whom is trusted; what must be proven. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "store/proto.h"
#include "store/stored/cert.h"
#include "store/stored/proof.h"
#include "store/stored/trust.h"
#include "t/lib/certs.h"

static const uint8_t seed[crypto_sign_SEEDBYTES] = { 4, 5, 6 };

static const struct parts whole = {
    .serial = 0x0102030405060708, .id = "alice@laptop", .principals = { "bob", "alice" }, .after = 1000, .before = 2000,
    .critical = { "force-command", "status one", "source-address", "10.0.0.0/8,2001:db8::/32", "verify-required", "-" },
    .extensions = { "no-touch-required", "-", "permit-X11-forwarding", "-", "permit-pty", "-", "x@y", "z" },
};

static int parse(const struct parts *p, struct cert *c, struct err *e)
{
    struct buf b BUF_FREE = BUF(1 << 20);
    certs_make(&b, p, seed);
    cr_assert_not(b.bad);
    return cert_parse(buf_head(&b), buf_size(&b), c, e);
}

Test(cert, all_of_it_is_read)
{
    CERT_FREE struct cert c;
    struct err e = { 0 };
    cr_assert_eq(parse(&whole, &c, &e), 0, "%s", e.text);
    cr_assert_eq(c.serial, 0x0102030405060708);
    cr_assert_str_eq(c.id, "alice@laptop");
    cr_assert_eq(c.nprincipals, 2);
    cr_assert_str_eq(c.principals[0], "bob");
    cr_assert_str_eq(c.principals[1], "alice");
    cr_assert(c.after == 1000 && c.before == 2000);
    cr_assert_str_eq(c.command, "status one");
    cr_assert_str_eq(c.sources, "10.0.0.0/8,2001:db8::/32");
    cr_assert(c.verify_required && c.no_touch && c.terminal && !c.hardware);
    static const uint8_t key[] = "\0\0\0\x0bssh-ed25519\0\0\0\x20\x09\x08\x07";
    cr_assert_eq(c.nkey, 4 + 11 + 4 + 32);
    cr_assert_eq(memcmp(c.key, key, sizeof key - 1), 0);
    cr_assert(cert_signed(&c));
}

Test(cert, what_is_not_said_is_not_so)
{
    CERT_FREE struct cert c;
    struct err e = { 0 };
    cr_assert_eq(parse(&(struct parts){ 0 }, &c, &e), 0, "%s", e.text);
    cr_assert(c.nprincipals == 0 && !c.command && !c.sources && !c.verify_required && !c.no_touch && !c.terminal);
    cr_assert(c.after == 0 && c.before == UINT64_MAX);
    cr_assert(cert_signed(&c));
}

Test(cert, refused_with_words)
{
    static char long_id[CERT_ID_MOST + 2], long_command[CERT_COMMAND_MOST + 2], short_rsa[256], long_rsa[384];
    memset(long_id, 'i', sizeof long_id - 1);
    memset(long_command, 'c', sizeof long_command - 1);
    memset(short_rsa, 'n', sizeof short_rsa - 1);
    memset(long_rsa, 'n', sizeof long_rsa - 1);
    const struct { struct parts p; const char *words; } rows[] = {
        { { .kind = 2 }, "not one of a user" },
        { { .kind = 77 }, "not one of a user" },
        { { .id = long_id }, "an id longer than" },
        { { .critical = { "force-command", long_command } }, "a force-command longer than" },
        { { .critical = { "force-command", "" } }, "an empty force-command" },
        { { .critical = { "more@example.com", "x" } }, "unknown critical option 'more@example.com'" },
        { { .critical = { "", "x" } }, "unknown critical option ''" },
        { { .critical = { "Force-Command", "x" } }, "unknown critical option 'Force-Command'" },
        /* An extension that would be a limit if it were critical is not, and the other way round it is not known. */
        { { .critical = { "permit-pty", "-" } }, "unknown critical option 'permit-pty'" },
        { { .critical = { "no-touch-required", "-" } }, "unknown critical option 'no-touch-required'" },
        { { .critical = { "force-command", "a", "force-command", "b" } }, "'force-command' stands in it twice" },
        { { .critical = { "source-address", "10.0.0.0/8", "source-address", "0.0.0.0/0" } }, "'source-address' stands in it twice" },
        { { .critical = { "verify-required", "-", "verify-required", "-" } }, "'verify-required' stands in it twice" },
        { { .critical = { "verify-required", "no" } }, "'verify-required' has a value" },
        { { .critical = { "force-command", "-" } }, "the value of 'force-command' is broken" },
        { { .type = "ssh-rsa-cert-v01@openssh.com", .fields = { "e", short_rsa } }, "an RSA key of 2039 bits; allowed: 3072 at least" },
        { { .type = "ssh-rsa-cert-v01@openssh.com", .fields = { "e", long_rsa } }, "an RSA key of 3063 bits" },
        { { .type = "ssh-ed25519", .fields = { "k" } }, "of no kind" },
        { { .type = "ssh-dss-cert-v01@openssh.com", .fields = { "p", "q", "g" } }, "of no kind" },
        { { .type = "ssh-ed25519-cert-v00@openssh.com", .fields = { "k" } }, "of no kind" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct cert c;
        struct err e = { 0 };
        cr_assert_eq(parse(&rows[i].p, &c, &e), -1, "row %zu", i);
        cr_expect_not_null(strstr(e.text, rows[i].words), "row %zu: %s", i, e.text);
    }
}

Test(cert, every_kind)
{
    static char modulus[386];
    memset(modulus, 'n', sizeof modulus - 1);
    const struct { struct parts p; const char *word, *plain; bool hardware; } rows[] = {
        { { .type = "ecdsa-sha2-nistp256-cert-v01@openssh.com", .fields = { "c", "k" } }, "ECDSA-CERT", "ecdsa-sha2-nistp256", false },
        { { .type = "ecdsa-sha2-nistp521-cert-v01@openssh.com", .fields = { "c", "k" } }, "ECDSA-CERT", "ecdsa-sha2-nistp521", false },
        { { .type = "ssh-rsa-cert-v01@openssh.com", .fields = { "e", modulus } }, "RSA-CERT", "ssh-rsa", false },
        { { .type = "sk-ssh-ed25519-cert-v01@openssh.com", .fields = { "k", "ssh:" } }, "ED25519-SK-CERT", "sk-ssh-ed25519@openssh.com", true },
        { { .type = "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com", .fields = { "c", "k", "ssh:" } }, "ECDSA-SK-CERT",
          "sk-ecdsa-sha2-nistp256@openssh.com", true },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        CERT_FREE struct cert c;
        struct err e = { 0 };
        cr_assert_eq(parse(&rows[i].p, &c, &e), 0, "row %zu: %s", i, e.text);
        cr_assert_eq(memcmp(c.key + 4, rows[i].plain, strlen(rows[i].plain)), 0);
        cr_assert_str_eq(cert_word(c.blob, c.nblob), rows[i].word);
        cr_assert_eq(c.hardware, rows[i].hardware);
        cr_assert(cert_signed(&c));
    }
    cr_assert_null(cert_word("\0\0\0\x0bssh-ed25519", 15));
    cr_assert_null(cert_word("", 0));
    cr_assert_null(cert_word(NULL, 0));
}

Test(cert, cut_anywhere_it_is_none)
{
    struct buf b BUF_FREE = BUF(1 << 20);
    certs_make(&b, &whole, seed);
    for (size_t n = 0; n < buf_size(&b); n++) {
        struct cert c;
        /* Memory of just that size, so that a read past it is seen. */
        FREE_MEM uint8_t *part = mem_new(n ? n : 1);
        memcpy(part, buf_head(&b), n);
        cr_assert_eq(cert_parse(part, n, &c, NULL), -1, "%zu bytes", n);
    }
    struct cert c;
    buf_put_u8(&b, 0);
    cr_assert_eq(cert_parse(buf_head(&b), buf_size(&b), &c, NULL), -1, "a byte left over");
}

Test(cert, changed_anywhere_it_is_not_the_cas)
{
    struct buf b BUF_FREE = BUF(1 << 20);
    certs_make(&b, &whole, seed);
    unsigned parsed = 0;
    for (size_t n = 0; n < buf_size(&b); n++)
        for (unsigned bit = 0; bit < 8; bit++) {
            CERT_FREE struct cert c = { 0 };
            b.p[n] ^= (uint8_t)(1u << bit);
            if (cert_parse(buf_head(&b), buf_size(&b), &c, NULL) == 0) {
                parsed++;
                cr_assert_not(cert_signed(&c), "byte %zu bit %u", n, bit);
            }
            b.p[n] ^= (uint8_t)(1u << bit);
        }
    cr_assert_gt(parsed, 500);
}

Test(cert, only_ed25519_signs)
{
    const struct parts rows[] = {
        { .ca_type = "ssh-rsa" }, { .ca_type = "sk-ssh-ed25519@openssh.com" }, { .signature_type = "rsa-sha2-512" }, { .signature_type = "" },
        { .ca_type = "ssh-ed25519-cert-v01@openssh.com" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        CERT_FREE struct cert c;
        cr_assert_eq(parse(&rows[i], &c, NULL), 0);
        cr_assert_not(cert_signed(&c), "row %zu", i);
    }
}

static void nested(const char *what, const void *principals, size_t nprincipals, const void *critical, size_t ncritical)
{
    struct buf b BUF_FREE = BUF(1 << 20);
    struct cert c;
    buf_put_str(&b, "ssh-ed25519-cert-v01@openssh.com");
    buf_put_str(&b, "nonce");
    buf_put_str(&b, "key");
    buf_put_u64(&b, 1);
    buf_put_u32(&b, 1);
    buf_put_str(&b, "id");
    buf_put_bytes(&b, principals, nprincipals);
    buf_put_u64(&b, 0);
    buf_put_u64(&b, UINT64_MAX);
    buf_put_bytes(&b, critical, ncritical);
    for (int i = 0; i < 4; i++)
        buf_put_str(&b, "");
    int want = what ? -1 : 0;
    cr_expect_eq(cert_parse(buf_head(&b), buf_size(&b), &c, NULL), want, "%s", what ? what : "nothing wrong");
    if (want == 0)
        cert_free(&c);
}

#define BYTES(s) s, sizeof(s) - 1

Test(cert, broken_lists)
{
    nested(NULL, BYTES("\0\0\0\1a"), BYTES(""));
    nested("a principal cut short", BYTES("\0\0\0\2a"), BYTES(""));
    nested("a length cut short", BYTES("\0\0\0\1a\0\0"), BYTES(""));
    nested("a huge principal", BYTES("\xff\xff\xff\xff" "a"), BYTES(""));
    nested("a NUL in a principal", BYTES("\0\0\0\7alice\0x"), BYTES(""));
    nested("an option without its value", BYTES(""), BYTES("\0\0\0\x0fverify-required"));
    nested(NULL, BYTES(""), BYTES("\0\0\0\x0fverify-required\0\0\0\0"));
    nested("bytes behind the last option", BYTES(""), BYTES("\0\0\0\x0fverify-required\0\0\0\0\0"));
    nested(NULL, BYTES(""), BYTES("\0\0\0\x0d" "force-command\0\0\0\5\0\0\0\1a"));
    nested("bytes behind a command", BYTES(""), BYTES("\0\0\0\x0d" "force-command\0\0\0\6\0\0\0\1ab"));
    nested("a NUL in a command", BYTES(""), BYTES("\0\0\0\x0d" "force-command\0\0\0\7\0\0\0\3a\0b"));
    struct buf many BUF_FREE = BUF(1 << 20);
    for (int i = 0; i < CERT_PRINCIPALS_MOST; i++)
        buf_put_str(&many, "p");
    nested(NULL, buf_head(&many), buf_size(&many), BYTES(""));
    buf_put_str(&many, "p");
    nested("too many principals", buf_head(&many), buf_size(&many), BYTES(""));
}

Test(cert, where_from)
{
    const struct { const char *sources, *address; int want; } rows[] = {
        { "10.0.0.0/8", "10.255.0.1", 1 }, { "10.0.0.0/8", "11.0.0.1", 0 }, { "10.0.0.0/8,11.0.0.1", "11.0.0.1", 1 },
        { "11.0.0.1", "11.0.0.2", 0 }, { "0.0.0.0/0", "8.8.8.8", 1 }, { "0.0.0.0/0", "2001:db8::1", 0 }, { "::/0", "2001:db8::1", 1 },
        { "2001:db8::/32", "2001:db8:1::1", 1 }, { "2001:db8::/33", "2001:db8:8000::1", 0 }, { "192.0.2.128/25", "192.0.2.127", 0 },
        /* A list with anything wrong in it lets nobody in, whatever else it holds. */
        { "", "10.0.0.1", -1 }, { "10.0.0.0/8,", "10.0.0.1", -1 }, { "10.0.0.0/8, 11.0.0.1", "10.0.0.1", -1 }, { "10.0.0.1/8", "10.0.0.1", -1 },
        { "10.0.0.0/33", "10.0.0.1", -1 }, { "*", "10.0.0.1", -1 }, { "!10.0.0.0/8", "11.0.0.1", -1 }, { "host.example", "10.0.0.1", -1 },
        { "10.0.0.0/8", "elsewhere", -1 }, { "10.0.0.0/8", "", -1 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        cr_expect_eq(cert_from(rows[i].sources, rows[i].address), rows[i].want, "%s in %s", rows[i].address, rows[i].sources);
}

/* --- trust ---------------------------------------------------------------------------------------------------------------------- */

static struct pass pass;
static char subject[KEY_FINGERPRINT], ca_line[200], subject_line[200];

static void line_of(const uint8_t *blob, size_t size, char out[200])
{
    char text[160];
    sodium_bin2base64(text, sizeof text, blob, size, sodium_base64_VARIANT_ORIGINAL);
    snprintf(out, 200, "ssh-ed25519 %s label", text);
}

static void known(struct cert *c)
{
    struct parts p = whole;
    p.serial = 100;
    cr_assert_eq(parse(&p, c, NULL), 0);
    pass_of(c, &pass);
    key_fingerprint(c->key, c->nkey, subject);
    line_of(c->ca, c->nca, ca_line);
    line_of(c->key, c->nkey, subject_line);
}

Test(trust, who_is_trusted)
{
    CERT_FREE struct cert c;
    known(&c);
    struct trust *t = trust_new(), *other = trust_new();
    cr_assert_str_eq(trust_refuses(NULL, &pass, subject, 1500), "signed by an unknown CA");
    cr_assert_str_eq(trust_refuses(t, &pass, subject, 1500), "signed by an unknown CA");
    cr_assert_eq(trust_add_ca(t, "# words", NULL), 0);
    cr_assert_eq(trust_add_ca(t, ca_line, NULL), 0);
    cr_assert_null(trust_refuses(t, &pass, subject, 1500));
    cr_assert_null(trust_refuses(t, &pass, subject, 1999));
    cr_assert_str_eq(trust_refuses(t, &pass, subject, 2000), "expired");
    cr_assert_eq(trust_changes(t, NULL), 0);
    cr_assert_eq(trust_changes(t, other), 1);
    trust_add_ca(other, "# words", NULL);
    trust_add_ca(other, ca_line, NULL);
    cr_assert_eq(trust_changes(t, other), 0);
    trust_free(other);
    trust_free(t);
    trust_free(NULL);
}

Test(trust, what_is_revoked)
{
    CERT_FREE struct cert c;
    known(&c);
    char key_line[210], sha_line[210], hash_line[70], range_line[] = "serial: 99-0x64";
    snprintf(key_line, sizeof key_line, "key: %s", subject_line);
    snprintf(sha_line, sizeof sha_line, "sha256:%s", subject_line);
    snprintf(hash_line, sizeof hash_line, "hash: %s", subject);
    const struct { const char *line; bool revokes; } rows[] = {
        { "serial: 100", true }, { "serial:100", true }, { range_line, true }, { "serial: 0144", true }, { "serial: 1 - 18446744073709551615", true },
        { "serial: 101", false }, { "serial: 1-99", false }, { "serial: 101-200", false },
        { "id: alice@laptop", true }, { "id:alice@laptop  ", true }, { "id: alice@lapto", false }, { "id: alice@laptop2", false },
        { subject_line, true }, { ca_line, true }, { key_line, true }, { sha_line, true }, { hash_line, true }, { "", false }, { "  # serial: 100", false },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct trust *t = trust_new();
        struct err e = { 0 };
        trust_add_ca(t, ca_line, NULL);
        cr_assert_eq(trust_add_revoked(t, rows[i].line, &e), 0, "%s: %s", rows[i].line, e.text);
        const char *why = trust_refuses(t, &pass, subject, 1500);
        cr_expect(rows[i].revokes ? why && strcmp(why, "revoked") == 0 : why == NULL, "%s: %s", rows[i].line, why ? why : "lets in");
        trust_free(t);
    }
}

Test(trust, lines_that_are_wrong)
{
    CERT_FREE struct cert c;
    known(&c);
    static const char *const bad[] = {
        "serial: 0", "serial: 0-5", "serial:", "serial: -1", "serial: 5-4", "serial: 5-", "serial: 5 6", "serial: 0x", "serial: 18446744073709551616",
        "serial: 1e3", "id:", "id:   ", "hash: SHA256:short", "hash: MD5:0", "hash:", "key:", "sha256:", "sha1: x", "what: x", "rubbish",
        "key: ssh-ed25519 AAAA", "ssh-ed25519-cert-v01@openssh.com AAAA x", "serial 5",
    };
    struct trust *t = trust_new();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct err e = { 0 };
        cr_expect_eq(trust_add_revoked(t, bad[i], &e), -1, "'%s'", bad[i]);
        cr_expect(e.text[0] || e.step[0], "'%s' without words", bad[i]);
    }
    trust_add_ca(t, ca_line, NULL);
    cr_assert_null(trust_refuses(t, &pass, subject, 1500), "nothing of them counts");
    static const char *const no_ca[] = { "rubbish", "serial: 5", "ssh-rsa AAAA", "ssh-ed25519 AAAA" };
    for (size_t i = 0; i < sizeof no_ca / sizeof *no_ca; i++)
        cr_expect_eq(trust_add_ca(t, no_ca[i], NULL), -1, "'%s'", no_ca[i]);
    trust_free(t);
}

/* --- proof ---------------------------------------------------------------------------------------------------------------------- */

Test(proof, fits)
{
    for (uint32_t proof = 0; proof < 16; proof++)
        for (uint32_t flags = 0; flags < 8; flags++) {
            bool touch = flags & KEY_NO_TOUCH || proof & PROOF_TOUCH, verified = !(flags & KEY_VERIFY_REQUIRED) || proof & PROOF_VERIFIED;
            cr_assert_eq(proof_fits(proof, flags), touch && verified, "%u %u", proof, flags);
            if (!proof_fits(proof, flags))
                cr_assert_not_null(strstr(proof_missing(proof, flags), verified ? "touched" : "verify"));
        }
}
