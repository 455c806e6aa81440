/* Writes a configuration into the database: only the rows that differ. */
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/rights.h"
#include "store/stored/account.h"
#include "store/stored/db.h"
#include "store/stored/push.h"
#include "store/stored/sealed.h"

/* A fingerprint, and what sealing adds. */
enum { PRINT_MOST = KEY_FINGERPRINT + SECRET_NONCE + SECRET_TAG };

static int put_key(sqlite3 *db, const uint8_t *seal, const struct pushed_account *a, size_t i, struct err *e)
{
    const struct pushed_key *k = &a->keys[i];
    BUF_FREE struct buf print = BUF(PRINT_MOST);
    sealed_print_put(seal, a->name, k->hash, k->fingerprint, &print);
    /* The same key may stand in `key` and in `keys_file`: the first counts. */
    return db_run(db, e, "INSERT INTO key (account, hash, origin, type, sealed_print, label, line, added, options) "
                         "VALUES (?1, ?2, 'ini', ?3, ?4, ?5, ?6, ?7, ?8) "
                         "ON CONFLICT (account, hash, origin) DO UPDATE SET label = ?5, line = ?6, sealed_print = ?4, options = ?8 WHERE line = -1",
                  "tbtbtiit", a->name, k->hash, sizeof k->hash, k->type, buf_size(&print) ? (const void *)buf_head(&print) : "", buf_size(&print),
                  k->label, (int64_t)i + 1, wall_ms(), k->options ? k->options : "");
}

static int put_keys(sqlite3 *db, const uint8_t *seal, const struct pushed_account *a, struct err *e)
{
    /* Those that stay keep the time they were added; the account's own are none of the configuration's. */
    if (db_run(db, e, "UPDATE key SET line = -1 WHERE account = ? AND origin = 'ini'", "t", a->name) < 0)
        return -1;
    for (size_t i = 0; i < a->nkeys; i++)
        if (put_key(db, seal, a, i, e) < 0)
            return -1;
    return db_run(db, e, "DELETE FROM key WHERE account = ? AND origin = 'ini' AND line = -1", "t", a->name) < 0 ? -1 : 0;
}

static int put_account(sqlite3 *db, const uint8_t *seal, const struct pushed_account *a, struct changes *c, struct err *e)
{
    QUERY_END sqlite3_stmt *q = db_query(db, e, "SELECT digest, suspended FROM account WHERE name = ?", "t", a->name);
    int r = q ? query_step(q, e) : -1;
    if (r < 0 || (r == 1 && query_blob_is(q, 0, a->digest, sizeof a->digest)))
        return r < 0 ? -1 : 0;
    if (r == 0)
        c->accounts_added++;
    else
        c->accounts_changed++;
    c->suspended += a->suspended && (r == 0 || !query_int(q, 1));
    query_end(&q);
    if (db_run(db, e, "INSERT INTO account (name, password, suspended, max_connections, own_keys, rights, second_factor, digest) "
                      "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (name) DO UPDATE SET password = ?2, suspended = ?3, max_connections = ?4, "
                      "own_keys = ?5, rights = ?6, second_factor = ?7, digest = ?8", "tiiiiiib", a->name, (int64_t)a->password,
               (int64_t)a->suspended, (int64_t)a->max_connections, (int64_t)a->own_keys, (int64_t)a->rights, (int64_t)a->second_factor, a->digest,
               sizeof a->digest) < 0)
        return -1;
    return put_keys(db, seal, a, e) < 0 ? -1 : account_changed(db, a->name, e);
}

/* One past the highest ever given: a row never goes, so no number comes again. */
static int64_t fresh_number(sqlite3 *db, struct err *e)
{
    QUERY_END sqlite3_stmt *q = db_query(db, e, "SELECT COALESCE(MAX(number) + 1, 0) FROM server", "");
    return q == NULL || query_step(q, e) < 0 ? -1 : query_int(q, 0);
}

static int put_allow(sqlite3 *db, const struct pushed_server *v, struct err *e)
{
    if (db_run(db, e, "DELETE FROM allow WHERE server = ?", "t", v->name) < 0)
        return -1;
    for (size_t i = 0; i < v->nallow; i++)
        if (db_run(db, e, "INSERT INTO allow (server, account, rights) VALUES (?1, ?2, ?3) "
                          "ON CONFLICT (account, server) DO UPDATE SET rights = rights | ?3", "tti",
                   v->name, v->allow[i].account, (int64_t)v->allow[i].rights) < 0)
            return -1;
    return 0;
}

