/* The rows of second factors: enrolling, codes once, recovery codes, the wait after wrong ones; all of it durable, and nothing of it readable. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <liboath/oath.h>
#include <sodium.h>

#include "base/io.h"
#include "base/mem.h"
#include "store/stored/db.h"
#include "store/stored/factor.h"
#include "store/stored/migrate.h"
#include "store/stored/secret.h"

static const uint8_t seal[SECRET_KEY] = { 1 }, other_seal[SECRET_KEY] = { 2 }, hash_key[32] = { 3 };
static const struct factor_keys keys = { .seal = seal, .digest = hash_key };
static const int64_t T = 1700000000000;
static char folder[64], file[96];
static sqlite3 *db;
static struct err e;
static uint8_t seed[TOTP_SEED];
static struct recovery_codes codes;

static void open_db(void)
{
    db = db_open(file, &e);
    cr_assert_not_null(db, "%s: %s", e.step, e.text);
    cr_assert_eq(migrate(db, &e), 0);
}

static void make(void)
{
    cr_assert_geq(sodium_init(), 0);
    snprintf(folder, sizeof folder, "/tmp/holdfast-factor.XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    snprintf(file, sizeof file, "%s/store.db", folder);
    open_db();
    cr_assert_eq(db_exec(db, "INSERT INTO account (name, password, suspended, max_connections, second_factor, digest) VALUES ('eve', 1, 0, 9, 1, x'00'), "
                             "('bob', 1, 0, 9, 0, x'00')", &e), 0, "%s", e.text);
}

static void drop(void)
{
    static const char *const ends[] = { "", "-wal", "-shm" };
    char path[128];
    db_close(db);
    for (size_t i = 0; i < countof(ends); i++) {
        snprintf(path, sizeof path, "%s%s", file, ends[i]);
        unlink(path);
    }
    rmdir(folder);
}

/* As after a death of the store. */
static void again(void)
{
    db_close(db);
    open_db();
}

static const char *code_at(int64_t ms)
{
    static char code[TOTP_DIGITS + 1];
    cr_assert_eq(oath_hotp_generate((const char *)seed, sizeof seed, (uint64_t)totp_step(ms), TOTP_DIGITS, false, OATH_HOTP_DYNAMIC_TRUNCATION, code),
                 OATH_OK);
    return code;
}

static struct factor_check check(const char *account, const char *typed, int64_t at)
{
    struct factor_check c;
    cr_assert_eq(factor_check(db, &keys, account, typed, strlen(typed), at, &c, &e), 0, "%s", e.text);
    return c;
}

static enum factor_verdict activate(const char *typed, int64_t at)
{
    struct factor_check c;
    cr_assert_eq(factor_activate(db, &keys, "eve", typed, strlen(typed), at, &c, &codes, &e), 0, "%s", e.text);
    return c.verdict;
}

static int64_t active(const char *account)
{
    struct factor f;
    cr_assert_eq(factor_find(db, account, &f, &e), 1);
    return f.seed;
}

/* Of eve, in force since T. */
static void enrolled(void)
{
    cr_assert_eq(factor_enroll(db, seal, "eve", seed, &e), 0);
    cr_assert_eq(activate(code_at(T), T), FACTOR_RIGHT);
}

TestSuite(factor, .init = make, .fini = drop);

Test(factor, not_in_force_before_it_is_verified)
{
    struct factor f;
    cr_assert_eq(factor_find(db, "eve", &f, &e), 1);
    cr_assert(f.demanded && f.seed == 0);
    cr_assert_eq(activate("000000", T), FACTOR_ABSENT);
    cr_assert_eq(factor_enroll(db, seal, "eve", seed, &e), 0);
    cr_assert_eq(active("eve"), 0);
    cr_assert_eq(check("eve", code_at(T), T).verdict, FACTOR_ABSENT);
    cr_assert_eq(activate(code_at(T + 90000), T), FACTOR_WRONG);
    cr_assert_eq(activate("nonsense", T), FACTOR_WRONG);
    cr_assert_eq(activate(code_at(T), T), FACTOR_RIGHT);
    cr_assert_neq(active("eve"), 0);
    cr_assert_eq(activate(code_at(T), T), FACTOR_ABSENT, "it is pending no more");
}

Test(factor, a_code_once_even_by_another_store)
{
    enrolled();
    cr_assert_eq(check("eve", code_at(T), T).verdict, FACTOR_WRONG, "the one it was verified with");
    cr_assert_eq(check("eve", code_at(T + 30000), T).verdict, FACTOR_RIGHT, "the next, a step ahead");
    again();
    cr_assert_eq(check("eve", code_at(T + 30000), T + 30000).verdict, FACTOR_WRONG);
    cr_assert_eq(check("eve", code_at(T), T).verdict, FACTOR_WRONG, "nor one before it");
    cr_assert_eq(check("eve", code_at(T + 60000), T + 60000).verdict, FACTOR_RIGHT);
}

