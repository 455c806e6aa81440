#include "store/stored/account.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/rights.h"
#include "store/stored/db.h"

int account_find(sqlite3 *db, const char *name, struct account *a, struct err *e)
{
    QUERY_END sqlite3_stmt *q = db_query(db, e, "SELECT password, suspended, own_keys, generation FROM account WHERE name = ?", "t", name);
    int r = q ? query_step(q, e) : -1;
    *a = (struct account){ 0 };
    if (r == 1)
        *a = (struct account){ .password = query_int(q, 0) != 0, .suspended = query_int(q, 1) != 0, .own_keys = query_int(q, 2) != 0,
                               .generation = (uint64_t)query_int(q, 3) };
    return r;
}

#define NEXT "UPDATE generation SET last = last + 1"
#define TO_NEXT "UPDATE account SET generation = (SELECT last FROM generation) WHERE name "

int account_changed(sqlite3 *db, const char *name, struct err *e)
{
    return db_exec(db, NEXT, e) < 0 || db_run(db, e, TO_NEXT "= ?", "t", name) < 0 ? -1 : 0;
}

int account_changed_of(sqlite3 *db, const char *server, struct err *e)
{
    return db_exec(db, NEXT, e) < 0 ||
           db_run(db, e, TO_NEXT "IN (SELECT owner FROM server WHERE name = ?1 UNION SELECT account FROM allow WHERE server = ?1)", "t",
                  server) < 0 ? -1 : 0;
}

int account_key(sqlite3 *db, const char *name, const uint8_t hash[KEY_HASH], char **options, struct err *e)
{
    QUERY_END sqlite3_stmt *q = db_query(db, e, "SELECT k.options FROM key k JOIN account a ON a.name = k.account WHERE k.account = ? AND k.hash = ? "
                                                "AND (k.origin = 'ini' OR a.own_keys) ORDER BY k.origin LIMIT 1", "tb", name, hash,
                                         (size_t)KEY_HASH);
    int r = q ? query_step(q, e) : -1;
    *options = r == 1 ? mem_str(query_text(q, 0)) : NULL;
    return r;
}

int account_key_used(sqlite3 *db, const char *name, const uint8_t hash[KEY_HASH], const char *address, struct err *e)
{
    int64_t now = wall_ms();
    /* A time to come is one of a clock that was set back. */
    int r = db_run(db, e, "UPDATE key SET used = ?3, used_from = ?4 WHERE account = ?1 AND hash = ?2 AND (used <= ?5 OR used > ?3)", "tbiti", name,
                   hash, (size_t)KEY_HASH, now, address, now - KEY_USED_EACH);
    return r < 0 ? -1 : 0;
}

int account_has_ini_key(sqlite3 *db, const char *name, const uint8_t hash[KEY_HASH], struct err *e)
{
    QUERY_END sqlite3_stmt *q = db_query(db, e, "SELECT 1 FROM key WHERE account = ? AND hash = ? AND origin = 'ini'", "tb", name, hash,
                                         (size_t)KEY_HASH);
    return q ? query_step(q, e) : -1;
}

int account_way_in(sqlite3 *db, const char *name, struct err *e)
{
    QUERY_END sqlite3_stmt *q = db_query(db, e, "SELECT 1 FROM key WHERE account = ?1 AND origin = 'ini' UNION ALL "
                                                "SELECT 1 FROM account a JOIN password p ON p.account = a.name WHERE a.name = ?1 AND a.password "
                                                "LIMIT 1", "t", name);
    return q ? query_step(q, e) : -1;
}

int account_any_key(sqlite3 *db, const uint8_t hash[KEY_HASH], struct err *e)
{
    QUERY_END sqlite3_stmt *q = db_query(db, e, "SELECT 1 FROM key WHERE hash = ? LIMIT 1", "b", hash, (size_t)KEY_HASH);
    return q ? query_step(q, e) : -1;
}

int account_password(sqlite3 *db, const char *name, char **hash, struct err *e)
{
    QUERY_END sqlite3_stmt *q = db_query(db, e, "SELECT hash FROM password WHERE account = ?", "t", name);
    int r = q ? query_step(q, e) : -1;
    *hash = r == 1 ? mem_str(query_text(q, 0)) : NULL;
    return r;
}

int account_set_password(sqlite3 *db, const char *name, const char *hash, struct err *e)
{
    if (db_exec(db, "BEGIN IMMEDIATE", e) < 0)
        return -1;
    if (db_run(db, e, "INSERT INTO password (account, hash, changed) VALUES (?1, ?2, ?3) "
                      "ON CONFLICT (account) DO UPDATE SET hash = ?2, changed = ?3", "tti", name, hash, wall_ms()) >= 0 &&
        account_changed(db, name, e) == 0 && db_exec(db, "COMMIT", e) == 0)
        return 0;
    db_exec(db, "ROLLBACK", NULL);
    return -1;
}

/* An owner's row in allow, if it has one, takes nothing away; the account's ceiling does, from everybody. */
#define SERVERS \
    "SELECT s.name, s.owner, (CASE WHEN s.owner = ?1 THEN ?2 ELSE a.rights END) & " \
    "(SELECT rights FROM account WHERE name = ?1) FROM server s " \
    "LEFT JOIN allow a ON a.server = s.name AND a.account = ?1 " \
    "WHERE s.owner IS NOT NULL AND (s.owner = ?1 OR a.rights <> 0)"

int account_servers(sqlite3 *db, const char *name, struct visible **v, size_t *n, struct err *e)
{
    *v = NULL;
    *n = 0;
    QUERY_END sqlite3_stmt *q = db_query(db, e, SERVERS " ORDER BY s.name", "ti", name, (int64_t)RIGHT_ALL);
    int r = q ? 1 : -1;
    while (r == 1 && (r = query_step(q, e)) == 1) {
        *v = mem_grow(*v, *n + 1, sizeof **v);
        struct visible *one = &(*v)[(*n)++];
        snprintf(one->server, sizeof one->server, "%s", query_text(q, 0));
        snprintf(one->owner, sizeof one->owner, "%s", query_text(q, 1));
        one->rights = (uint32_t)query_int(q, 2);
    }
    return r;
}

int account_rights(sqlite3 *db, const char *name, const char *server, uint32_t *rights, struct err *e)
{
    QUERY_END sqlite3_stmt *q = db_query(db, e, SERVERS " AND s.name = ?3", "tit", name, (int64_t)RIGHT_ALL, server);
    int r = q ? query_step(q, e) : -1;
    *rights = r == 1 ? (uint32_t)query_int(q, 2) : 0;
    return r;
}
