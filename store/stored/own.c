#include "store/stored/own.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/mem.h"
#include "store/stored/account.h"
#include "store/stored/db.h"
#include "store/stored/sealed.h"

/* COMMENTS: bytes, so that they leave room for the keys behind them. */
enum { COMMENTS_MOST = 4096 };

/* Those of a file, and as many damaged ones. */
enum { KEYFILE_MOST = 2 * KEYFILE_KEYS };

/* A line, its end of line, what sealing adds. */
enum { SEALED_MOST = KEYS_FILE_MOST + SECRET_NONCE + SECRET_TAG + 1 };

static struct secret_bond bond(const char *account, const void *hash)
{
    return (struct secret_bond){ .use = "own key", .account = account, .id = hash, .size = KEY_HASH };
}

/* The row at Q (account, hash, sealed). */
static int open_row(sqlite3_stmt *q, const uint8_t *key, struct buf *out)
{
    size_t nhash, size;
    const void *hash = query_blob(q, 1, &nhash), *sealed = query_blob(q, 2, &size);
    const struct secret_bond b = bond(query_text(q, 0), hash);
    return key && nhash == KEY_HASH ? secret_open(key, &b, sealed, size, out) : -1;
}

/* One that does not open takes no other along: it is kept as it is until its line is written again. */
static void put_broken(sqlite3_stmt *q, const uint8_t *key, struct buf *out)
{
    char print[KEY_FINGERPRINT];
    size_t size;
    const void *hash = query_blob(q, 1, &size);
    sealed_complain("own key", query_text(q, 0));
    sealed_print(q, 4, key, query_text(q, 0), hash, print, sizeof print);
    buf_put_fmt(out, "# a key whose line is damaged; it still counts, and is mended by writing it again: %s\n", print[0] ? print : "unknown");
}

int own_lines(sqlite3 *db, const uint8_t *key, const char *account, struct buf *out, int64_t *added, struct err *e)
{
    *added = 0;
    QUERY_END sqlite3_stmt *q = db_query(db, e, "SELECT account, hash, sealed, added, sealed_print FROM key WHERE account = ? AND origin = 'own' "
                                                "ORDER BY line", "t", account);
    int r = q ? 1 : -1;
    while (r == 1 && (r = query_step(q, e)) == 1) {
        if (key == NULL)
            return 0;
        if (open_row(q, key, out) == 0)
            buf_put(out, "\n", 1);
        else
            put_broken(q, key, out);
        *added = query_int(q, 3) > *added ? query_int(q, 3) : *added;
    }
    return r < 0 ? -1 : 1;
}

int own_comments(sqlite3 *db, const uint8_t *key, const char *account, struct buf *out, struct err *e)
{
    unsigned more = 0;
    char print[KEY_FINGERPRINT];
    QUERY_END sqlite3_stmt *q = db_query(db, e, "SELECT type, hash, label, sealed_print, options FROM key WHERE account = ?1 AND origin = 'ini' AND hash NOT IN "
                                                "(SELECT hash FROM key WHERE account = ?1 AND origin = 'own') ORDER BY line", "t", account);
    int r = q ? 1 : -1;
    while (r == 1 && (r = query_step(q, e)) == 1) {
        size_t size;
        const void *hash = query_blob(q, 1, &size);
        if (sealed_print(q, 3, key, account, hash, print, sizeof print) < 0)
            snprintf(print, sizeof print, "%s", "(fingerprint unknown)");
        if (buf_size(out) < COMMENTS_MOST)
            buf_put_fmt(out, "# set by the admin: %s%s%s %s %s\n", query_text(q, 4), query_text(q, 4)[0] ? " " : "", query_text(q, 0), print,
                        query_text(q, 2));
        else
            more++;
    }
    if (more)
        buf_put_fmt(out, "# and %u more set by the admin\n", more);
    return r;
}

struct work {
    sqlite3 *db;
    const uint8_t *key;
    const char *account;
    struct own_change *changes;
    size_t n;
};

static void note(struct work *w, bool added, const char *fingerprint, const char *type)
{
    w->changes = mem_grow(w->changes, w->n + 1, sizeof *w->changes);
    struct own_change *c = &w->changes[w->n++];
    *c = (struct own_change){ .added = added, .word = key_word(type) };
    snprintf(c->fingerprint, sizeof c->fingerprint, "%s", fingerprint);
}