Test(factor, another_seed_only_when_verified)
{
    enrolled();
    int64_t first = active("eve");
    uint8_t old[TOTP_SEED];
    memcpy(old, seed, sizeof old);
    cr_assert_eq(factor_enroll(db, seal, "eve", seed, &e), 0);
    cr_assert_eq(active("eve"), first);
    struct recovery_codes before = codes;
    cr_assert_eq(activate(code_at(T), T), FACTOR_RIGHT);
    cr_assert_neq(active("eve"), first);
    memcpy(seed, old, sizeof old);
    cr_assert_eq(check("eve", code_at(T + 30000), T + 30000).verdict, FACTOR_WRONG, "the old one counts no more");
    cr_assert_eq(check("eve", before.shown[0], T).verdict, FACTOR_WRONG, "nor its recovery codes");
    cr_assert_eq(check("eve", codes.shown[0], T).verdict, FACTOR_RIGHT);
}

Test(factor, recovery_codes_once_each)
{
    enrolled();
    for (unsigned i = 0; i < RECOVERY_CODES; i++) {
        struct factor_check c = check("eve", codes.shown[i], T);
        cr_assert(c.verdict == FACTOR_RIGHT && c.recovery && c.left == RECOVERY_CODES - 1 - i, "%u", i);
        again();
        cr_assert_eq(check("eve", codes.shown[i], T).verdict, FACTOR_WRONG);
    }
    cr_assert_eq(factor_recovery(db, &keys, "eve", &codes, &e), 0);
    struct recovery_codes first = codes;
    cr_assert_eq(factor_recovery(db, &keys, "eve", &codes, &e), 0);
    cr_assert_eq(check("eve", first.shown[3], T).verdict, FACTOR_WRONG, "those before are void");
    cr_assert_eq(check("eve", codes.shown[3], T).verdict, FACTOR_RIGHT);
}

Test(factor, ten_wrong_ones_and_then_a_wait_that_grows)
{
    static const unsigned waits[] = { 15, 30, 60, 120, 240, 480, 600, 600 };
    int64_t now = T + 60000;
    enrolled();
    for (unsigned i = 0; i < FACTOR_FREE; i++)
        cr_assert_eq(check("eve", i % 2 ? "000000" : "nonsense", now).verdict, FACTOR_WRONG, "%u", i);
    for (size_t i = 0; i < countof(waits); i++) {
        again();
        struct factor_check c = check("eve", code_at(now), now);
        cr_assert_eq(c.verdict, FACTOR_LATER, "the right one is not looked at");
        cr_assert_eq(c.wait_s, waits[i]);
        now += (int64_t)waits[i] * 1000;
        cr_assert_eq(check("eve", "000000", now - 1).verdict, FACTOR_LATER);
        if (i + 1 < countof(waits))
            cr_assert_eq(check("eve", "000000", now).verdict, FACTOR_WRONG);
    }
    cr_assert_eq(check("eve", code_at(now), now).verdict, FACTOR_RIGHT, "and was not used up");
    cr_assert_eq(check("eve", "000000", now).verdict, FACTOR_WRONG, "a right one begins anew");
    cr_assert_eq(check("eve", code_at(now + 30000), now).verdict, FACTOR_RIGHT);
}

Test(factor, a_clock_that_was_set_back_locks_nobody_out)
{
    enrolled();
    for (unsigned i = 0; i <= FACTOR_FREE; i++)
        check("eve", "000000", T + 365ll * 86400000 + i * 20000);
    cr_assert_eq(check("eve", "000000", T).verdict, FACTOR_LATER);
    cr_assert_leq(check("eve", "000000", T).wait_s, FACTOR_WAIT_MOST_MS / 1000);
}

Test(factor, of_one_account_is_of_no_other)
{
    enrolled();
    char mine[RECOVERY_SHOWN];
    memcpy(mine, codes.shown[0], sizeof mine);
    cr_assert_eq(check("bob", mine, T).verdict, FACTOR_ABSENT);
    cr_assert_eq(db_exec(db, "INSERT INTO seed SELECT 'bob', state, id, sealed, made, 0 FROM seed", &e), 0);
    cr_assert_eq(db_exec(db, "INSERT INTO recovery SELECT 'bob', hash FROM recovery", &e), 0);
    cr_assert_eq(check("bob", code_at(T + 30000), T).verdict, FACTOR_UNREADABLE, "a sealed seed that was moved does not open");
    cr_assert_eq(check("bob", mine, T).verdict, FACTOR_WRONG, "a moved hash fits nothing");
    cr_assert_eq(check("eve", mine, T).verdict, FACTOR_RIGHT);
}

