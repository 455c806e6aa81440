/* Random bytes for libssh, which asks for a few with every packet it sends, as padding.  OpenSSL's generator takes a microsecond and four locks for
   them; a tenth of the CPU of a download went there.  The kernel's are as good: fetched by the page, used once, wiped.

   Replaces OpenSSL's function for libssh, which reaches it through its procedure linkage table; OpenSSL itself goes on with its own. */
#include <errno.h>
#include <openssl/rand.h>
#include <string.h>
#include <sys/random.h>

#include "base/die.h"

enum { POOL = 4096, FEW = 32 };

static unsigned char pool[POOL];
static size_t left;

static void fill(unsigned char *to, size_t size)
{
    for (size_t have = 0; have < size;) {
        ssize_t n = getrandom(to + have, size - have, 0);
        if (n < 0 && errno != EINTR)
            die_errno("getrandom");
        have += n > 0 ? (size_t)n : 0;
    }
}

/* What is secret, a key of an exchange, is as long as FEW at least and never lies in the pool. */
__attribute__((visibility("default"))) int RAND_bytes(unsigned char *bytes, int n)
{
    if (n < 0)
        return 0;
    size_t size = (size_t)n;
    if (size >= FEW) {
        fill(bytes, size);
        return 1;
    }
    if (left < size) {
        fill(pool, sizeof pool);
        left = sizeof pool;
    }
    left -= size;
    memcpy(bytes, pool + left, size);
    explicit_bzero(pool + left, size);
    return 1;
}
