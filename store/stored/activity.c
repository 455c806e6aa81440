#include "store/stored/activity.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/stored/activity_in.h"
#include "store/stored/db.h"
#include "store/stored/folder.h"

enum { VERSION = 2, BATCH = 200, AGAIN_MS = 20, FIRST_MS = 1000, ROUND_MS = 3600 * 1000, DAY_MS = 24 * 3600 * 1000 };

/* A path of many bytes counts as several records, so that a number of records bounds the file's size. */
#define WEIGHT "(1 + (length(path) + length(other)) / 512)"

/* Lies by server, each one's records in the order they came: reading or dropping one's touches nobody else's. */
static const char schema[] =
    "BEGIN IMMEDIATE;"
    "CREATE TABLE activity ("
    "    server TEXT NOT NULL,"
    "    id INTEGER NOT NULL,"           /* counts over all servers */
    "    at INTEGER NOT NULL,"           /* wall clock, ms: of the first of `times` */
    "    account TEXT NOT NULL,"
    "    address TEXT NOT NULL,"
    "    action INTEGER NOT NULL,"
    "    path BLOB NOT NULL,"
    "    other BLOB NOT NULL,"
    "    number INTEGER NOT NULL,"
    "    flags INTEGER NOT NULL,"
    "    times INTEGER NOT NULL,"
    "    PRIMARY KEY (server, id)"
    ") WITHOUT ROWID;"
    "PRAGMA user_version = 1;"
    "COMMIT;";

/* Numbers are never used again, so that a reader's place stays its place. */
static const char schema_events[] =
    "BEGIN IMMEDIATE;"
    "CREATE TABLE event ("
    "    id INTEGER PRIMARY KEY AUTOINCREMENT,"
    "    at INTEGER NOT NULL,"           /* wall clock, ms */
    "    kind TEXT NOT NULL,"
    "    server TEXT NOT NULL,"          /* '': of none */
    "    account TEXT NOT NULL,"
    "    text TEXT NOT NULL"
    ");"
    "PRAGMA user_version = 2;"
    "COMMIT;";

/* What was committed survives the store's end; a power cut may take the last seconds.  A database nobody else has open needs no locks. */
static const char setup[] =
    "PRAGMA synchronous = NORMAL;"
    "PRAGMA secure_delete = FAST;"
    "PRAGMA locking_mode = EXCLUSIVE;"
    "PRAGMA journal_size_limit = 16777216;";

static const char *const sql[STATEMENTS] = {
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
    [ADD] = "INSERT INTO activity (server, id, at, account, address, action, path, other, number, flags, times) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1)",
    /* The path is compared here, its hash before was a hint.  Neither sum can overflow. */
    [AGAIN] = "UPDATE activity SET times = MIN(times + 1, 1 << 30), number = CASE WHEN action = ?3 THEN MIN(number + ?4, 1 << 60) ELSE number END, "
              "flags = flags | ?5 WHERE server = ?1 AND id = ?2 AND action = ?6 AND path = ?7 AND other = ?8 "
              "AND (action = ?3 OR number = ?4) AND flags & ?9 = 0",
    [OLDEST] = "SELECT MAX(id), SUM(w) FROM (SELECT id, " WEIGHT " w FROM activity WHERE server = ? ORDER BY id LIMIT ?)",
    [AGED] = "SELECT MAX(id), SUM(w), COUNT(*) FROM (SELECT id, at, " WEIGHT " w FROM activity WHERE server = ? ORDER BY id LIMIT ?) WHERE at < ?",
    [DROP] = "DELETE FROM activity WHERE server = ? AND id <= ? AND at < ?",
    [NEWEST] = "SELECT id FROM activity WHERE server = ? ORDER BY id DESC LIMIT ?",
    [BEHIND] = "SELECT id FROM activity WHERE server = ? AND id > ? ORDER BY id LIMIT ?",
    [EVENT_ADD] = "INSERT INTO event (at, kind, server, account, text) VALUES (?, ?, ?, ?, ?)",
    [EVENT_DROP] = "DELETE FROM event WHERE id <= ?",
    [EVENT_NEWEST] = "SELECT id, at, kind, server, account, text FROM event ORDER BY id DESC",
    [EVENT_END] = "SELECT seq FROM sqlite_sequence WHERE name = 'event'",
    [EVENT_BEHIND] = "SELECT id, at, kind, server, account, text FROM event WHERE id > ? ORDER BY id LIMIT ?",
    [RECORD] = "SELECT at, account, address, action, path, other, number, flags, times FROM activity WHERE server = ? AND id = ?",
};

/* --- the file ------------------------------------------------------------------------------------------------------------------------- */

