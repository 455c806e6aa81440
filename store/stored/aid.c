#include "store/stored/aid.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "base/die.h"
#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/msg.h"
#include "store/proto.h"
#include "store/stored/db.h"
#include "store/stored/folder.h"
#include "store/stored/lock.h"
#include "store/stored/migrate.h"
#include "store/stored/sealed.h"
#include "store/stored/vault.h"

/* More are counted, not told. */
enum { FOUND_MOST = 500, BLOCK = 64 * 1024 };

struct aid {
    char *path;
    int folder;
    const struct secret *key;   /* of a check */
    sqlite3 *db;
    unsigned found;
};

static void tell(struct msg *m)
{
    if (msg_send(LINK_FD, m) < 0)
        die_errno("aid: send");
    msg_free(m);
}

static void found(struct aid *a, const char *part, const char *what)
{
    struct msg m;
    if (a->found++ >= FOUND_MOST)
        return;
    msg_begin(&m, CHECK_FOUND, 0);
    msg_put_str(&m, part);
    msg_put_str(&m, what);
    tell(&m);
}

static void found_err(struct aid *a, const char *part, const struct err *e)
{
    char text[400];
    found(a, part, err_text(e, text, sizeof text));
}

/* ---- the check ---- */

static void check_files(struct aid *a)
{
    static const char *const files[] = { "store.db", "store.db-wal", "store.db-shm", "activity.db", "activity.db-wal", "activity.db-shm" };
    for (size_t i = 0; i < countof(files); i++) {
        struct err e = { 0 };
        if (folder_check(a->folder, a->path, files[i], &e) < 0)
            found_err(a, "files", &e);
    }
}

/* Each row of SQL is one thing that is wrong, unless it is FINE. */
static int rows_are_wrong(struct aid *a, const char *part, const char *sql, const char *fine, struct err *e)
{
    QUERY_END sqlite3_stmt *q = db_query(a->db, e, sql, "");
    int r = q ? 1 : -1;
    while (r == 1 && (r = query_step(q, e)) == 1)
        if (strcmp(query_text(q, 0), fine) != 0)
            found(a, part, query_text(q, 0));
    return r;
}

/* What the steps of this build make of nothing, attached so that SQL compares the two. */
static int check_schema(struct aid *a, struct err *e)
{
    sqlite3 *made = NULL;
    int r = sqlite3_open_v2(":memory:", &made, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) == SQLITE_OK ? 0 : err_set(e, 0, "memory", "no database");
    if (r == 0)
        r = migrate(made, e);
    QUERY_END sqlite3_stmt *q = r == 0 ? db_query(made, e, "SELECT type || ' ' || name, sql FROM sqlite_schema WHERE sql IS NOT NULL", "") : NULL;
    r = q ? 1 : -1;
    int64_t n = 0;
    while (r == 1 && (r = query_step(q, e)) == 1) {
        QUERY_END sqlite3_stmt *have = db_query(a->db, e, "SELECT sql = ?2 FROM sqlite_schema WHERE type || ' ' || name = ?1", "tt", query_text(q, 0),
                                                query_text(q, 1));
        int there = have ? query_step(have, e) : -1;
        FREE_MEM char *what = mem_fmt("%s %s", query_text(q, 0), there == 1 ? "is another one than this build makes" : "is missing");
        if (there < 0)
            r = -1;
        else if (there == 0 || !query_int(have, 0))
            found(a, "schema", what);
        n += there == 1;
    }
    query_end(&q);
    sqlite3_close(made);
    QUERY_END sqlite3_stmt *all = r < 0 ? NULL : db_query(a->db, e, "SELECT COUNT(*) FROM sqlite_schema WHERE sql IS NOT NULL", "");
    if (all == NULL || query_step(all, e) < 0)
        return -1;
    if (query_int(all, 0) != n)
        found(a, "schema", "it has tables, indexes or triggers that this build does not make");
    return 0;
}

static void on_broken(void *data, const struct sealed *s, const char *account, const char *what)
{
    FREE_MEM char *text = mem_fmt("%s.%s%s%s: a text %s", s->table, s->column, account[0] ? " of account " : "", account, what);
    found(data, "sealed", text);
}

static int check_sealed(struct aid *a, struct sealed_tally *t, struct err *e)
{
    QUERY_END sqlite3_stmt *q = db_query(a->db, e, "SELECT key FROM vault", "");
    int r = q ? query_step(q, e) : -1;
    if (r == 1 && !query_blob_is(q, 0, a->key->id, sizeof a->key->id)) {
        found(a, "sealed", "the database is sealed with another secret key than the appliance has");
        return 0;
    }
    return r < 0 ? -1 : sealed_check(a->db, a->key, on_broken, a, t, e);
}

