#include "store/stored/secret.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <sodium.h>

#include "base/attr.h"
#include "base/die.h"
#include "base/log.h"
#include "base/mem.h"

enum { BOND_MOST = 1024 };

_Static_assert(SECRET_KEY == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "the key's size is the cipher's");
_Static_assert(SECRET_NONCE == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES, "the nonce's size is the cipher's");
_Static_assert(SECRET_TAG == crypto_aead_xchacha20poly1305_ietf_ABYTES, "the tag's size is the cipher's");

static _Alignas(4096) union {
    struct {
        struct secret secrets[SECRET_PLACES];
        uint8_t digest[HASH_KEY];
    };
    uint8_t page[4096];
} held;

void secret_lock_memory(void)
{
    static enum { ASK, MAY, MAY_NOT } may;
    struct rlimit most = { 0 };
    /* Asked once: who is forked later may be locked down by then.  Under any limit a later allocation could fail for it. */
    if (may == ASK)
        may = getrlimit(RLIMIT_MEMLOCK, &most) == 0 && most.rlim_cur == RLIM_INFINITY ? MAY : MAY_NOT;
    else if (may == MAY_NOT)
        return;
    if (may == MAY && mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0)
        return;
    may = MAY_NOT;
    log_warn("store.unlocked", "memory_limit=%llu why=\"passwords and own keys that are being looked at may be swapped out\"",
             (unsigned long long)most.rlim_cur);
}

/* Where the limit forbids it the store still runs: an unlocked page is worse, no login at all is worst. */
static void hold(void)
{
    static bool done;
    struct rlimit most;
    if (done)
        return;
    done = true;
    if (mlock(&held, sizeof held) < 0) {
        int why = errno;
        if (getrlimit(RLIMIT_MEMLOCK, &most) < 0 || most.rlim_cur >= sizeof held || (why != EPERM && why != ENOMEM))
            die("mlock of a key: %s", strerror(why));
        log_warn("store.unlocked", "memory_limit=%llu needed=%zu", (unsigned long long)most.rlim_cur, sizeof held);
    }
    madvise(&held, sizeof held, MADV_DONTDUMP);
}

static void derive(const uint8_t *key, const char *what, uint8_t *out, size_t size)
{
    crypto_generichash(out, size, (const unsigned char *)what, strlen(what), key, SECRET_KEY);
}

const struct secret *secret_take(int fd, enum secret_place place, struct err *e)
{
    struct secret *s = &held.secrets[place];
    hold();
    /* Behind the key lies its hash key: a byte more than the key, to see a longer one, has room. */
    ssize_t n = pread(fd, s, SECRET_KEY + 1, 0);
    if (n != SECRET_KEY) {
        secret_forget(place);
        err_set(e, n < 0 ? errno : 0, "secret key", "must have %d bytes", SECRET_KEY);
        return NULL;
    }
    derive(s->key, "holdfast hash key", s->hash, sizeof s->hash);
    derive(s->key, "holdfast key id", s->id, sizeof s->id);
    return s;
}

void secret_advance(void)
{
    held.secrets[SECRET_NOW] = held.secrets[SECRET_NEXT];
    secret_forget(SECRET_NEXT);
}

void secret_forget(enum secret_place place)
{
    mem_wipe(&held.secrets[place], sizeof held.secrets[place]);
}

void secret_forget_key(enum secret_place place)
{
    mem_wipe(held.secrets[place].key, SECRET_KEY);
}

uint8_t *secret_digest_key(void)
{
    hold();
    return held.digest;
}

/* Each part with its length in front: no two bonds give the same bytes. */
static void put_bond(struct buf *b, const struct secret_bond *bond)
{
    buf_put_str(b, bond->use);
    buf_put_str(b, bond->account);
    buf_put_bytes(b, bond->id, bond->size);
    invariant(!b->bad);
}

void secret_seal(const uint8_t *key, const struct secret_bond *bond, const void *text, size_t size, struct buf *out)
{
    BUF_FREE struct buf with = BUF(BOND_MOST);
    put_bond(&with, bond);
    uint8_t *at = buf_room(out, SECRET_NONCE + size + SECRET_TAG);
    if (at == NULL)
        return;
    /* 24 random bytes do not come twice. */
    randombytes_buf(at, SECRET_NONCE);
    crypto_aead_xchacha20poly1305_ietf_encrypt(at + SECRET_NONCE, NULL, text, size, buf_head(&with), buf_size(&with), NULL, at, key);
    buf_added(out, SECRET_NONCE + size + SECRET_TAG);
}

int secret_open(const uint8_t *key, const struct secret_bond *bond, const void *sealed, size_t size, struct buf *out)
{
    BUF_FREE struct buf with = BUF(BOND_MOST);
    const uint8_t *from = sealed;
    put_bond(&with, bond);
    if (size < SECRET_NONCE + SECRET_TAG)
        return -1;
    size_t most = size - SECRET_NONCE - SECRET_TAG;
    uint8_t *at = buf_room(out, most ? most : 1);
    if (at == NULL || crypto_aead_xchacha20poly1305_ietf_decrypt(at, NULL, NULL, from + SECRET_NONCE, size - SECRET_NONCE, buf_head(&with),
                                                                 buf_size(&with), from, key) != 0)
        return -1;
    buf_added(out, most);
    return 0;
}
