#include "store/stored/account.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/rights.h"
#include "store/stored/db.h"

int account_find(sqlite3 *db, const char *name, struct account *a, struct err *e)
{
    QUERY_END sqlite3_stmt *q = db_query(db, e, "SELECT password, suspended, own_keys FROM account WHERE name = ?", "t", name);
    int r = q ? query_step(q, e) : -1;
    *a = (struct account){ 0 };
    if (r == 1)
        *a = (struct account){ .password = query_int(q, 0) != 0, .suspended = query_int(q, 1) != 0, .own_keys = query_int(q, 2) != 0 };
    return r;
}

int account_has_key(sqlite3 *db, const char *name, const uint8_t hash[KEY_HASH], struct err *e)
{
    QUERY_END sqlite3_stmt *q = db_query(db, e, "SELECT 1 FROM key k JOIN account a ON a.name = k.account WHERE k.account = ? AND k.hash = ? "
                                                "AND (k.origin = 'ini' OR a.own_keys)", "tb", name, hash, (size_t)KEY_HASH);
    return q ? query_step(q, e) : -1;
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

int account_password_since(sqlite3 *db, const char *name, int64_t *changed, struct err *e)
{
    QUERY_END sqlite3_stmt *q = db_query(db, e, "SELECT changed FROM password WHERE account = ?", "t", name);
    int r = q ? query_step(q, e) : -1;
    *changed = r == 1 ? query_int(q, 0) : 0;
    return r;
}

/* Two within a millisecond, or a clock that was set back, are still two. */
int account_set_password(sqlite3 *db, const char *name, const char *hash, struct err *e)
{
    int r = db_run(db, e, "INSERT INTO password (account, hash, changed) VALUES (?1, ?2, ?3) "
                          "ON CONFLICT (account) DO UPDATE SET hash = ?2, changed = MAX(?3, changed + 1)", "tti", name, hash, wall_ms());
    return r < 0 ? -1 : 0;
}

/* An owner's row in allow, if it has one, takes nothing away. */
#define SERVERS \
    "SELECT s.name, s.owner, CASE WHEN s.owner = ?1 THEN ?2 ELSE a.rights END FROM server s " \
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
