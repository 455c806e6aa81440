/* The schema from nothing, one that is too new, and what accounts may do. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/rights.h"
#include "store/proto.h"
#include "store/stored/account.h"
#include "store/stored/backup.h"
#include "store/stored/db.h"
#include "store/stored/migrate.h"
#include "store/stored/own.h"
#include "store/stored/push.h"
#include "store/stored/sealed.h"

static char folder[64], file[96];
static struct err e;

static void make(void)
{
    snprintf(folder, sizeof folder, "/tmp/holdfast-db.XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    snprintf(file, sizeof file, "%s/store.db", folder);
}

static void drop(void)
{
    char path[128];
    static const char *const ends[] = { "", "-wal", "-shm" };
    for (size_t i = 0; i < countof(ends); i++) {
        snprintf(path, sizeof path, "%s%s", file, ends[i]);
        unlink(path);
    }
    rmdir(folder);
}

static sqlite3 *opened(void)
{
    sqlite3 *db = db_open(file, &e);
    cr_assert_not_null(db, "%s: %s", e.step, e.text);
    return db;
}

static int64_t number(sqlite3 *db, const char *sql)
{
    QUERY_END sqlite3_stmt *q = db_query(db, &e, sql, "");
    cr_assert_not_null(q, "%s", e.text);
    cr_assert_eq(query_step(q, &e), 1);
    return query_int(q, 0);
}

TestSuite(database, .init = make, .fini = drop);

Test(database, from_nothing)
{
    sqlite3 *db = opened();
    cr_assert_eq(number(db, "PRAGMA user_version"), 0);
    cr_assert_eq(migrate(db, &e), 0, "%s: %s", e.step, e.text);
    cr_assert_eq(number(db, "PRAGMA user_version"), STORE_SCHEMA);
    cr_assert_eq(migrate_newest(), STORE_SCHEMA);
    cr_assert_eq(number(db, "PRAGMA synchronous"), 2);
    cr_assert_eq(number(db, "PRAGMA foreign_keys"), 1);
    cr_assert_eq(number(db, "PRAGMA secure_delete"), 1);
    cr_assert_eq(number(db, "SELECT COUNT(*) FROM account"), 0);
    db_close(db);
    db = opened();
    cr_assert_eq(migrate(db, &e), 0, "a second time");
    db_close(db);
}

Test(database, newer_is_refused)
{
    sqlite3 *db = opened();
    cr_assert_eq(migrate(db, &e), 0);
    cr_assert_eq(db_exec(db, "PRAGMA user_version = 1000", &e), 0);
    cr_assert_eq(migrate(db, &e), -1);
    cr_assert_not_null(strstr(e.text, "1000 is newer"), "%s", e.text);
    cr_assert_eq(db_exec(db, "PRAGMA user_version = -5", &e), 0);
    e = (struct err){ 0 };
    cr_assert_eq(migrate(db, &e), -1);
    db_close(db);
}

Test(database, broken_step_changes_nothing)
{
    sqlite3 *db = opened();
    cr_assert_eq(db_exec(db, "CREATE TABLE backup (x)", &e), 0);
    cr_assert_eq(migrate(db, &e), -1);
    cr_assert_not_null(strstr(e.step, "001-start"), "%s", e.step);
    cr_assert_eq(number(db, "PRAGMA user_version"), 0);
    cr_assert_eq(number(db, "SELECT COUNT(*) FROM sqlite_schema WHERE name = 'account'"), 0);
    db_close(db);
}

/* The step of the first release, as a database of it has it. */
static void first_release(sqlite3 *db)
{
    struct err why = { 0 };
    FREE_MEM char *path = mem_fmt("%s/store/schema/001-start.sql", TREE);
    FREE_MEM char *sql = io_read_file(path, 1 << 20, NULL, &why);
    cr_assert_not_null(sql, "%s %s", why.step, why.text);
    cr_assert_eq(db_exec(db, sql, &e), 0, "%s", e.text);
    cr_assert_eq(db_exec(db, "PRAGMA user_version = 1", &e), 0);
    cr_assert_eq(db_exec(db, "INSERT INTO account VALUES ('alice', 1, 0, 10, x'01'), ('bob', 0, 1, 10, x'02');"
                             "INSERT INTO key VALUES ('alice', randomblob(32), 'ssh-ed25519', 'SHA256:a', 'laptop'),"
                             "('alice', randomblob(32), 'ssh-rsa', 'SHA256:b', ''), ('bob', zeroblob(32), 'ssh-rsa', 'SHA256:c', 'bob');"
                             "INSERT INTO password VALUES ('alice', '$argon2id$', 5); INSERT INTO server VALUES ('one', 0, 'alice', x'03');"
                             "INSERT INTO allow VALUES ('one', 'bob', 1)", &e), 0, "%s", e.text);
}