static int put_server(sqlite3 *db, struct pushed_server *v, uint32_t numbers, struct changes *c, struct err *e)
{
    QUERY_END sqlite3_stmt *q = db_query(db, e, "SELECT number, owner, digest FROM server WHERE name = ?", "t", v->name);
    int r = q ? query_step(q, e) : -1;
    if (r < 0)
        return -1;
    bool same = r == 1 && query_blob_is(q, 2, v->digest, sizeof v->digest);
    bool here = r == 1 && query_text(q, 1)[0];
    int64_t number = r == 1 ? query_int(q, 0) : fresh_number(db, e);
    query_end(&q);
    if (number < 0)
        return -1;
    if (number >= numbers)
        return err_set(e, 0, v->name, "its number is %lld, and [ids] has uids for the numbers 0 to %lld; one is never given twice", (long long)number, (long long)numbers - 1);
    v->number = (uint32_t)number;
    if (same && here)
        return 0;
    if (here)
        c->servers_changed++;
    else
        c->servers_added++;
    /* Who could use it, and then who can. */
    if (account_changed_of(db, v->name, e) < 0 || db_run(db, e, "INSERT INTO server (name, number, owner, digest) VALUES (?1, ?2, ?3, ?4) "
                      "ON CONFLICT (name) DO UPDATE SET owner = ?3, digest = ?4", "titb",
               v->name, number, v->owner, v->digest, sizeof v->digest) < 0)
        return -1;
    return put_allow(db, v, e) < 0 ? -1 : account_changed_of(db, v->name, e);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* The names that SQL gives and that are not among the COUNT structs of SIZE at LIST (sorted, name first), each given to FIRST, unless it is NULL,
   and to DROP. */
typedef int first_fn(sqlite3 *db, const char *name, struct err *e);

static int drop_absent(sqlite3 *db, const char *sql, const void *list, size_t count, size_t size, first_fn *first, const char *const drop[],
                       unsigned *dropped, struct err *e)
{
    QUERY_END sqlite3_stmt *q = db_query(db, e, sql, "");
    int r = q ? 1 : -1;
    char **names = NULL;
    size_t n = 0;
    while (r == 1 && (r = query_step(q, e)) == 1)
        if (count == 0 || bsearch(query_text(q, 0), list, count, size, by_name) == NULL) {
            names = mem_grow(names, n + 1, sizeof *names);
            names[n++] = mem_str(query_text(q, 0));
        }
    for (size_t i = 0; i < n; i++) {
        r = r == 0 && first ? first(db, names[i], e) : r;
        for (size_t j = 0; drop[j] && r == 0; j++)
            r = db_run(db, e, drop[j], "t", names[i]) < 0 ? -1 : 0;
        free(names[i]);
    }
    free(names);
    *dropped = (unsigned)n;
    return r;
}

static int check_visible(sqlite3 *db, struct err *e)
{
    QUERY_END sqlite3_stmt *q = db_query(db, e,
        "SELECT name, (SELECT COUNT(*) FROM server s WHERE s.owner = a.name) + (SELECT COUNT(*) FROM allow w WHERE w.account = a.name) n "
        "FROM account a WHERE n > ? LIMIT 1", "i", (int64_t)PUSH_VISIBLE);
    int r = q ? query_step(q, e) : -1;
    if (r == 1)
        return err_set(e, 0, "account", "%s may see %lld servers; at most %d", query_text(q, 0), (long long)query_int(q, 1),
                       PUSH_VISIBLE);
    return r;
}

static int apply(sqlite3 *db, struct push *p, struct changes *c, struct err *e)
{
    static const char *const end_server[] = { "UPDATE server SET owner = NULL, digest = NULL WHERE name = ?",
                                              "DELETE FROM allow WHERE server = ?", NULL };
    static const char *const end_account[] = { "DELETE FROM account WHERE name = ?", NULL };
    for (size_t i = 0; i < p->naccounts; i++)
        if (put_account(db, p->seal, &p->accounts[i], c, e) < 0)
            return -1;
    for (size_t i = 0; i < p->nservers; i++)
        if (put_server(db, &p->servers[i], p->numbers, c, e) < 0)
            return -1;
    /* Accounts last: a server that changed hands or left must have let go of them. */
    if (drop_absent(db, "SELECT name FROM server WHERE owner IS NOT NULL", p->servers, p->nservers, sizeof *p->servers, account_changed_of, end_server,
                    &c->servers_removed, e) < 0 ||
        drop_absent(db, "SELECT name FROM account", p->accounts, p->naccounts, sizeof *p->accounts, NULL, end_account,
                    &c->accounts_removed, e) < 0)
        return -1;
    return check_visible(db, e);
}

int push_apply(sqlite3 *db, struct push *p, struct changes *c, struct err *e)
{
    if (db_exec(db, "BEGIN IMMEDIATE", e) < 0)
        return -1;
    if (apply(db, p, c, e) == 0 && db_exec(db, "COMMIT", e) == 0)
        return 0;
    db_exec(db, "ROLLBACK", NULL);
    return -1;
}