static int64_t version(sqlite3 *db, struct err *e)
{
    QUERY_END sqlite3_stmt *q = db_query(db, e, "PRAGMA user_version", "");
    return q && query_step(q, e) == 1 ? query_int(q, 0) : -1;
}

/* What it holds: this reads all of it, and so finds most of what can be broken. */
static int count(struct activity *a, struct err *e)
{
    QUERY_END sqlite3_stmt *q = db_query(a->db, e, "SELECT server, SUM(" WEIGHT "), MAX(id) FROM activity GROUP BY server", "");
    int r = q ? 1 : -1;
    while (r == 1 && (r = query_step(q, e)) == 1) {
        if (!name_ok(query_text(q, 0)))
            return err_set(e, 0, "activity.db", "a record is about '%s', which is no server", esc(query_text(q, 0)));
        activity_place(a, query_text(q, 0))->weight = query_int(q, 1);
        a->weight += query_int(q, 1);
        a->id = query_int(q, 2) > a->id ? query_int(q, 2) : a->id;
    }
    return r;
}

static void drop_all(struct activity *a)
{
    for (size_t i = 0; i < STATEMENTS; i++)
        query_end(&a->kept[i]);
    for (size_t i = 0; i < a->nplaces; i++)
        free(a->places[i]);
    free(a->places);
    a->places = NULL;
    a->nplaces = a->aged = 0;
    a->weight = 0;
    db_close(a->db);
    a->db = NULL;
}

static int open_file(struct activity *a, struct err *e)
{
    FREE_MEM char *file = mem_fmt("%s/activity.db", a->folder);
    a->db = db_open(file, e);
    if (a->db == NULL || db_exec(a->db, setup, e) < 0)
        return -1;
    int64_t v = version(a->db, e);
    if (v < 0 || v > VERSION)
        return v < 0 ? -1 : err_set(e, 0, file, "its schema is %lld, this build's is %d", (long long)v, VERSION);
    if ((v < 1 && db_exec(a->db, schema, e) < 0) || (v < 2 && db_exec(a->db, schema_events, e) < 0))
        return -1;
    return count(a, e);
}

static const char *const ends[] = { "", "-wal", "-shm" };

static int check_files(const char *folder, int fd, struct err *e)
{
    for (size_t i = 0; i < countof(ends); i++) {
        char name[32];
        snprintf(name, sizeof name, "activity.db%s", ends[i]);
        if (folder_check(fd, folder, name, e) < 0)
            return -1;
    }
    return 0;
}

/* An earlier one that was set aside is lost. */
static void set_aside(const struct activity *a)
{
    for (size_t i = 0; i < countof(ends); i++) {
        FREE_MEM char *from = mem_fmt("%s/activity.db%s", a->folder, ends[i]);
        FREE_MEM char *to = mem_fmt("%s/activity.db.bad%s", a->folder, ends[i]);
        if (renameat(AT_FDCWD, from, AT_FDCWD, to) < 0 && errno == ENOENT)
            unlinkat(AT_FDCWD, to, 0);
    }
}

static void begin(struct activity *a, int checked, struct err *e)
{
    char text[400];
    if (checked == 0 && open_file(a, e) == 0)
        return;
    log_error("activity.broken", "set_aside=activity.db.bad %s", err_text(e, text, sizeof text));
    drop_all(a);
    set_aside(a);
    *e = (struct err){ 0 };
    if (open_file(a, e) == 0)
        return;
    log_error("activity.off", "%s", err_text(e, text, sizeof text));
    drop_all(a);
}

struct activity *activity_open(struct loop *loop, const char *folder, int fd)
{
    struct err e = { 0 };
    struct activity *a = mem_new(sizeof *a);
    *a = (struct activity){ .loop = loop, .folder = mem_str(folder) };
    begin(a, check_files(folder, fd, &e), &e);
    return a;
}

void activity_close(struct activity *a)
{
    timer_free(a->pruning);
    timer_free(a->ageing);
    drop_all(a);
    free(a->folder);
    free(a);
}

void activity_failed(struct activity *a)
{
    int code = a->db ? sqlite3_errcode(a->db) & 0xff : 0;
    if (code != SQLITE_CORRUPT && code != SQLITE_NOTADB)
        return;
    struct err e = { 0 };
    err_set(&e, 0, "activity.db", "%s", sqlite3_errmsg(a->db));
    begin(a, -1, &e);
}

/* --- statements ----------------------------------------------------------------------------------------------------------------------- */