Test(database, data_of_the_first_release_is_kept)
{
    sqlite3 *db = opened();
    first_release(db);
    cr_assert_eq(migrate(db, &e), 0, "%s: %s", e.step, e.text);
    cr_assert_eq(number(db, "PRAGMA user_version"), STORE_SCHEMA);
    cr_assert_eq(number(db, "SELECT COUNT(*) FROM account WHERE own_keys = 1"), 2);
    cr_assert_eq(number(db, "SELECT COUNT(*) FROM key WHERE origin = 'ini' AND sealed IS NULL AND added > 0"), 3);
    cr_assert_eq(number(db, "SELECT SUM(line) FROM key WHERE account = 'alice'"), 1 + 2);
    cr_assert_eq(number(db, "SELECT COUNT(*) FROM key WHERE account = 'bob' AND hash = zeroblob(32) AND sealed_print = 'SHA256:c' AND label = 'bob'"), 1);
    cr_assert_eq(number(db, "SELECT COUNT(*) FROM key WHERE options = '' AND used = 0 AND used_from = ''"), 3);
    cr_assert_eq(number(db, "SELECT COUNT(*) FROM password"), 1);
    cr_assert_eq(number(db, "SELECT COUNT(*) FROM sqlite_schema WHERE name = 'key_hash' AND tbl_name = 'key'"), 1);
    cr_assert_eq(number(db, "SELECT COUNT(*) FROM pragma_foreign_key_check"), 0);
    cr_assert_eq(db_exec(db, "DELETE FROM allow; DELETE FROM account WHERE name = 'bob'", &e), 0);
    cr_assert_eq(number(db, "SELECT COUNT(*) FROM key WHERE account = 'bob'"), 0, "keys go with their account");
    db_close(db);
}

/* A file with N keys, from point FIRST on. */
static void keys_from(struct keyfile *f, const uint8_t *secret, unsigned first, unsigned n)
{
    BUF_FREE struct buf b = BUF(8192);
    char text[128];
    for (unsigned i = first; i < first + n; i++) {
        uint8_t blob[51] = { 0, 0, 0, 11, 's', 's', 'h', '-', 'e', 'd', '2', '5', '5', '1', '9', 0, 0, 0, 32, (uint8_t)i };
        sodium_bin2base64(text, sizeof text, blob, sizeof blob, sodium_base64_VARIANT_ORIGINAL);
        buf_put_fmt(&b, "ssh-ed25519 %s label-%u\n", text, i);
    }
    buf_put_u8(&b, 0);
    cr_assert_eq(keyfile_parse((const char *)buf_head(&b), secret, f, &e), 0, "%s: %s", e.step, e.text);
}

static void fill(sqlite3 *db);

/* Replaces bob's own keys; how many came and went. */
static void replaced(sqlite3 *db, const uint8_t *key, unsigned first, unsigned n, unsigned came, unsigned went)
{
    static const uint8_t secret[32] = { 1 };
    struct keyfile f;
    FREE_MEM struct own_change *c = NULL;
    size_t nc;
    keys_from(&f, secret, first, n);
    cr_assert_eq(own_replace(db, key, "bob", &f, &c, &nc, &e), 0, "%s", e.text);
    for (size_t i = 0; i < nc; i++) {
        came -= c[i].added;
        went -= !c[i].added;
        cr_assert_str_eq(c[i].word, "ED25519");
    }
    cr_assert(came == 0 && went == 0);
    keyfile_free(&f);
}

