/* Sources of connections and what is held against them: rows for the supervisor, which alone knows what they mean. */
#include "base/die.h"
#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/proto.h"
#include "store/stored/db.h"
#include "store/stored/store.h"

struct row {
    const uint8_t *address;
    size_t size;
    int64_t saved, penalty, in_force, cool, tries, keys, passwords, why, since, refused;
};

/* Times and terms of which sums can be made. */
static int64_t ms_of(uint64_t ms)
{
    const uint64_t most = 1ull << 60;
    return (int64_t)(ms < most ? ms : most);
}

static void get(struct msg *m, struct row *r)
{
    r->address = msg_get_bytes(m, &r->size);
    r->saved = ms_of(msg_get_u64(m));
    r->penalty = ms_of(msg_get_u64(m));
    r->in_force = msg_get_u32(m) != 0;
    r->cool = ms_of(msg_get_u64(m));
    r->tries = ms_of(msg_get_u64(m));
    r->keys = msg_get_u32(m);
    r->passwords = msg_get_u32(m);
    r->why = msg_get_u32(m);
    r->since = ms_of(msg_get_u64(m));
    r->refused = msg_get_u32(m);
    if (r->size != 4 && r->size != 8)
        die("a source of %zu bytes", r->size);
}

static int put(sqlite3 *db, const struct row *r, struct err *e)
{
    int64_t longest = r->penalty > r->cool ? r->penalty : r->cool;
    if (r->tries > longest)
        longest = r->tries;
    if (longest == 0)
        return db_run(db, e, "DELETE FROM source WHERE address = ?", "b", r->address, r->size) < 0 ? -1 : 0;
    return db_run(db, e, "INSERT OR REPLACE INTO source (address, saved, ends, penalty, in_force, cool, tries, keys, passwords, why, since, refused) "
                         "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", "biiiiiiiiiii", r->address, r->size, r->saved, r->saved + longest, r->penalty,
                  r->in_force, r->cool, r->tries, r->keys, r->passwords, r->why, r->since, r->refused) < 0 ? -1 : 0;
}

static int purge(sqlite3 *db, struct err *e)
{
    return db_run(db, e, "DELETE FROM source WHERE ends <= ?", "i", wall_ms()) < 0 ? -1 : 0;
}

static int save(sqlite3 *db, const struct row *rows, uint32_t n, struct err *e)
{
    int r = db_exec(db, "BEGIN IMMEDIATE", e);
    if (r < 0)
        return -1;
    for (uint32_t i = 0; i < n && r == 0; i++)
        r = put(db, &rows[i], e);
    if (r == 0)
        r = purge(db, e);
    if (r == 0)
        r = db_exec(db, "COMMIT", e);
    if (r < 0)
        db_exec(db, "ROLLBACK", NULL);
    return r;
}

static void failed(const struct err *e)
{
    char text[400];
    log_error("sources.database", "%s", err_text(e, text, sizeof text));
}

void sources_save(struct store *s, struct msg *m)
{
    static struct row rows[SOURCES_ROWS];
    struct err e = { 0 };
    uint32_t n = msg_get_u32(m);
    if (n > SOURCES_ROWS)
        die("%u sources in one message", n);
    for (uint32_t i = 0; i < n; i++)
        get(m, &rows[i]);
    msg_end(m);
    bool written = save(s->db, rows, n, &e) == 0;
    if (!written)
        failed(&e);
    struct msg out;
    msg_begin(&out, STORE_SOURCES_SAVED, m->id);
    msg_put_u32(&out, written);
    link_send(s->super, &out);
}

static void put_row(struct msg *m, sqlite3_stmt *q)
{
    size_t size;
    const void *address = query_blob(q, 0, &size);
    msg_put_bytes(m, address, size);
    msg_put_u64(m, (uint64_t)query_int(q, 1));
    msg_put_u64(m, (uint64_t)query_int(q, 2));
    msg_put_u32(m, query_int(q, 3) != 0);
    msg_put_u64(m, (uint64_t)query_int(q, 4));
    msg_put_u64(m, (uint64_t)query_int(q, 5));
    msg_put_u32(m, (uint32_t)query_int(q, 6));
    msg_put_u32(m, (uint32_t)query_int(q, 7));
    msg_put_u32(m, (uint32_t)query_int(q, 8));
    msg_put_u64(m, (uint64_t)query_int(q, 9));
    msg_put_u32(m, (uint32_t)query_int(q, 10));
}

/* A database that cannot be read costs its bans and not the logins. */
void sources_load(struct store *s, struct msg *m)
{
    struct err e = { 0 };
    size_t size;
    const uint8_t *after = msg_get_bytes(m, &size);
    FREE_MEM char *from = mem_strn(size ? (const void *)after : "", size);
    msg_end(m);
    if (size == 0 && purge(s->db, &e) < 0)
        failed(&e);
    struct msg rows, out;
    uint32_t n = 0;
    msg_begin(&rows, 0, 0);
    QUERY_END sqlite3_stmt *q = db_query(s->db, &e, "SELECT address, saved, penalty, in_force, cool, tries, keys, passwords, why, since, refused "
                                                    "FROM source WHERE address > ? ORDER BY address LIMIT ?", "bi", (const void *)from, size,
                                         (int64_t)SOURCES_ROWS);
    int r = q ? 1 : -1;
    for (; r == 1 && (r = query_step(q, &e)) == 1; n++)
        put_row(&rows, q);
    if (r < 0)
        failed(&e);
    msg_begin(&out, STORE_SOURCES_PAGE, m->id);
    msg_put_u32(&out, n);
    buf_put(&out.body, buf_head(&rows.body), buf_size(&rows.body));
    msg_free(&rows);
    link_send(s->super, &out);
}
