#include "store/stored/sealed.h"

#include <stdio.h>
#include <string.h>

#include "base/attr.h"
#include "base/bucket.h"
#include "base/die.h"
#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/msg.h"
#include "store/stored/db.h"
#include "store/stored/keys.h"

#define USE_PRINT "fingerprint"

/* Columns of one table stand together: they are sealed anew by one statement, which sees the row as it was. */
const struct sealed sealed_columns[] = {
    { .table = "key", .column = "sealed", .use = "own key", .account = "account", .id = "hash", .hashed = true },
    { .table = "key", .column = "sealed_print", .use = USE_PRINT, .account = "account", .id = "hash", .hashed = true, .comes_again = true },
    { .table = "seed", .column = "sealed", .use = "totp seed", .account = "account", .id = "CAST(id AS BLOB)" },
    { .table = "vault", .column = "sealed_digest", .use = "digest key", .account = "''", .id = "NULL", .comes_again = true },
};
const size_t sealed_count = countof(sealed_columns);

enum { SQL_MOST = 2048, TEXT_MOST = MSG_MOST };

struct work {
    const struct secret *from, *to;
    bool plain;
    struct sealed_tally tally;
    bool known;                         /* of the last hash, which is asked for each column of its row */
    uint8_t was[KEY_HASH], is[KEY_HASH];
};

void sealed_complain(const char *use, const char *account)
{
    static struct bucket said;
    static bool begun;
    if (!begun)
        bucket_init(&said, 20, 1, now_ms());
    begun = true;
    if (bucket_take(&said, 1, now_ms()))
        log_error("sealed.broken", "use=\"%s\" account=%s why=\"it does not open where it lies: it was changed or moved, or sealed with another key\"",
                  use, esc(account));
}

/* ---- functions for SQL: arguments use, account, id, ... ---- */

static struct secret_bond bond_of(sqlite3_value **v, int id)
{
    struct secret_bond b = { .use = (const char *)sqlite3_value_text(v[0]), .account = (const char *)sqlite3_value_text(v[1]) };
    b.id = sqlite3_value_blob(v[id]);
    b.size = (size_t)sqlite3_value_bytes(v[id]);
    return b;
}

/* 1: TEXT has what the value holds.  0: it holds none.  -1: it does not open. */
static int open_value(const struct work *w, const struct secret_bond *b, sqlite3_value *v, struct buf *text)
{
    int type = sqlite3_value_type(v);
    const void *bytes = sqlite3_value_blob(v);
    size_t size = (size_t)sqlite3_value_bytes(v);
    if (size == 0)
        return 0;
    if (type == SQLITE_TEXT && w->plain) {
        buf_put(text, bytes, size);
        return text->bad ? -1 : 1;
    }
    return type == SQLITE_BLOB && secret_open(w->from->key, b, bytes, size, text) == 0 ? 1 : -1;
}

/* reseal(use, account, id, new id, value) */
static void reseal(sqlite3_context *c, int n UNUSED, sqlite3_value **v)
{
    struct work *w = sqlite3_user_data(c);
    struct buf text = BUF(TEXT_MOST), sealed = BUF(TEXT_MOST + SECRET_NONCE + SECRET_TAG);
    const struct secret_bond from = bond_of(v, 2), to = bond_of(v, 3);
    int r = open_value(w, &from, v[4], &text);
    if (r == 1)
        secret_seal(w->to->key, &to, buf_head(&text), buf_size(&text), &sealed);
    if (r < 0 || sealed.bad) {
        w->tally.broken++;
        sealed_complain(from.use, from.account);
    }
    w->tally.texts += r == 1;
    if (r == 1 && !sealed.bad)
        sqlite3_result_blob64(c, buf_head(&sealed), buf_size(&sealed), SQLITE_TRANSIENT);
    else
        sqlite3_result_value(c, v[4]);
    buf_wipe(&text);
    buf_wipe(&sealed);
}

/* rehash(use, account, id, fingerprint): the hash it gets, or the one it has where that cannot be known. */
static void rehash(sqlite3_context *c, int n UNUSED, sqlite3_value **v)
{
    struct work *w = sqlite3_user_data(c);
    struct buf text = BUF(TEXT_MOST);
    const struct secret_bond bond = bond_of(v, 2);
    if (!w->known || bond.size != KEY_HASH || memcmp(bond.id, w->was, KEY_HASH) != 0) {
        bool good = bond.size == KEY_HASH && open_value(w, &bond, v[3], &text) == 1;
        FREE_MEM char *print = good ? mem_strn(buf_head(&text), buf_size(&text)) : NULL;
        w->known = print && key_hash_print(w->to->hash, print, w->is) == 0;
        if (w->known)
            memcpy(w->was, bond.id, KEY_HASH);
        buf_wipe(&text);
    }
    if (w->known)
        sqlite3_result_blob(c, w->is, KEY_HASH, SQLITE_TRANSIENT);
    else
        sqlite3_result_value(c, v[2]);
}

static int functions(sqlite3 *db, struct work *w, struct err *e)
{
    int flags = SQLITE_UTF8 | SQLITE_DIRECTONLY;
    if (sqlite3_create_function(db, "reseal", 5, flags, w, w ? reseal : NULL, NULL, NULL) == SQLITE_OK &&
        sqlite3_create_function(db, "rehash", 4, flags, w, w ? rehash : NULL, NULL, NULL) == SQLITE_OK)
        return 0;
    return err_set(e, 0, "database", "%s", sqlite3_errmsg(db));
}