Test(database, own_keys)
{
    static const uint8_t key[32] = { 5 }, other[32] = { 6 };
    int64_t added;
    sqlite3 *db = opened();
    BUF_FREE struct buf b = BUF(8192);
    fill(db);
    cr_assert_eq(sealed_any(db, &e), 0, "nothing is sealed yet");
    replaced(db, key, 1, 3, 3, 0);
    replaced(db, key, 2, 3, 1, 1);
    cr_assert_eq(own_lines(db, key, "bob", &b, &added, &e), 1);
    cr_assert_gt(added, 0);
    cr_assert_not_null(memmem(buf_head(&b), buf_size(&b), " label-2\nssh-ed25519 ", 20));
    cr_assert_null(memmem(buf_head(&b), buf_size(&b), "label-1\n", 8));
    cr_assert_eq(sealed_any(db, &e), 1);
    buf_reset(&b);
    cr_assert_eq(own_lines(db, NULL, "bob", &b, &added, &e), 0);
    cr_assert_eq(own_lines(db, other, "bob", &b, &added, &e), 1);
    cr_assert_null(memmem(buf_head(&b), buf_size(&b), "label", 5), "nothing opens with another key");
    buf_reset(&b);
    fill(db);
    cr_assert_eq(number(db, "SELECT COUNT(*) FROM key WHERE origin = 'own'"), 3, "a configuration leaves them alone");
    cr_assert_eq(db_exec(db, "UPDATE key SET sealed = (SELECT sealed FROM key WHERE origin = 'own' AND line = 1) WHERE line = 2", &e), 0);
    cr_assert_eq(own_lines(db, key, "bob", &b, &added, &e), 1);
    buf_put_u8(&b, 0);
    cr_assert_null(strstr((const char *)buf_head(&b), "label-3"), "one that was moved does not open");
    cr_assert_not_null(strstr((const char *)buf_head(&b), "# a key whose line is damaged; it still counts, and is mended by writing it again: SHA256:"));
    cr_assert(strstr((const char *)buf_head(&b), "label-2") && strstr((const char *)buf_head(&b), "label-4"), "it takes no other along");
    replaced(db, key, 4, 1, 0, 1);
    cr_assert_eq(number(db, "SELECT COUNT(*) FROM key WHERE origin = 'own'"), 2, "and is kept when the others are replaced");
    replaced(db, key, 3, 2, 0, 0);
    buf_reset(&b);
    cr_assert_eq(own_lines(db, key, "bob", &b, &added, &e), 1);
    cr_assert_not_null(memmem(buf_head(&b), buf_size(&b), "label-3", 7), "until it is written again");
    db_close(db);
}

/* ALICE owns one and two, bob may watch one; three is bob's. */
static void fill(sqlite3 *db)
{
    struct pushed_allow allow[] = { { .account = "bob", .rights = RIGHT_STATUS | RIGHT_CONSOLE } };
    struct pushed_account accounts[] = { { .name = "alice", .rights = RIGHT_ALL, .digest = { 1 } },
                                         { .name = "bob", .rights = RIGHT_ALL, .suspended = true, .digest = { 2 } } };
    struct pushed_server servers[] = { { .name = "one", .owner = "alice", .allow = allow, .nallow = 1, .digest = { 3 } },
                                       { .name = "three", .owner = "bob", .digest = { 4 } },
                                       { .name = "two", .owner = "alice", .digest = { 5 } } };
    struct push p = { .accounts = accounts, .naccounts = 2, .servers = servers, .nservers = 3, .numbers = 4 };
    struct changes c = { 0 };
    cr_assert_eq(migrate(db, &e), 0);
    cr_assert_eq(push_apply(db, &p, &c, &e), 0, "%s: %s", e.step, e.text);
    cr_assert_eq(c.suspended, c.accounts_added / 2);
    cr_assert_eq(servers[2].number, 2);
}

