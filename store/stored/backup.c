#include "store/stored/backup.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include <sodium.h>

#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rights.h"
#include "store/stored/db.h"
#include "store/stored/order.h"

int backup_settle_all(sqlite3 *db, struct err *e)
{
    int n = db_run(db, e, "UPDATE backup SET state = 'failed' WHERE state = 'running'", "");
    if (n > 0)
        log_warn("backup.interrupted", "backups=%d", n);
    return n < 0 ? -1 : 0;
}

int backup_settle(sqlite3 *db, const char *id, bool done, uint64_t size, struct err *e)
{
    int64_t bytes = size > INT64_MAX ? INT64_MAX : (int64_t)size;
    int n = db_run(db, e, "UPDATE backup SET state = ?, size = ? WHERE id = ?", "tit", done ? "done" : "failed", bytes, id);
    return n < 0 ? -1 : 0;
}

/* Sorts by time, is a file name, and cannot be guessed to be free by two at once. */
static void new_id(int64_t now, char id[BACKUP_ID])
{
    time_t t = now / 1000;
    struct tm tm;
    uint16_t random;
    char stamp[24];
    randombytes_buf(&random, sizeof random);
    gmtime_r(&t, &tm);
    strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", &tm);
    snprintf(id, BACKUP_ID, "%s-%04x", stamp, random);
}

static bool label_ok(const char *label)
{
    for (const unsigned char *p = (const unsigned char *)label; *p; p++)
        if (*p < ' ' || *p == 0x7f)
            return false;
    return strlen(label) <= BACKUP_LABEL;
}

/* 1: one of this server is being made. */
static int busy(struct wish *w, struct err *e)
{
    QUERY_END sqlite3_stmt *q = db_query(w->session->store->db, e, "SELECT 1 FROM backup WHERE server = ? AND state = 'running'",
                                         "t", w->server);
    return q ? query_step(q, e) : -1;
}

static int insert(struct wish *w, struct err *e)
{
    int64_t now = wall_ms();
    new_id(now, w->backup);
    int n = db_run(w->session->store->db, e,
                   "INSERT INTO backup (id, server, account, state, created, size, label, locked) VALUES (?, ?, ?, 'running', ?, 0, ?, 0)",
                   "tttit", w->backup, w->server, w->session->account, now, w->text);
    return n < 0 ? -1 : 0;
}

bool backup_create(struct wish *w)
{
    struct err e = { 0 };
    if (!label_ok(w->text)) {
        wish_refuse(w, CODE_USAGE, "label: at most %d bytes, no control characters", BACKUP_LABEL);
        return false;
    }
    int running = busy(w, &e);
    if (running == 1) {
        wish_refuse(w, CODE_STATE, "%s: a backup is being made already", w->server);
        return false;
    }
    if (running < 0 || insert(w, &e) < 0) {
        w->backup[0] = '\0';
        wish_failed(w, &e);
        return false;
    }
    w->order_text = mem_fmt("%s %s", w->backup, w->text);
    return true;
}

bool backup_get(struct wish *w)
{
    struct err e = { 0 };
    QUERY_END sqlite3_stmt *q = db_query(w->session->store->db, &e, "SELECT state FROM backup WHERE id = ? AND server = ?", "tt",
                                         w->text, w->server);
    int r = q ? query_step(q, &e) : -1;
    if (r < 0)
        wish_failed(w, &e);
    else if (r == 0)
        wish_refuse(w, CODE_FAILED, "%s: there is no backup '%s'", w->server, escn(w->text, strnlen(w->text, 64)));
    else if (strcmp(query_text(q, 0), "done") != 0)
        wish_refuse(w, CODE_STATE, "%s: backup %s is %s", w->server, w->text, query_text(q, 0));
    else
        return true;
    return false;
}

/* Of the one server that was asked for, or of all whose backups the account may read. */
#define MINE \
    "FROM backup b JOIN server s ON s.name = b.server LEFT JOIN allow a ON a.server = s.name AND a.account = ?1 " \
    "WHERE (s.owner = ?1 OR (s.owner IS NOT NULL AND a.rights & ?2)) AND (?3 = '' OR b.server = ?3) "

static sqlite3_stmt *query_page(struct wish *w, struct err *e)
{
    int64_t skip = w->number > INT64_MAX ? INT64_MAX : (int64_t)w->number;
    return db_query(w->session->store->db, e, "SELECT b.id, b.server, b.state, b.created, b.size, b.label, b.locked " MINE
                    "ORDER BY b.created DESC, b.id DESC LIMIT ?4 OFFSET ?5", "titii", w->session->account, (int64_t)RIGHT_BACKUP_READ,
                    w->server, (int64_t)BACKUP_PAGE, skip);
}

static void put_row(struct msg *m, sqlite3_stmt *q)
{
    msg_put_str(m, query_text(q, 0));
    msg_put_str(m, query_text(q, 1));
    msg_put_str(m, query_text(q, 2));
    msg_put_u64(m, (uint64_t)query_int(q, 3));
    msg_put_u64(m, (uint64_t)query_int(q, 4));
    msg_put_str(m, query_text(q, 5));
    msg_put_u32(m, (uint32_t)query_int(q, 6));
}

bool backup_list(struct wish *w)
{
    struct err e = { 0 };
    struct msg rows, out;
    uint32_t n = 0;
    QUERY_END sqlite3_stmt *q = query_page(w, &e);
    int r = q ? 1 : -1;
    msg_begin(&rows, STORE_DO_RESULT, w->id);
    while (r == 1 && (r = query_step(q, &e)) == 1) {
        put_row(&rows, q);
        n++;
    }
    if (r < 0)
        wish_failed(w, &e);
    else {
        msg_begin(&out, STORE_DO_RESULT, w->id);
        msg_put_u32(&out, CODE_OK);
        msg_put_str(&out, "");
        msg_put_u32(&out, n);
        buf_put(&out.body, buf_head(&rows.body), buf_size(&rows.body));
        link_send(w->session->link, &out);
    }
    msg_free(&rows);
    return false;
}
