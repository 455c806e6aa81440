#include "store/stored/db.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

/* Statements are prepared once: that takes ten times as long as most of them need to run.  A text is known by its address and, as that may be
   another's by now, by its bytes. */
enum { PREPARED = 128 };

static struct prepared { sqlite3_stmt *q; const char *sql; bool used; } prepared[PREPARED];

static int failed(sqlite3 *db, const char *step, struct err *e)
{
    int code = sqlite3_errcode(db);
    return err_set(e, code == SQLITE_FULL ? ENOSPC : 0, step, "%s", sqlite3_errmsg(db));
}

/* WAL with synchronous=FULL: what was acknowledged survives a power cut.  secure_delete: a removed hash is overwritten. */
static const char setup[] =
    "PRAGMA journal_mode = WAL;"
    "PRAGMA synchronous = FULL;"
    "PRAGMA foreign_keys = ON;"
    "PRAGMA secure_delete = ON;"
    "PRAGMA temp_store = MEMORY;"
    "PRAGMA trusted_schema = OFF;"
    "PRAGMA cell_size_check = ON;";

static int in_wal(sqlite3 *db, struct err *e)
{
    QUERY_END sqlite3_stmt *q = db_query(db, e, "PRAGMA journal_mode", "");
    if (q == NULL || query_step(q, e) < 0)
        return -1;
    if (strcmp(query_text(q, 0), "wal") != 0)
        return err_set(e, 0, "database", "journal mode is '%s', must be wal", query_text(q, 0));
    return 0;
}

sqlite3 *db_open(const char *path, struct err *e)
{
    sqlite3 *db = NULL;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_EXRESCODE;
    if (sqlite3_open_v2(path, &db, flags, NULL) != SQLITE_OK) {
        err_set(e, 0, "open", "%s: %s", path, db ? sqlite3_errmsg(db) : "out of memory");
        sqlite3_close(db);
        return NULL;
    }
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_busy_timeout(db, 1000);
    if (db_exec(db, setup, e) < 0 || in_wal(db, e) < 0) {
        err_wrap(e, path);
        sqlite3_close(db);
        return NULL;
    }
    return db;
}

sqlite3 *db_open_read(const char *path, struct err *e)
{
    sqlite3 *db = NULL;
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_EXRESCODE, NULL) == SQLITE_OK) {
        sqlite3_busy_timeout(db, 1000);
        if (db_exec(db, "PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;", e) == 0)
            return db;
    } else
        err_set(e, 0, "open", "%s: %s", path, db ? sqlite3_errmsg(db) : "out of memory");
    sqlite3_close(db);
    return NULL;
}

void db_close(sqlite3 *db)
{
    for (struct prepared *p = prepared; p < prepared + PREPARED; p++)
        if (p->q && !p->used && sqlite3_db_handle(p->q) == db) {
            sqlite3_finalize(p->q);
            *p = (struct prepared){ 0 };
        }
    sqlite3_close(db);
}

int db_exec(sqlite3 *db, const char *sql, struct err *e)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : failed(db, "database", e);
}

static int bind(sqlite3_stmt *q, int at, char type, va_list *ap)
{
    if (type == 'i')
        return sqlite3_bind_int64(q, at, va_arg(*ap, int64_t));
    if (type == 't')
        return sqlite3_bind_text(q, at, va_arg(*ap, const char *), -1, SQLITE_STATIC);
    const void *bytes = va_arg(*ap, const void *);
    size_t size = va_arg(*ap, size_t);
    return sqlite3_bind_blob64(q, at, bytes, size, SQLITE_STATIC);
}

int query_bind(sqlite3_stmt *q, struct err *e, const char *types, va_list *ap)
{
    for (int i = 0; types[i]; i++)
        if (bind(q, i + 1, types[i], ap) != SQLITE_OK)
            return failed(sqlite3_db_handle(q), "database", e);
    return 0;
}

/* One that nobody uses, or a free place for it; NULL: it will not be kept. */
static struct prepared *place_of(sqlite3 *db, const char *sql)
{
    struct prepared *empty = NULL;
    for (struct prepared *p = prepared; p < prepared + PREPARED; p++)
        if (p->q == NULL)
            empty = empty ? empty : p;
        else if (p->sql == sql && !p->used && sqlite3_db_handle(p->q) == db && strcmp(sqlite3_sql(p->q), sql) == 0)
            return p;
    return empty;
}

static sqlite3_stmt *prepare(sqlite3 *db, struct err *e, const char *sql, const char *types, va_list *ap)
{
    struct prepared *place = place_of(db, sql);
    sqlite3_stmt *q = place ? place->q : NULL;
    if (q == NULL && sqlite3_prepare_v3(db, sql, -1, place ? SQLITE_PREPARE_PERSISTENT : 0, &q, NULL) != SQLITE_OK) {
        failed(db, "database", e);
        return NULL;
    }
    if (place)
        *place = (struct prepared){ .q = q, .sql = sql, .used = true };
    if (query_bind(q, e, types, ap) == 0)
        return q;
    query_end(&q);
    return NULL;
}

sqlite3_stmt *db_keep(sqlite3 *db, struct err *e, const char *sql)
{
    sqlite3_stmt *q = NULL;
    if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &q, NULL) != SQLITE_OK)
        failed(db, "database", e);
    return q;
}

sqlite3_stmt *db_query(sqlite3 *db, struct err *e, const char *sql, const char *types, ...)
{
    va_list ap;
    va_start(ap, types);
    sqlite3_stmt *q = prepare(db, e, sql, types, &ap);
    va_end(ap);
    return q;
}

int query_step(sqlite3_stmt *q, struct err *e)
{
    int code = sqlite3_step(q);
    if (code == SQLITE_ROW)
        return 1;
    return code == SQLITE_DONE ? 0 : failed(sqlite3_db_handle(q), "database", e);
}

void query_end(sqlite3_stmt **q)
{
    struct prepared *p = prepared;
    while (p < prepared + PREPARED && (*q == NULL || p->q != *q))
        p++;
    if (p < prepared + PREPARED) {
        /* What was bound is its owner's again. */
        sqlite3_reset(*q);
        sqlite3_clear_bindings(*q);
        p->used = false;
    } else
        sqlite3_finalize(*q);
    *q = NULL;
}

const char *query_text(sqlite3_stmt *q, int column)
{
    const unsigned char *text = sqlite3_column_text(q, column);
    return text ? (const char *)text : "";
}

int64_t query_int(sqlite3_stmt *q, int column)
{
    return sqlite3_column_int64(q, column);
}

const void *query_blob(sqlite3_stmt *q, int column, size_t *size)
{
    const void *bytes = sqlite3_column_blob(q, column);
    *size = (size_t)sqlite3_column_bytes(q, column);
    return bytes;
}

bool query_blob_is(sqlite3_stmt *q, int column, const void *bytes, size_t size)
{
    const void *have = sqlite3_column_blob(q, column);
    return have && (size_t)sqlite3_column_bytes(q, column) == size && memcmp(have, bytes, size) == 0;
}

int db_run(sqlite3 *db, struct err *e, const char *sql, const char *types, ...)
{
    va_list ap;
    va_start(ap, types);
    QUERY_END sqlite3_stmt *q = prepare(db, e, sql, types, &ap);
    va_end(ap);
    if (q == NULL || query_step(q, e) < 0)
        return -1;
    return sqlite3_changes(db);
}