Test(database, rights)
{
    sqlite3 *db = opened();
    fill(db);
    static const struct { const char *who, *server; int seen; uint32_t rights; } want[] = {
        { "alice", "one", 1, RIGHT_ALL }, { "alice", "two", 1, RIGHT_ALL }, { "alice", "three", 0, 0 },
        { "bob", "one", 1, RIGHT_STATUS | RIGHT_CONSOLE }, { "bob", "two", 0, 0 }, { "bob", "three", 1, RIGHT_ALL },
        { "eve", "one", 0, 0 }, { "", "one", 0, 0 }, { "alice", "", 0, 0 }, { "alice", "four", 0, 0 },
    };
    for (size_t i = 0; i < countof(want); i++) {
        uint32_t rights = 99;
        cr_assert_eq(account_rights(db, want[i].who, want[i].server, &rights, &e), want[i].seen, "%zu", i);
        cr_assert_eq(rights, want[i].rights, "%zu", i);
    }
    struct visible *v;
    size_t n;
    cr_assert_eq(account_servers(db, "bob", &v, &n, &e), 0);
    cr_assert_eq(n, 2);
    cr_assert_str_eq(v[0].server, "one");
    cr_assert_str_eq(v[0].owner, "alice");
    cr_assert_str_eq(v[1].server, "three");
    free(v);
    db_close(db);
}

Test(database, a_ceiling_holds_on_own_servers_too)
{
    sqlite3 *db = opened();
    uint32_t rights;
    struct visible *v;
    size_t n;
    fill(db);
    cr_assert_eq(db_exec(db, "UPDATE account SET rights = 1 | 4 WHERE name = 'bob'", &e), 0);
    cr_assert_eq(account_rights(db, "bob", "one", &rights, &e), 1);
    cr_assert_eq(rights, RIGHT_STATUS);
    cr_assert_eq(account_rights(db, "bob", "three", &rights, &e), 1);
    cr_assert_eq(rights, RIGHT_STATUS | RIGHT_STOP);
    cr_assert_eq(account_rights(db, "alice", "one", &rights, &e), 1);
    cr_assert_eq(rights, (uint32_t)RIGHT_ALL, "nobody else's");
    cr_assert_eq(account_servers(db, "bob", &v, &n, &e), 0);
    cr_assert(n == 2 && v[0].rights == RIGHT_STATUS && v[1].rights == (RIGHT_STATUS | RIGHT_STOP));
    free(v);
    db_close(db);
}

static uint64_t generation(sqlite3 *db, const char *name)
{
    struct account a;
    cr_assert_eq(account_find(db, name, &a, &e), 1);
    return a.generation;
}

/* Each change gives whom it is about a number that was never there before, and nobody else one. */
Test(database, generations)
{
    static const uint8_t key[32] = { 5 };
    sqlite3 *db = opened();
    fill(db);
    uint64_t alice = generation(db, "alice"), bob = generation(db, "bob"), last = alice > bob ? alice : bob;
    cr_assert(alice > 0 && bob > 0);
    fill(db);
    cr_assert_eq(generation(db, "alice"), alice, "the same configuration changes nothing");
    replaced(db, key, 1, 1, 1, 0);
    cr_assert_gt(generation(db, "bob"), last, "an own key");
    last = generation(db, "bob");
    replaced(db, key, 1, 1, 0, 0);
    cr_assert_eq(generation(db, "bob"), last, "the same keys");
    cr_assert_eq(account_set_password(db, "bob", "x", &e), 0);
    cr_assert_gt(generation(db, "bob"), last, "a password");
    last = generation(db, "bob");
    cr_assert_eq(generation(db, "alice"), alice);

    /* Bob loses what he had on alice's server, then his own server goes to alice. */
    struct pushed_account accounts[] = { { .name = "alice", .rights = RIGHT_ALL, .digest = { 1 } },
                                         { .name = "bob", .rights = RIGHT_ALL, .suspended = true, .digest = { 2 } } };
    struct pushed_server servers[] = { { .name = "one", .owner = "alice", .digest = { 33 } }, { .name = "three", .owner = "bob", .digest = { 4 } },
                                       { .name = "two", .owner = "alice", .digest = { 5 } } };
    struct push p = { .accounts = accounts, .naccounts = 2, .servers = servers, .nservers = 3, .numbers = 4 };
    struct changes c = { 0 };
    cr_assert_eq(push_apply(db, &p, &c, &e), 0, "%s", e.text);
    cr_assert_gt(generation(db, "bob"), last, "a right that was taken away");
    last = generation(db, "bob");
    snprintf(servers[1].owner, sizeof servers[1].owner, "alice");
    servers[1].digest[0] = 44;
    cr_assert_eq(push_apply(db, &p, &c, &e), 0, "%s", e.text);
    cr_assert_gt(generation(db, "bob"), last, "a server that changed hands: who had it");
    cr_assert_gt(generation(db, "alice"), last, "and who has it");
    last = generation(db, "alice");
    p.nservers = 2;
    cr_assert_eq(push_apply(db, &p, &c, &e), 0, "%s", e.text);
    cr_assert_gt(generation(db, "alice"), last, "a server that left");
    last = generation(db, "alice");

    /* One that comes back is not who it was. */
    p.nservers = p.naccounts = 0;
    cr_assert_eq(push_apply(db, &p, &c, &e), 0, "%s", e.text);
    fill(db);
    cr_assert(generation(db, "alice") > last && generation(db, "bob") > last);
    db_close(db);
}

