/* The table of sealed columns against the schema, and what sealing anew does. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include "base/attr.h"
#include "base/io.h"
#include "base/mem.h"
#include "store/stored/db.h"
#include "store/stored/factor.h"
#include "store/stored/keys.h"
#include "store/stored/migrate.h"
#include "store/stored/sealed.h"
#include "store/stored/vault.h"

static struct err e;
static sqlite3 *db;
static struct secret one, two;

static const struct secret *taken(uint8_t first, enum secret_place place)
{
    uint8_t bytes[SECRET_KEY] = { first };
    CLOSE_FD int fd = io_sealed("key", bytes, sizeof bytes);
    return secret_take(fd, place, &e);
}

static void start(void)
{
    cr_assert_geq(sodium_init(), 0);
    cr_assert_eq(sqlite3_open(":memory:", &db), SQLITE_OK);
    cr_assert_eq(migrate(db, &e), 0, "%s: %s", e.step, e.text);
    one = *taken(1, SECRET_NOW);
    two = *taken(2, SECRET_NEXT);
}

static void end(void)
{
    sqlite3_close(db);
}

TestSuite(sealed, .init = start, .fini = end);

static int64_t number(const char *sql)
{
    QUERY_END sqlite3_stmt *q = db_query(db, &e, sql, "");
    cr_assert_not_null(q, "%s: %s", sql, e.text);
    cr_assert_eq(query_step(q, &e), 1, "%s", sql);
    return query_int(q, 0);
}

static bool is_registered(const char *table, const char *column)
{
    for (size_t i = 0; i < sealed_count; i++)
        if (strcmp(sealed_columns[i].table, table) == 0 && strcmp(sealed_columns[i].column, column) == 0)
            return true;
    return false;
}

Test(sealed, every_sealed_column_is_in_the_table)
{
    QUERY_END sqlite3_stmt *q = db_query(db, &e, "SELECT t.name, c.name FROM sqlite_schema t, pragma_table_info(t.name) c "
                                                 "WHERE t.type = 'table' AND c.name LIKE 'sealed%'", "");
    size_t n = 0;
    for (; query_step(q, &e) == 1; n++)
        cr_assert(is_registered(query_text(q, 0), query_text(q, 1)), "%s.%s", query_text(q, 0), query_text(q, 1));
    cr_assert_eq(n, sealed_count, "and nothing else is");
}

Test(sealed, rows_can_be_read_and_stand_by_table)
{
    for (size_t i = 0; i < sealed_count; i++) {
        const struct sealed *s = &sealed_columns[i];
        FREE_MEM char *sql = mem_fmt("SELECT %s, %s, %s FROM %s", s->account, s->id, s->column, s->table);
        QUERY_END sqlite3_stmt *q = db_query(db, &e, sql, "");
        cr_assert_not_null(q, "%s: %s", sql, e.text);
        for (size_t j = i + 1; j < sealed_count; j++) {
            cr_assert(strcmp(s->use, sealed_columns[j].use) != 0, "two with the use '%s'", s->use);
            cr_assert(strcmp(s->table, sealed_columns[j].table) != 0 || strcmp(sealed_columns[j - 1].table, s->table) == 0, "%s", s->table);
        }
    }
}

/* One key of bob's, own or of the ini files, as the store writes it. */
static void put_key(const struct secret *k, const char *account, uint8_t blob, const char *line)
{
    uint8_t hash[KEY_HASH];
    char print[KEY_FINGERPRINT];
    BUF_FREE struct buf sealed = BUF(4096), sealed_p = BUF(4096);
    key_hash(k->hash, &blob, 1, hash);
    key_fingerprint(&blob, 1, print);
    const struct secret_bond b = { .use = "own key", .account = account, .id = hash, .size = sizeof hash };
    if (line)
        secret_seal(k->key, &b, line, strlen(line), &sealed);
    sealed_print_put(k->key, account, hash, print, &sealed_p);
    cr_assert_eq(db_run(db, &e, "INSERT OR IGNORE INTO account (name, password, suspended, max_connections, digest, own_keys) VALUES (?, 0, 0, 1, x'', 1)", "t", account) < 0, 0, "%s", e.text);
    cr_assert_eq(db_run(db, &e, line ? "INSERT INTO key (account, hash, origin, type, sealed_print, label, line, added, sealed) VALUES (?, ?, 'own', 'x', ?, '', 1, 1, ?)" : "INSERT INTO key (account, hash, origin, type, sealed_print, label, line, added, sealed) VALUES (?, ?, 'ini', 'x', ?, '', 1, 1, NULL)",
                        line ? "tbbb" : "tbb", account, hash, sizeof hash, buf_head(&sealed_p), buf_size(&sealed_p), buf_head(&sealed), buf_size(&sealed)),
                 1, "%s", e.text);
}

static unsigned told;

static void count(void *data UNUSED, const struct sealed *s UNUSED, const char *account UNUSED, const char *what UNUSED)
{
    told++;
}

