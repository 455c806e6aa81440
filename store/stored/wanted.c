/* What is wanted of servers: rows for the supervisor, which alone knows what they mean. */
#include <stdlib.h>

#include "base/die.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/name.h"
#include "store/proto.h"
#include "store/stored/db.h"
#include "store/stored/store.h"

static void failed(const struct err *e)
{
    char text[400];
    log_error("wanted.database", "%s", err_text(e, text, sizeof text));
}

void wanted_save(struct store *s, struct msg *m)
{
    struct err e = { 0 };
    FREE_MEM char *server = msg_get_text(m, NAME_MOST);
    uint32_t wish = msg_get_u32(m);
    FREE_MEM char *locked = msg_get_text(m, WISH_LOCK_MOST);
    uint32_t ended = msg_get_u32(m), code = msg_get_u32(m), signal = msg_get_u32(m);
    uint64_t since = msg_get_u64(m);
    FREE_MEM char *reason = msg_get_text(m, WISH_REASON_MOST);
    msg_end(m);
    if (wish >= WISH_COUNT)
        die("the wish %u", wish);
    bool written = db_run(s->db, &e, "INSERT OR REPLACE INTO wanted (server, wish, locked, ended, code, signal, since, reason) "
                                     "VALUES (?, ?, ?, ?, ?, ?, ?, ?)", "titiiiit", server, (int64_t)wish, locked, (int64_t)(ended != 0), (int64_t)code,
                          (int64_t)signal, (int64_t)(since < 1ull << 60 ? since : 0), reason) >= 0;
    if (!written)
        failed(&e);
    struct msg out;
    msg_begin(&out, STORE_WISH_SAVED, m->id);
    msg_put_str(&out, server);
    msg_put_u32(&out, written);
    link_send(s->super, &out);
}

static void put_row(struct msg *m, sqlite3_stmt *q)
{
    int64_t wish = query_int(q, 1);
    msg_put_str(m, query_text(q, 0));
    msg_put_u32(m, wish >= 0 && wish < WISH_COUNT ? (uint32_t)wish : WISH_NONE);
    msg_put_str(m, query_text(q, 2));
    msg_put_u32(m, query_int(q, 3) != 0);
    msg_put_u32(m, (uint32_t)query_int(q, 4));
    msg_put_u32(m, (uint32_t)query_int(q, 5));
    msg_put_u64(m, (uint64_t)query_int(q, 6));
    msg_put_str(m, query_text(q, 7));
}

/* Of servers that are configured: the supervisor knows no others.  A database that cannot be read costs what was wanted and not the logins. */
void wanted_load(struct store *s, struct msg *m)
{
    struct err e = { 0 };
    FREE_MEM char *after = msg_get_text(m, NAME_MOST);
    msg_end(m);
    struct msg rows, out;
    uint32_t n = 0;
    msg_begin(&rows, 0, 0);
    QUERY_END sqlite3_stmt *q = db_query(s->db, &e, "SELECT w.server, wish, substr(locked, 1, 120), ended, code, signal, since, substr(reason, 1, 255) "
                                                    "FROM wanted w JOIN server s ON s.name = w.server WHERE s.owner IS NOT NULL AND w.server > ? "
                                                    "ORDER BY w.server LIMIT ?", "ti", after, (int64_t)WISH_ROWS);
    int r = q ? 1 : -1;
    for (; r == 1 && (r = query_step(q, &e)) == 1; n++)
        put_row(&rows, q);
    if (r < 0)
        failed(&e);
    msg_begin(&out, STORE_WISH_PAGE, m->id);
    msg_put_u32(&out, n);
    buf_put(&out.body, buf_head(&rows.body), buf_size(&rows.body));
    msg_free(&rows);
    link_send(s->super, &out);
}
