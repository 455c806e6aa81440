/* Sealed texts: what opens them, and what does not. */
#include <criterion/criterion.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "base/io.h"
#include "base/mem.h"
#include "store/stored/secret.h"

static const uint8_t key[SECRET_KEY] = { 1, 2, 3 }, other[SECRET_KEY] = { 1, 2, 4 };
static const uint8_t row[32] = { 7 }, next_row[32] = { 8 };
static const struct secret_bond bond = { .use = "own key", .account = "alice", .id = row, .size = sizeof row };

static void start(void)
{
    cr_assert_geq(sodium_init(), 0);
}

TestSuite(secret, .init = start);

Test(secret, opens_with_key_and_bond)
{
    static const char *const texts[] = { "", "x", "ssh-ed25519 AAAA alice@laptop" };
    for (size_t i = 0; i < countof(texts); i++) {
        struct buf sealed = BUF(4096), text = BUF(4096);
        buf_put(&text, "<", 1);
        secret_seal(key, &bond, texts[i], strlen(texts[i]), &sealed);
        cr_assert_eq(buf_size(&sealed), strlen(texts[i]) + SECRET_NONCE + SECRET_TAG);
        cr_assert_eq(secret_open(key, &bond, buf_head(&sealed), buf_size(&sealed), &text), 0);
        cr_assert_eq(buf_size(&text), 1 + strlen(texts[i]));
        cr_assert_eq(memcmp(buf_head(&text) + 1, texts[i], strlen(texts[i])), 0);
        buf_wipe(&sealed);
        buf_wipe(&text);
    }
}

Test(secret, never_twice_the_same)
{
    BUF_FREE struct buf one = BUF(4096), two = BUF(4096);
    secret_seal(key, &bond, "text", 4, &one);
    secret_seal(key, &bond, "text", 4, &two);
    cr_assert_neq(memcmp(buf_head(&one), buf_head(&two), buf_size(&one)), 0);
    cr_assert_null(memmem(buf_head(&one), buf_size(&one), "text", 4));
}

Test(secret, moved_to_another_place_fails)
{
    const struct secret_bond elsewhere[] = {
        { .use = "own key", .account = "alice", .id = next_row, .size = sizeof next_row },
        { .use = "own key", .account = "bob", .id = row, .size = sizeof row },
        { .use = "totp seed", .account = "alice", .id = row, .size = sizeof row },
        { .use = "own key", .account = "alice", .id = row, .size = sizeof row - 1 },
        { .use = "own key", .account = "alice" },
        { .use = "own keya", .account = "lice", .id = row, .size = sizeof row },
    };
    BUF_FREE struct buf sealed = BUF(4096), text = BUF(4096);
    secret_seal(key, &bond, "text", 4, &sealed);
    for (size_t i = 0; i < countof(elsewhere); i++)
        cr_assert_eq(secret_open(key, &elsewhere[i], buf_head(&sealed), buf_size(&sealed), &text), -1, "%zu", i);
    cr_assert_eq(secret_open(other, &bond, buf_head(&sealed), buf_size(&sealed), &text), -1);
    cr_assert_eq(buf_size(&text), 0);
}

Test(secret, any_changed_or_missing_byte_fails)
{
    BUF_FREE struct buf sealed = BUF(4096), text = BUF(4096);
    secret_seal(key, &bond, "text", 4, &sealed);
    for (size_t i = 0; i < buf_size(&sealed); i++) {
        sealed.p[sealed.off + i] ^= 1;
        cr_assert_eq(secret_open(key, &bond, buf_head(&sealed), buf_size(&sealed), &text), -1, "%zu", i);
        sealed.p[sealed.off + i] ^= 1;
        cr_assert_eq(secret_open(key, &bond, buf_head(&sealed), i, &text), -1, "cut at %zu", i);
    }
    cr_assert_eq(secret_open(key, &bond, buf_head(&sealed), buf_size(&sealed), &text), 0);
}

Test(secret, too_large_is_bad_and_not_cut)
{
    char large[200] = { 0 };
    BUF_FREE struct buf sealed = BUF(128);
    secret_seal(key, &bond, large, sizeof large, &sealed);
    cr_assert(sealed.bad);
    cr_assert_eq(buf_size(&sealed), 0);
}

Test(secret, taken_whole_or_not)
{
    static const struct { size_t size; bool good; } files[] = { { 32, true }, { 31, false }, { 33, false }, { 0, false } };
    uint8_t bytes[33];
    memset(bytes, 'k', sizeof bytes);
    for (size_t i = 0; i < countof(files); i++) {
        struct err e = { 0 };
        CLOSE_FD int fd = io_sealed("key", bytes, files[i].size);
        cr_assert_geq(fd, 0);
        /* Where the one before stopped does not count. */
        lseek(fd, 5, SEEK_SET);
        const struct secret *got = secret_take(fd, SECRET_NOW, &e);
        cr_assert_eq(got != NULL, files[i].good, "%zu", files[i].size);
        if (got) {
            cr_assert_eq(memcmp(got->key, bytes, SECRET_KEY), 0);
            secret_forget_key(SECRET_NOW);
            cr_assert(sodium_is_zero(got->key, SECRET_KEY) && !sodium_is_zero(got->hash, HASH_KEY));
            secret_forget(SECRET_NOW);
            cr_assert(sodium_is_zero((const void *)got, sizeof *got));
        } else
            cr_assert_not_null(strstr(e.text, "32 bytes"), "%s", e.text);
    }
}

Test(secret, one_takes_the_place_of_the_other)
{
    struct err e = { 0 };
    CLOSE_FD int one = io_sealed("key", key, sizeof key), two = io_sealed("key", other, sizeof other);
    const struct secret *now = secret_take(one, SECRET_NOW, &e);
    const struct secret before = *now, *next = secret_take(two, SECRET_NEXT, &e);
    cr_assert(memcmp(before.hash, next->hash, HASH_KEY) != 0 && memcmp(before.id, next->id, SECRET_ID) != 0);
    cr_assert(memcmp(before.hash, before.key, HASH_KEY) != 0 && memmem(before.key, SECRET_KEY, before.id, SECRET_ID) == NULL);
    const struct secret want = *next;
    secret_advance();
    cr_assert_eq(memcmp(now, &want, sizeof want), 0);
    cr_assert(sodium_is_zero((const void *)next, sizeof *next));
}