static void opens_with(const struct secret *k, uint64_t texts, uint64_t broken)
{
    struct sealed_tally t = { 0 };
    told = 0;
    cr_assert_eq(sealed_check(db, k, count, NULL, &t, &e), 0, "%s", e.text);
    cr_assert(t.texts == texts && t.broken == broken && told == broken, "%llu texts, %llu broken", (unsigned long long)t.texts, (unsigned long long)t.broken);
}

static void filled(void)
{
    uint8_t digest[HASH_KEY];
    cr_assert_eq(vault_fit(db, &one, true, digest, &e), 1, "%s", e.text);
    put_key(&one, "bob", 1, NULL);
    put_key(&one, "bob", 2, "two");
    put_key(&one, "bob", 3, "three");
    put_key(&one, "alice", 1, NULL);
    put_key(&one, "alice", 1, "one");
    opens_with(&one, 9, 0);
}

Test(sealed, anew_with_another_key)
{
    struct sealed_tally t;
    const struct secret *now;
    uint8_t hash[KEY_HASH], blob = 2, before[HASH_KEY], after[HASH_KEY];
    filled();
    cr_assert_eq(vault_fit(db, &one, false, before, &e), 1);
    cr_assert_eq(vault_rotate(db, &one, &two, false, &t, &now, &e), 0, "%s: %s", e.step, e.text);
    cr_assert(now == &two && t.texts == 9 && t.broken == 0);
    opens_with(&two, 9, 0);
    opens_with(&one, 9, 9);
    key_hash(two.hash, &blob, 1, hash);
    QUERY_END sqlite3_stmt *q = db_query(db, &e, "SELECT account FROM key WHERE hash = ? AND sealed IS NOT NULL", "b", hash, sizeof hash);
    cr_assert_eq(query_step(q, &e), 1, "the hash is that of the new key");
    query_end(&q);
    cr_assert_eq(vault_fit(db, &one, false, after, &e), 0, "the old one fits no more");
    cr_assert_eq(vault_fit(db, &two, false, after, &e), 1);
    cr_assert_eq(memcmp(before, after, sizeof before), 0, "digests stay what they were");
}

Test(sealed, broken_stops_it_or_is_left)
{
    struct sealed_tally t;
    const struct secret *now;
    filled();
    cr_assert_eq(db_exec(db, "UPDATE key SET sealed = zeroblob(90) WHERE account = 'alice' AND origin = 'own'", &e), 0, "%s", e.text);
    cr_assert_eq(vault_rotate(db, &one, &two, false, &t, &now, &e), -1);
    cr_assert(now == &one && strstr(e.text, "1 of the sealed texts do not open"), "%s", e.text);
    opens_with(&one, 9, 1);
    cr_assert_eq(vault_rotate(db, &one, &two, true, &t, &now, &e), 0, "%s", e.text);
    cr_assert(now == &two && t.broken == 1);
    opens_with(&two, 9, 1);
}

Test(sealed, a_lost_key_is_not_replaced_over_what_it_sealed)
{
    uint8_t digest[HASH_KEY];
    filled();
    cr_assert_eq(vault_fit(db, &two, true, digest, &e), 0);
    cr_assert_eq(vault_fit(db, &two, false, digest, &e), 0);
    cr_assert_eq(db_exec(db, "DELETE FROM key WHERE origin = 'own'", &e), 0);
    cr_assert_eq(vault_fit(db, &two, true, digest, &e), 1, "keys of the ini files come again");
    cr_assert_eq(number("SELECT COUNT(*) FROM key"), 0);
}

/* Own keys sealed under a hash that came from hash.key, and fingerprints in clear. */
/* What factor.c seals is what the table says: both name the row in the same way. */
Test(sealed, seeds_go_along)
{
    static const uint8_t digest[HASH_KEY];
    uint8_t seed[TOTP_SEED];
    struct factor_check c;
    struct recovery_codes codes;
    struct sealed_tally t;
    const struct factor_keys was = { one.key, digest }, is = { two.key, digest };
    cr_assert_eq(db_exec(db, "INSERT INTO account (name, password, suspended, max_connections, digest) VALUES ('bob', 0, 0, 1, x'')", &e), 0);
    cr_assert_eq(sealed_any(db, &e), 0);
    cr_assert_eq(factor_enroll(db, one.key, "bob", seed, &e), 0);
    cr_assert_eq(sealed_any(db, &e), 1, "a seed is lost with its key");
    opens_with(&one, 1, 0);
    cr_assert_eq(sealed_anew(db, &one, &two, false, &t, &e), 0);
    cr_assert_eq(t.texts, 1);
    opens_with(&two, 1, 0);
    cr_assert_eq(factor_activate(db, &is, "bob", "000000", 6, 1, &c, &codes, &e), 0);
    cr_assert_neq(c.verdict, FACTOR_UNREADABLE, "it opens");
    cr_assert_eq(factor_activate(db, &was, "bob", "000000", 6, 1, &c, &codes, &e), 0);
    cr_assert_eq(c.verdict, FACTOR_UNREADABLE, "the old key is of no use");
}