static int64_t number(struct aid *a, const char *pragma, struct err *e)
{
    QUERY_END sqlite3_stmt *q = db_query(a->db, e, pragma, "");
    return q && query_step(q, e) == 1 ? query_int(q, 0) : -1;
}

/* One read transaction: all of it is of one moment. */
static int check_all(struct aid *a, int64_t *pages, int64_t *schema, struct sealed_tally *t, struct err *e)
{
    check_files(a);
    if (db_exec(a->db, "BEGIN", e) < 0 || (*schema = number(a, "PRAGMA user_version", e)) < 0 || (*pages = number(a, "PRAGMA page_count", e)) < 0)
        return -1;
    return check_schema(a, e) < 0 || rows_are_wrong(a, "integrity", "PRAGMA integrity_check", "ok", e) < 0 ||
           rows_are_wrong(a, "foreign keys", "SELECT \"table\" || ': a row without its ' || parent FROM pragma_foreign_key_check", "", e) < 0 ||
           check_sealed(a, t, e) < 0 ? -1 : 0;
}

static void check(struct aid *a, int fd UNUSED)
{
    struct err e = { 0 };
    struct sealed_tally t = { 0 };
    char text[400];
    int64_t pages = 0, schema = 0;
    int r = check_all(a, &pages, &schema, &t, &e);
    struct msg m;
    msg_begin(&m, CHECK_DONE, 0);
    msg_put_str(&m, r < 0 ? err_text(&e, text, sizeof text) : "");
    msg_put_u64(&m, (uint64_t)pages);
    msg_put_u64(&m, t.texts);
    msg_put_u32(&m, (uint32_t)schema);
    tell(&m);
}

/* ---- the copy ---- */

static int pour(int from, int to, uint64_t *bytes, struct err *e)
{
    static uint8_t block[BLOCK];
    for (;;) {
        ssize_t n = io_read_all(from, block, sizeof block);
        if (n < 0 || (n > 0 && io_write_all(to, block, (size_t)n) < 0))
            return err_set(e, errno, "write", "the copy");
        *bytes += (uint64_t)n;
        if (n < BLOCK)
            return fsync(to) < 0 ? err_set(e, errno, "fsync", "the copy") : 0;
    }
}

/* SQLite writes files it can name, so the copy is made in our folder first; it is of one moment, and holds nothing that was deleted. */
static int copy_all(struct aid *a, int to, uint64_t *bytes, int64_t *schema, struct err *e)
{
    FREE_MEM char *file = mem_fmt("%s/copy.db", a->path);
    folder_tidy(a->folder, false);
    if ((*schema = number(a, "PRAGMA user_version", e)) < 0 || db_run(a->db, e, "VACUUM INTO ?", "t", file) < 0)
        return -1;
    CLOSE_FD int fd = openat(a->folder, "copy.db", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    int r = fd < 0 ? err_set(e, errno, "open", "%s", file) : pour(fd, to, bytes, e);
    folder_tidy(a->folder, false);
    return r;
}

static void copy(struct aid *a, int to)
{
    struct err e = { 0 };
    char text[400];
    uint64_t bytes = 0;
    int64_t schema = 0;
    int r = copy_all(a, to, &bytes, &schema, &e);
    struct msg m;
    msg_begin(&m, COPY_DONE, 0);
    msg_put_str(&m, r < 0 ? err_text(&e, text, sizeof text) : "");
    msg_put_u64(&m, bytes);
    msg_put_u32(&m, (uint32_t)schema);
    tell(&m);
}

static const struct {
    uint16_t type;
    void (*run)(struct aid *a, int fd);
} jobs[] = {
    { START_CHECK, check },
    { START_COPY, copy },
};

NORETURN void aid_main(void)
{
    MSG_FREE struct msg m;
    struct aid a = { 0 };
    struct err e = { 0 };
    if (msg_recv(LINK_FD, &m) <= 0)
        _exit(0);
    a.path = msg_get_str(&m);
    CLOSE_FD int fd = msg_get_fd(&m);
    msg_end(&m);
    /* The steps that are run to compare with are no news. */
    log_init("holdfast-store", LOG_WARN);
    a.folder = open(a.path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (a.folder < 0)
        die_errno("%s", a.path);
    /* Its memory is locked before we are. */
    if (m.type == START_CHECK && (a.key = secret_take(fd, SECRET_NOW, &e)) == NULL)
        die_err(&e);
    unsigned char byte;
    sqlite3_randomness(1, &byte);
    lock_store(a.folder);
    FREE_MEM char *file = mem_fmt("%s/store.db", a.path);
    a.db = db_open_read(file, &e);
    if (a.db == NULL)
        die_err(&e);
    for (size_t i = 0; i < countof(jobs); i++)
        if (jobs[i].type == m.type) {
            jobs[i].run(&a, fd);
            secret_forget(SECRET_NOW);
            _exit(0);
        }
    die("message %#x is not one for the store's aid", m.type);
}
