/* Certificates against any bytes: nothing is read past them, and no certificate that was changed under its signature still has it.

     t/fuzz/cert [-n TIMES] [-s SEED]    mutates certificates of its own making
     t/fuzz/cert FILE...                 replays blobs

   With clang: -DLIBFUZZER -fsanitize=fuzzer makes a libFuzzer target of it. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/die.h"
#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/stored/cert.h"
#include "store/stored/trust.h"
#include "t/lib/certs.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static bool was_signed;

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct cert c;
    struct err e = { 0 };
    /* Memory of just that size, so that a read past it is seen. */
    FREE_MEM uint8_t *exact = mem_new(size ? size : 1);
    memcpy(exact, bytes, size);
    was_signed = false;
    bool begins = cert_word(exact, size) != NULL;
    if (cert_parse(exact, size, &c, &e) < 0) {
        invariant(e.text[0] && c.blob == NULL && c.key == NULL && c.principals == NULL);
        return 0;
    }
    struct pass p;
    char fingerprint[KEY_FINGERPRINT];
    invariant(begins && c.id && c.nsigned < size && c.nprincipals <= CERT_PRINCIPALS_MOST);
    was_signed = cert_signed(&c);
    pass_of(&c, &p);
    key_fingerprint(c.key, c.nkey, fingerprint);
    invariant(trust_refuses(NULL, &p, fingerprint, 0) != NULL);
    if (c.sources)
        cert_from(c.sources, "192.0.2.1");
    cert_free(&c);
    return 0;
}

#ifndef LIBFUZZER
#include "t/fuzz/own.h"
static const char *const words[] = { "alice", "force-command", "source-address", "verify-required", "permit-pty", "no-touch-required", "-",
                                     "10.0.0.0/8,::/0", "x@y", "", "status" };
static const char *word(void) { return words[next(sizeof words / sizeof *words)]; }

static void make(struct buf *b)
{
    static const uint8_t seed[crypto_sign_SEEDBYTES] = { 7 };
    static const char *const types[] = { NULL, "ssh-rsa-cert-v01@openssh.com", "ecdsa-sha2-nistp384-cert-v01@openssh.com",
                                         "sk-ssh-ed25519-cert-v01@openssh.com", "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com" };
    struct parts p = { .type = types[next(5)], .serial = next(9), .kind = next(8) ? 1 : 2, .id = word(), .fields = { "k", "k", "k" } };
    if (p.type && strncmp(p.type, "sk-ecdsa", 8) != 0)
        p.fields[2] = NULL;
    for (uint32_t i = 0, n = next(4); i < n; i++)
        p.principals[i] = word();
    for (uint32_t i = 0, n = next(4) * 2; i < n; i++)
        p.critical[i] = word();
    for (uint32_t i = 0, n = next(4) * 2; i < n; i++)
        p.extensions[i] = word();
    certs_make(b, &p, seed);
}

/* A byte changed, a length, a piece cut out or doubled. */
static void change(struct buf *b)
{
    uint32_t size = (uint32_t)buf_size(b), at = next(size), n = 1 + next(16);
    if (n > size - at)
        n = size - at;
    switch (next(4)) {
    case 0:
        b->p[at] ^= (uint8_t)(1 + next(255));
        break;
    case 1:
        memset(b->p + at, next(2) ? 0xff : 0, n);
        break;
    case 2:
        memmove(b->p + at, b->p + at + n, size - at - n);
        b->len -= n;
        break;
    default:
        buf_put(b, "0123456789abcdef", n);
        memmove(b->p + at + n, b->p + at, size - at);
    }
}

int main(int argc, char **argv)
{
    unsigned long whole = 0;
    log_init("fuzz-cert", LOG_ERROR);
    unsigned long times = own_times(argc, argv, 20000);
    for (unsigned long i = 0; i < times; i++) {
        BUF_FREE struct buf b = BUF(1 << 20), was = BUF(1 << 20);
        make(&b);
        LLVMFuzzerTestOneInput(b.p, b.len);
        whole += was_signed;
        buf_put(&was, b.p, b.len);
        for (uint32_t n = 1 + next(3); n > 0 && b.len > 0; n--)
            change(&b);
        LLVMFuzzerTestOneInput(b.p, b.len);
        invariant(!was_signed || (b.len == was.len && memcmp(b.p, was.p, b.len) == 0));
    }
    /* Else what is made above is not what was meant, and nothing was tried. */
    if (times >= 1000 && whole < times / 50)
        die("only %lu of %lu certificates were right before they were changed", whole, times);
    return 0;
}
#endif