/* Not even a recovery code whose hash fits; none is counted as wrong. */
Test(factor, without_the_secret_key_nothing_is_right)
{
    struct factor_check c;
    enrolled();
    const struct factor_keys lost = { .digest = hash_key };
    for (int i = 0; i < 2 * FACTOR_FREE; i++) {
        cr_assert_eq(factor_check(db, &lost, "eve", code_at(T + 30000), 6, T, &c, &e), 0);
        cr_assert_eq(c.verdict, FACTOR_UNREADABLE);
        cr_assert_eq(factor_check(db, &lost, "eve", codes.shown[0], strlen(codes.shown[0]), T, &c, &e), 0);
        cr_assert_eq(c.verdict, FACTOR_UNREADABLE);
    }
    cr_assert_neq(active("eve"), 0, "it is asked for all the same");
    cr_assert_eq(check("eve", codes.shown[0], T).verdict, FACTOR_RIGHT, "and fits once the key is back");
}

Test(factor, a_seed_that_another_key_sealed_leaves_recovery_codes)
{
    struct factor_check c;
    enrolled();
    const struct factor_keys damaged = { .seal = other_seal, .digest = hash_key };
    cr_assert_eq(factor_check(db, &damaged, "eve", code_at(T + 30000), 6, T, &c, &e), 0);
    cr_assert_eq(c.verdict, FACTOR_UNREADABLE);
    cr_assert_eq(factor_check(db, &damaged, "eve", codes.shown[0], strlen(codes.shown[0]), T, &c, &e), 0);
    cr_assert_eq(c.verdict, FACTOR_RIGHT);
}

static int64_t generation(void)
{
    QUERY_END sqlite3_stmt *q = db_query(db, &e, "SELECT generation FROM account WHERE name = 'eve'", "");
    cr_assert_eq(query_step(q, &e), 1);
    return query_int(q, 0);
}

Test(factor, every_change_gives_the_account_a_new_generation)
{
    int64_t before = generation();
    enrolled();
    cr_assert_gt(generation(), before, "a seed that came in force");
    before = generation();
    cr_assert_eq(check("eve", code_at(T + 30000), T).verdict, FACTOR_RIGHT);
    cr_assert_eq(generation(), before, "a code that is used changes nothing of who may be in");
    cr_assert_eq(factor_recovery(db, &keys, "eve", &codes, &e), 0);
    cr_assert_gt(generation(), before, "recovery codes");
    before = generation();
    cr_assert_eq(factor_remove(db, "eve", &e), 1);
    cr_assert_gt(generation(), before, "none any more");
}

Test(factor, removed_with_all_that_belongs_to_it)
{
    enrolled();
    check("eve", "000000", T);
    cr_assert_eq(factor_remove(db, "eve", &e), 1);
    cr_assert_eq(active("eve"), 0);
    cr_assert_eq(check("eve", codes.shown[0], T).verdict, FACTOR_ABSENT);
    cr_assert_eq(factor_remove(db, "eve", &e), 0);
    enrolled();
    cr_assert_eq(db_exec(db, "DELETE FROM account WHERE name = 'eve'", &e), 0);
    QUERY_END sqlite3_stmt *q = db_query(db, &e, "SELECT (SELECT COUNT(*) FROM seed) + (SELECT COUNT(*) FROM recovery) + "
                                                 "(SELECT COUNT(*) FROM wrong_codes)", "");
    cr_assert_eq(query_step(q, &e), 1);
    cr_assert_eq(query_int(q, 0), 0, "it goes with its account");
}

static bool holds(const char *path, const void *what, size_t size)
{
    size_t n;
    int fd = open(path, O_RDONLY);
    char *text = fd < 0 ? NULL : io_read_fd(fd, path, 16 << 20, &n, &e);
    bool found = text && memmem(text, n, what, size);
    free(text);
    if (fd >= 0)
        close(fd);
    return found;
}

Test(factor, nothing_of_it_can_be_read)
{
    char path[128], text[TOTP_SECRET], plain[CODE_TEXT];
    enrolled();
    base32(seed, sizeof seed, text);
    code_read(codes.shown[0], strlen(codes.shown[0]), plain);
    static const char *const ends[] = { "", "-wal" };
    for (size_t i = 0; i < countof(ends); i++) {
        snprintf(path, sizeof path, "%s%s", file, ends[i]);
        cr_assert(!holds(path, seed, sizeof seed) && !holds(path, text, strlen(text)), "the seed in %s", path);
        cr_assert(!holds(path, codes.shown[0], strlen(codes.shown[0])) && !holds(path, plain, strlen(plain)), "a recovery code in %s", path);
    }
    snprintf(path, sizeof path, "%s-wal", file);
    cr_assert(holds(path, "pending", 7) || holds(file, "pending", 7), "this looks where rows are");
}