Test(sealed, of_an_earlier_schema)
{
    static const uint8_t old[KEY_HASH] = { 7 }, admins[KEY_HASH] = { 8 };
    BUF_FREE struct buf sealed = BUF(4096);
    const struct secret_bond b = { .use = "own key", .account = "bob", .id = old, .size = sizeof old };
    char print[KEY_FINGERPRINT];
    uint8_t digest[HASH_KEY], hash[KEY_HASH];
    key_fingerprint("blob", 4, print);
    secret_seal(one.key, &b, "line", 4, &sealed);
    cr_assert_eq(db_exec(db, "INSERT INTO account (name, password, suspended, max_connections, digest, own_keys) VALUES ('bob', 0, 0, 1, x'', 1)", &e), 0);
    cr_assert_eq(db_run(db, &e, "INSERT INTO key (account, hash, origin, type, sealed_print, label, line, added, sealed) VALUES ('bob', ?1, 'own', 'x', ?3, '', 1, 1, ?2)", "bbt", old, sizeof old, buf_head(&sealed),
                        buf_size(&sealed), print), 1);
    cr_assert_eq(db_run(db, &e, "INSERT INTO key (account, hash, origin, type, sealed_print, label, line, added, sealed) VALUES ('bob', ?1, 'ini', 'x', ?2, '', 1, 1, NULL)", "bt", admins, sizeof admins, print), 1);
    cr_assert_eq(vault_fit(db, &one, true, digest, &e), 0, "a new key can have sealed nothing");
    cr_assert_eq(vault_fit(db, &two, false, digest, &e), 0);
    cr_assert_eq(number("SELECT COUNT(*) FROM key WHERE typeof(sealed_print) = 'text'"), 2, "nothing was touched");
    cr_assert_eq(vault_fit(db, &one, false, digest, &e), 1);
    opens_with(&one, 4, 0);
    key_hash(one.hash, "blob", 4, hash);
    QUERY_END sqlite3_stmt *q = db_query(db, &e, "SELECT COUNT(*) FROM key WHERE hash = ?", "b", hash, sizeof hash);
    cr_assert(query_step(q, &e) == 1 && query_int(q, 0) == 2);
}

/* None is left out or done twice while the rows change their places; how long it takes is only printed. */
Test(sealed, many)
{
    struct sealed_tally t;
    const struct secret *now;
    uint8_t digest[HASH_KEY];
    cr_assert_eq(vault_fit(db, &one, true, digest, &e), 1);
    cr_assert_eq(db_exec(db, "BEGIN", &e), 0);
    for (unsigned i = 0; i < 20000; i++) {
        char account[16], print[KEY_FINGERPRINT];
        uint8_t hash[KEY_HASH];
        BUF_FREE struct buf sealed = BUF(256);
        snprintf(account, sizeof account, "a%u", i / 3);
        key_hash(one.hash, &i, sizeof i, hash);
        key_fingerprint(&i, sizeof i, print);
        sealed_print_put(one.key, account, hash, print, &sealed);
        if (i % 3 == 0)
            cr_assert_eq(db_run(db, &e, "INSERT INTO account (name, password, suspended, max_connections, digest, own_keys) VALUES (?, 0, 0, 1, x'', 1)", "t", account), 1);
        cr_assert_eq(db_run(db, &e, "INSERT INTO key (account, hash, origin, type, sealed_print, label, line, added, sealed) VALUES (?, ?, 'ini', 'x', ?, '', 1, 1, NULL)", "tbb", account, hash, sizeof hash,
                            buf_head(&sealed), buf_size(&sealed)), 1, "%s", e.text);
    }
    cr_assert_eq(db_exec(db, "COMMIT", &e), 0);
    uint64_t began = now_ms();
    cr_assert_eq(vault_rotate(db, &one, &two, false, &t, &now, &e), 0, "%s", e.text);
    cr_log_info("20000 keys: %llu ms", (unsigned long long)(now_ms() - began));
    cr_assert_eq(t.texts, 20001);
    opens_with(&two, 20001, 0);
}

Test(sealed, a_full_disk_changes_nothing)
{
    struct sealed_tally t;
    const struct secret *now;
    filled();
    FREE_MEM char *most = mem_fmt("PRAGMA max_page_count = %lld", (long long)number("PRAGMA page_count"));
    cr_assert_eq(db_exec(db, most, &e), 0);
    cr_assert_eq(db_exec(db, "CREATE TRIGGER grow AFTER UPDATE ON vault BEGIN INSERT INTO server VALUES (hex(zeroblob(9000)), 9, NULL, NULL); END", &e), 0, "%s", e.text);
    cr_assert_eq(vault_rotate(db, &one, &two, false, &t, &now, &e), -1);
    cr_assert_eq(now, &one);
    opens_with(&one, 9, 0);
}