Test(database, password_goes_with_its_account)
{
    sqlite3 *db = opened();
    char *hash;
    fill(db);
    cr_assert_eq(account_set_password(db, "bob", "one", &e), 0);
    cr_assert_eq(account_set_password(db, "bob", "two", &e), 0);
    cr_assert_eq(account_password(db, "bob", &hash, &e), 1);
    cr_assert_str_eq(hash, "two");
    free(hash);
    cr_assert_eq(account_set_password(db, "eve", "x", &e), -1, "no account, no password");
    struct push none = { 0 };
    struct changes c = { 0 };
    cr_assert_eq(push_apply(db, &none, &c, &e), 0, "%s: %s", e.step, e.text);
    cr_assert_eq(c.accounts_removed, 2);
    cr_assert_eq(c.servers_removed, 3);
    fill(db);
    cr_assert_eq(account_password(db, "bob", &hash, &e), 0);
    db_close(db);
}

Test(database, numbers_are_for_ever)
{
    sqlite3 *db = opened();
    fill(db);
    struct pushed_account accounts[] = { { .name = "zoe", .digest = { 9 } } };
    struct pushed_server servers[] = { { .name = "aaa", .owner = "zoe", .digest = { 1 } }, { .name = "two", .owner = "zoe", .digest = { 2 } } };
    struct push p = { .accounts = accounts, .naccounts = 1, .servers = servers, .nservers = 2, .numbers = 4 };
    struct changes c = { 0 };
    cr_assert_eq(push_apply(db, &p, &c, &e), 0, "%s: %s", e.step, e.text);
    cr_assert_eq(servers[0].number, 3);
    cr_assert_eq(servers[1].number, 2);
    cr_assert_eq(c.servers_changed, 1);
    cr_assert_eq(c.servers_removed, 2);

    /* All are given away: also one that nobody has any more is not given again. */
    struct pushed_server late[] = { { .name = "aaa", .owner = "zoe", .digest = { 1 } }, { .name = "late", .owner = "zoe", .digest = { 3 } } };
    p.servers = late;
    cr_assert_eq(push_apply(db, &p, &c, &e), -1);
    cr_assert_str_eq(e.step, "late");
    cr_assert(strstr(e.text, "its number is 4, and [ids] has uids for the numbers 0 to 3"), "%s", e.text);
    cr_assert_eq(number(db, "SELECT COUNT(*) FROM server WHERE name = 'late'"), 0);
    /* Nor is one that is there used where the configuration has no ids for it any more. */
    p.servers = servers;
    p.numbers = 3;
    cr_assert_eq(push_apply(db, &p, &c, &e), -1);
    cr_assert_str_eq(e.step, "aaa");
    db_close(db);
}

Test(database, running_backups_fail_at_start)
{
    sqlite3 *db = opened();
    fill(db);
    cr_assert_eq(db_exec(db, "INSERT INTO backup VALUES ('a', 'one', 'alice', 'running', 1, 0, '', 0), "
                             "('b', 'one', 'alice', 'done', 2, 5, '', 0)", &e), 0);
    cr_assert_eq(backup_settle_all(db, &e), 0);
    cr_assert_eq(number(db, "SELECT COUNT(*) FROM backup WHERE state = 'failed'"), 1);
    cr_assert_eq(backup_settle(db, "a", true, 77, &e), 0);
    cr_assert_eq(number(db, "SELECT size FROM backup WHERE id = 'a' AND state = 'done'"), 77);
    db_close(db);
}
