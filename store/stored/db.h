/* The database: opening, and statements with bound values.  Every call that can fail returns -1 with E filled; nothing here ends the
   process, as a full disk must not. */
#ifndef STORED_DB_H
#define STORED_DB_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sqlite3.h>

#include "base/err.h"

#define QUERY_END __attribute__((cleanup(query_end)))

/* Opens or makes PATH (absolute, in a folder that was checked).  NULL with E. */
sqlite3 *db_open(const char *path, struct err *e);
/* To read only, beside who writes.  NULL with E. */
sqlite3 *db_open_read(const char *path, struct err *e);
void db_close(sqlite3 *db);
/* Statements without values, several allowed. */
int db_exec(sqlite3 *db, const char *sql, struct err *e);

/* A statement with values: TYPES has one letter each, 't' const char *, 'i' int64_t, 'b' const void * and size_t.  Texts and
   blobs are borrowed until query_end.  NULL with E.  It is prepared the first time and kept. */
sqlite3_stmt *db_query(sqlite3 *db, struct err *e, const char *sql, const char *types, ...);
/* One to be used again and again: no values yet; before each use sqlite3_reset and query_bind, which takes values as db_query does. */
sqlite3_stmt *db_keep(sqlite3 *db, struct err *e, const char *sql);
int query_bind(sqlite3_stmt *q, struct err *e, const char *types, va_list *ap);
/* 1: a row is there.  0: no more.  -1. */
int query_step(sqlite3_stmt *q, struct err *e);
void query_end(sqlite3_stmt **q);
/* Columns of the row, valid until the next step; a NULL column reads as "". */
const char *query_text(sqlite3_stmt *q, int column);
int64_t query_int(sqlite3_stmt *q, int column);
/* *SIZE bytes; NULL and 0 for an empty one. */
const void *query_blob(sqlite3_stmt *q, int column, size_t *size);
bool query_blob_is(sqlite3_stmt *q, int column, const void *bytes, size_t size);

/* A statement that gives no rows, in one go.  Returns the rows it changed, or -1. */
int db_run(sqlite3 *db, struct err *e, const char *sql, const char *types, ...);

#endif