static sqlite3_stmt *statement(struct activity *a, enum activity_statement which, struct err *e, const char *types, va_list *ap)
{
    if (a->db == NULL) {
        err_set(e, 0, "activity.db", "there is none");
        return NULL;
    }
    if (a->kept[which] == NULL)
        a->kept[which] = db_keep(a->db, e, sql[which]);
    else
        sqlite3_reset(a->kept[which]);
    return a->kept[which] && query_bind(a->kept[which], e, types, ap) == 0 ? a->kept[which] : NULL;
}

sqlite3_stmt *activity_statement(struct activity *a, enum activity_statement which, struct err *e, const char *types, ...)
{
    va_list ap;
    va_start(ap, types);
    sqlite3_stmt *q = statement(a, which, e, types, &ap);
    va_end(ap);
    return q;
}

int activity_run(struct activity *a, enum activity_statement which, struct err *e, const char *types, ...)
{
    va_list ap;
    va_start(ap, types);
    sqlite3_stmt *q = statement(a, which, e, types, &ap);
    va_end(ap);
    int r = q ? query_step(q, e) : -1;
    /* Bound values are borrowed only until here, and a statement not reset would hold its snapshot. */
    if (q)
        sqlite3_reset(q);
    return r < 0 ? -1 : sqlite3_changes(a->db);
}

/* --- limits --------------------------------------------------------------------------------------------------------------------------- */

struct place *activity_place(struct activity *a, const char *server)
{
    for (size_t i = a->nplaces; i-- > 0;)
        if (strcmp(a->places[i]->server, server) == 0)
            return a->places[i];
    struct place *p = mem_new(sizeof *p);
    snprintf(p->server, sizeof p->server, "%s", server);
    a->places = mem_grow(a->places, a->nplaces + 1, sizeof(struct place *));
    return a->places[a->nplaces++] = p;
}

/* P's records up to ID that are older than BEFORE, which weigh WEIGHT. */
static int drop(struct activity *a, struct place *p, int64_t id, int64_t before, int64_t weight)
{
    struct err e = { 0 };
    char text[400];
    if (activity_run(a, DROP, &e, "tii", p->server, id, before) < 0) {
        log_error("activity.prune", "%s", err_text(&e, text, sizeof text));
        activity_failed(a);
        return -1;
    }
    p->weight -= weight;
    a->weight -= weight;
    return 0;
}

static struct place *heaviest(const struct activity *a)
{
    struct place *most = NULL;
    for (size_t i = 0; i < a->nplaces; i++)
        if (most == NULL || a->places[i]->weight > most->weight)
            most = a->places[i];
    return most;
}

static void prune(void *data)
{
    struct activity *a = data;
    struct err e = { 0 };
    struct place *p = heaviest(a);
    a->pruning = NULL;
    if (p == NULL || a->weight <= a->most)
        return;
    int64_t excess = a->weight - a->most;
    sqlite3_stmt *q = activity_statement(a, OLDEST, &e, "ti", p->server, excess < BATCH ? excess : (int64_t)BATCH);
    int r = q ? query_step(q, &e) : -1;
    int64_t id = r == 1 ? query_int(q, 0) : 0, weight = r == 1 ? query_int(q, 1) : 0;
    if (q)
        sqlite3_reset(q);
    if (r < 0 || weight == 0) {
        activity_failed(a);
        return;
    }
    if (drop(a, p, id, INT64_MAX, weight) == 0)
        activity_grown(a);
}

void activity_grown(struct activity *a)
{
    if (a->pruning == NULL && a->most > 0 && a->weight > a->most)
        a->pruning = loop_timer(a->loop, AGAIN_MS, prune, a);
}

static void age(void *data)
{
    struct activity *a = data;
    struct err e = { 0 };
    int64_t before = wall_ms() - a->age, n = 0;
    struct place *p = a->aged < a->nplaces ? a->places[a->aged] : NULL;
    sqlite3_stmt *q = p ? activity_statement(a, AGED, &e, "tii", p->server, (int64_t)BATCH, before) : NULL;
    if (q && query_step(q, &e) == 1 && (n = query_int(q, 2)) > 0) {
        int64_t id = query_int(q, 0), weight = query_int(q, 1);
        sqlite3_reset(q);
        n = drop(a, p, id, before, weight) < 0 ? 0 : n;
    } else if (q)
        sqlite3_reset(q);
    a->aged += n < BATCH;
    bool more = a->aged < a->nplaces;
    a->aged = more ? a->aged : 0;
    a->ageing = loop_timer(a->loop, more ? AGAIN_MS : ROUND_MS, age, a);
}

void activity_limits(struct activity *a, uint32_t days, uint32_t rows)
{
    a->most = rows;
    a->age = (int64_t)days * DAY_MS;
    timer_free(a->ageing);
    a->ageing = loop_timer(a->loop, FIRST_MS, age, a);
    activity_grown(a);
}
