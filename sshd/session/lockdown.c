#include "sshd/session/lockdown.h"

#define LIBSSH_LEGACY_0_4
#include <libssh/libssh.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <time.h>

#include "config.h"

#include "base/attr.h"
#include "base/die.h"
#include "base/io.h"
#include "sandbox/lock/lock.h"
#include "sandbox/lock/session.bpf.h"

/* Bytes of memory: the queues of all channels and libssh's windows fit, a regular expression of a stranger's that grows does not. */
#define MEMORY (512ull * 1024 * 1024)

void lockdown_prepare(void)
{
    unsigned char byte;
    char text[32];
    tzset();
    wall_text(0, text, sizeof text);
    /* Nothing of a machine's openssl.cnf is for us, and each table left out is memory of every connection: 80 KiB of them.  The generator is
       OpenSSL's own for keys it makes itself (random.c is libssh's). */
    if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_LOAD_CRYPTO_STRINGS | OPENSSL_INIT_NO_ADD_ALL_CIPHERS |
                            OPENSSL_INIT_NO_ADD_ALL_DIGESTS, NULL) != 1 ||
        RAND_priv_bytes(&byte, 1) != 1)
        die("OpenSSL does not start");
    if (ssh_init() != SSH_OK)
        die("libssh does not start");
}

void lockdown(void)
{
    static const struct lock_limit limits[] = {
        { RLIMIT_NPROC, 0 },
        { RLIMIT_FSIZE, RLIM_INFINITY },
        { RLIMIT_CORE, 1 },
        { RLIMIT_NOFILE, 1024 },
#ifndef SANITIZERS
        { RLIMIT_DATA, MEMORY },
#endif
    };
    static const struct lock lock = {
        .limits = limits,
        .nlimits = countof(limits),
        LOCK_FILTER(lock_session_filter),
    };
    lock_apply(&lock);
}