static int has(struct work *w, const uint8_t hash[KEY_HASH], struct err *e)
{
    QUERY_END sqlite3_stmt *q = db_query(w->db, e, "SELECT 1 FROM key WHERE account = ? AND hash = ? AND origin = 'own'", "tb", w->account, hash,
                                         (size_t)KEY_HASH);
    return q ? query_step(q, e) : -1;
}

static int put(struct work *w, const struct keyfile_key *k, size_t line, struct err *e)
{
    int there = has(w, k->hash, e);
    if (there == 0)
        note(w, true, k->fingerprint, k->type);
    struct buf sealed = BUF(SEALED_MOST);
    BUF_FREE struct buf print = BUF(SEALED_MOST);
    const struct secret_bond b = bond(w->account, k->hash);
    secret_seal(w->key, &b, k->text, strlen(k->text), &sealed);
    sealed_print_put(w->key, w->account, k->hash, k->fingerprint, &print);
    int n = there < 0 ? -1 :
            db_run(w->db, e, "INSERT INTO key (account, hash, origin, type, sealed_print, label, line, added, sealed, options) "
                             "VALUES (?1, ?2, 'own', ?3, ?4, '', ?5, ?6, ?7, ?8) "
                             "ON CONFLICT (account, hash, origin) DO UPDATE SET line = ?5, sealed = ?7, sealed_print = ?4, options = ?8", "tbtbiibt",
                   w->account, k->hash, sizeof k->hash, k->type, buf_head(&print), buf_size(&print), (int64_t)line, wall_ms(), buf_head(&sealed),
                   buf_size(&sealed), k->options ? k->options : "");
    buf_wipe(&sealed);
    return n < 0 ? -1 : 0;
}

static int drop(struct work *w, struct err *e)
{
    QUERY_END sqlite3_stmt *q = db_query(w->db, e, "SELECT hash, type, sealed_print FROM key WHERE account = ? AND origin = 'own' AND line = -1", "t",
                                         w->account);
    int r = q ? 1 : -1;
    while (r == 1 && (r = query_step(q, e)) == 1) {
        char print[KEY_FINGERPRINT];
        size_t size;
        const void *hash = query_blob(q, 0, &size);
        sealed_print(q, 2, w->key, w->account, hash, print, sizeof print);
        note(w, false, print, query_text(q, 1));
    }
    query_end(&q);
    return r < 0 ? -1 : db_run(w->db, e, "DELETE FROM key WHERE account = ? AND origin = 'own' AND line = -1", "t", w->account);
}

/* All but what does not open: who appends to what it was shown must not lose it. */
static int mark(struct work *w, struct err *e)
{
    QUERY_END sqlite3_stmt *q = db_query(w->db, e, "SELECT account, hash, sealed FROM key WHERE account = ? AND origin = 'own' AND line <> -1", "t",
                                         w->account);
    uint8_t hashes[KEYFILE_MOST][KEY_HASH];
    size_t n = 0;
    int r = q ? 1 : -1;
    while (r == 1 && n < KEYFILE_MOST && (r = query_step(q, e)) == 1) {
        struct buf text = BUF(SEALED_MOST);
        size_t size;
        const void *hash = query_blob(q, 1, &size);
        if (open_row(q, w->key, &text) == 0)
            memcpy(hashes[n++], hash, KEY_HASH);
        buf_wipe(&text);
    }
    query_end(&q);
    for (size_t i = 0; i < n && r >= 0; i++)
        r = db_run(w->db, e, "UPDATE key SET line = -1 WHERE account = ? AND hash = ? AND origin = 'own'", "tb", w->account, hashes[i],
                   (size_t)KEY_HASH);
    return r < 0 ? -1 : 0;
}

static int replace(struct work *w, const struct keyfile *f, struct err *e)
{
    if (mark(w, e) < 0)
        return -1;
    for (size_t i = 0; i < f->n; i++)
        if (put(w, &f->keys[i], i + 1, e) < 0)
            return -1;
    if (drop(w, e) < 0)
        return -1;
    return w->n ? account_changed(w->db, w->account, e) : 0;
}

int own_replace(sqlite3 *db, const uint8_t *key, const char *account, const struct keyfile *f, struct own_change **changes, size_t *n,
                struct err *e)
{
    struct work w = { .db = db, .key = key, .account = account };
    *changes = NULL;
    *n = 0;
    if (db_exec(db, "BEGIN IMMEDIATE", e) < 0)
        return -1;
    if (replace(&w, f, e) < 0 || db_exec(db, "COMMIT", e) < 0) {
        db_exec(db, "ROLLBACK", NULL);
        free(w.changes);
        return -1;
    }
    *changes = w.changes;
    *n = w.n;
    return 0;
}