/* ---- statements ---- */

/* From FIRST on, those of its table: returns the first of the next one. */
static size_t put_update(size_t first, struct buf *sql)
{
    const struct sealed *s = &sealed_columns[first];
    char fresh[128];
    snprintf(fresh, sizeof fresh, "%s", s->id);
    if (s->hashed)
        snprintf(fresh, sizeof fresh, "rehash('" USE_PRINT "', %s, %s, sealed_print)", s->account, s->id);
    buf_put_fmt(sql, "UPDATE %s SET ", s->table);
    if (s->hashed)
        buf_put_fmt(sql, "%s = %s, ", s->id, fresh);
    size_t i = first;
    for (; i < sealed_count && strcmp(sealed_columns[i].table, s->table) == 0; i++)
        buf_put_fmt(sql, "%s%s = reseal('%s', %s, %s, %s, %s)", i == first ? "" : ", ", sealed_columns[i].column, sealed_columns[i].use,
                    sealed_columns[i].account, sealed_columns[i].id, fresh, sealed_columns[i].column);
    buf_put(sql, "", 1);
    invariant(!sql->bad);
    return i;
}

static int update_all(sqlite3 *db, struct err *e)
{
    int r = 0;
    for (size_t i = 0; i < sealed_count && r == 0;) {
        BUF_FREE struct buf sql = BUF(SQL_MOST);
        i = put_update(i, &sql);
        r = db_exec(db, (const char *)buf_head(&sql), e);
    }
    return r;
}

int sealed_anew(sqlite3 *db, const struct secret *from, const struct secret *to, bool plain, struct sealed_tally *t, struct err *e)
{
    struct work w = { .from = from, .to = to, .plain = plain };
    int r = functions(db, &w, e);
    if (r == 0)
        r = update_all(db, e);
    functions(db, NULL, NULL);
    *t = w.tally;
    return r;
}

int sealed_any(sqlite3 *db, struct err *e)
{
    int r = 0;
    for (size_t i = 0; i < sealed_count && r == 0; i++) {
        const struct sealed *s = &sealed_columns[i];
        char sql[SQL_MOST];
        if (s->comes_again)
            continue;
        snprintf(sql, sizeof sql, "SELECT 1 FROM %s WHERE length(%s) > 0 LIMIT 1", s->table, s->column);
        QUERY_END sqlite3_stmt *q = db_query(db, e, sql, "");
        r = q ? query_step(q, e) : -1;
    }
    return r;
}

static const char *wrong(const struct sealed *s, sqlite3_stmt *q, const struct secret *key, struct buf *text)
{
    struct secret_bond b = { .use = s->use, .account = query_text(q, 0) };
    size_t size;
    uint8_t hash[KEY_HASH];
    b.id = query_blob(q, 1, &b.size);
    const void *sealed = query_blob(q, 2, &size);
    if (secret_open(key->key, &b, sealed, size, text) < 0)
        return "does not open";
    if (!s->hashed || strcmp(s->use, USE_PRINT) != 0)
        return NULL;
    FREE_MEM char *print = mem_strn(buf_head(text), buf_size(text));
    bool same = key_hash_print(key->hash, print, hash) == 0 && b.size == sizeof hash && memcmp(b.id, hash, sizeof hash) == 0;
    return same ? NULL : "is of another hash than its row's";
}

static int check_column(sqlite3 *db, const struct sealed *s, const struct secret *key, sealed_fn *fn, void *data, struct sealed_tally *t, struct err *e)
{
    char sql[SQL_MOST];
    snprintf(sql, sizeof sql, "SELECT %s, %s, %s FROM %s WHERE length(%s) > 0", s->account, s->id, s->column, s->table, s->column);
    QUERY_END sqlite3_stmt *q = db_query(db, e, sql, "");
    int r = q ? 1 : -1;
    while (r == 1 && (r = query_step(q, e)) == 1) {
        struct buf text = BUF(TEXT_MOST);
        const char *what = wrong(s, q, key, &text);
        buf_wipe(&text);
        t->texts++;
        if (what == NULL)
            continue;
        t->broken++;
        fn(data, s, query_text(q, 0), what);
    }
    return r;
}

int sealed_check(sqlite3 *db, const struct secret *key, sealed_fn *fn, void *data, struct sealed_tally *t, struct err *e)
{
    int r = 0;
    for (size_t i = 0; i < sealed_count && r == 0; i++)
        r = check_column(db, &sealed_columns[i], key, fn, data, t, e);
    return r;
}

/* ---- fingerprints ---- */

int sealed_print(sqlite3_stmt *q, int column, const uint8_t *key, const char *account, const void *hash, char *out, size_t size)
{
    struct buf text = BUF(TEXT_MOST);
    const struct secret_bond b = { .use = USE_PRINT, .account = account, .id = hash, .size = KEY_HASH };
    size_t n;
    const void *sealed = query_blob(q, column, &n);
    int r = key ? secret_open(key, &b, sealed, n, &text) : -1;
    snprintf(out, size, "%.*s", r == 0 ? (int)buf_size(&text) : 0, r == 0 ? (const char *)buf_head(&text) : "");
    buf_wipe(&text);
    return r;
}

void sealed_print_put(const uint8_t *key, const char *account, const void *hash, const char *fingerprint, struct buf *out)
{
    const struct secret_bond b = { .use = USE_PRINT, .account = account, .id = hash, .size = KEY_HASH };
    if (key)
        secret_seal(key, &b, fingerprint, strlen(fingerprint), out);
}
