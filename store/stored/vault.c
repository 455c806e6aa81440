#include "store/stored/vault.h"

#include <string.h>

#include <sodium.h>

#include "base/attr.h"
#include "base/log.h"
#include "store/stored/db.h"

static const struct secret_bond digest_bond = { .use = "digest key", .account = "" };

/* 1: KEY is it.  0: another one is, and *ANY says so; or none yet. */
static int has_id(sqlite3 *db, const struct secret *key, bool *any, struct err *e)
{
    QUERY_END sqlite3_stmt *q = db_query(db, e, "SELECT key FROM vault", "");
    int r = q ? query_step(q, e) : -1;
    *any = r == 1;
    return r == 1 ? query_blob_is(q, 0, key->id, sizeof key->id) : r;
}

static int get_digest(sqlite3 *db, const struct secret *key, uint8_t *digest, struct err *e)
{
    QUERY_END sqlite3_stmt *q = db_query(db, e, "SELECT sealed_digest FROM vault", "");
    int r = q ? query_step(q, e) : -1;
    struct buf text = BUF(HASH_KEY);
    size_t size = 0;
    const void *sealed = r == 1 ? query_blob(q, 0, &size) : NULL;
    /* A broken one costs a configuration that is written whole, and the recovery codes: they fit no more. */
    if (r == 1 && secret_open(key->key, &digest_bond, sealed, size, &text) == 0 && buf_size(&text) == HASH_KEY)
        memcpy(digest, buf_head(&text), HASH_KEY);
    else if (r >= 0) {
        sealed_complain(digest_bond.use, digest_bond.account);
        randombytes_buf(digest, HASH_KEY);
    }
    buf_wipe(&text);
    return r < 0 ? -1 : 0;
}

static int put(sqlite3 *db, const struct secret *key, const uint8_t *digest, struct err *e)
{
    BUF_FREE struct buf sealed = BUF(HASH_KEY + SECRET_NONCE + SECRET_TAG);
    secret_seal(key->key, &digest_bond, digest, HASH_KEY, &sealed);
    return db_run(db, e, "INSERT INTO vault (one, key, sealed_digest) VALUES (1, ?1, ?2) "
                         "ON CONFLICT (one) DO UPDATE SET key = ?1, sealed_digest = ?2", "bb", key->id, sizeof key->id, buf_head(&sealed),
                  buf_size(&sealed)) < 0 ? -1 : 0;
}

/* What was overwritten must not lie on in the -wal. */
static void wipe_log(sqlite3 *db)
{
    struct err e = { 0 };
    char text[400];
    if (db_exec(db, "PRAGMA wal_checkpoint(TRUNCATE)", &e) < 0)
        log_warn("store.wal", "%s", err_text(&e, text, sizeof text));
}

/* Of an earlier version, or new.  1: it opens with KEY. */
static int opens(sqlite3 *db, const struct secret *key, struct err *e)
{
    struct buf text = BUF(1 << 16);
    QUERY_END sqlite3_stmt *q = db_query(db, e, "SELECT account, hash, sealed FROM key WHERE sealed IS NOT NULL LIMIT 1", "");
    int r = q ? query_step(q, e) : -1;
    if (r == 1) {
        struct secret_bond b = { .use = "own key", .account = query_text(q, 0) };
        size_t size;
        b.id = query_blob(q, 1, &b.size);
        const void *sealed = query_blob(q, 2, &size);
        r = secret_open(key->key, &b, sealed, size, &text) == 0;
    } else if (r == 0)
        r = 1;
    buf_wipe(&text);
    return r;
}

static int adopt(sqlite3 *db, const struct secret *key, bool first, uint8_t *digest, struct err *e)
{
    struct sealed_tally t = { 0 };
    randombytes_buf(digest, HASH_KEY);
    /* Not the first: rows that only the lost key opens, all of which come again. */
    if (db_exec(db, "BEGIN IMMEDIATE", e) < 0)
        return -1;
    int r = first ? sealed_anew(db, key, key, true, &t, e) : db_exec(db, "DELETE FROM key", e);
    if (r < 0 || put(db, key, digest, e) < 0 || db_exec(db, "COMMIT", e) < 0) {
        db_exec(db, "ROLLBACK", NULL);
        return -1;
    }
    wipe_log(db);
    if (t.texts || !first)
        log_info("secret.adopted", "texts=%llu broken=%llu", (unsigned long long)t.texts, (unsigned long long)t.broken);
    return 1;
}

int vault_fit(sqlite3 *db, const struct secret *key, bool fresh, uint8_t *digest, struct err *e)
{
    bool sealed;
    int r = has_id(db, key, &sealed, e);
    if (r != 0)
        return r < 0 || get_digest(db, key, digest, e) < 0 ? -1 : 1;
    int any = sealed_any(db, e);
    if (any < 0)
        return -1;
    if (any && (sealed || fresh))
        return 0;
    r = any ? opens(db, key, e) : 1;
    return r == 1 ? adopt(db, key, !sealed, digest, e) : r;
}

static int refuse_broken(const struct sealed_tally *t, bool force, struct err *e)
{
    if (t->broken == 0 || force)
        return 0;
    return err_set(e, 0, "rotate", "%llu of the sealed texts do not open; 'holdfast store check' names them, '--force' leaves them as they are",
                   (unsigned long long)t->broken);
}

int vault_rotate(sqlite3 *db, const struct secret *from, const struct secret *to, bool force, struct sealed_tally *t, const struct secret **sealed,
                 struct err *e)
{
    bool any;
    *sealed = from;
    *t = (struct sealed_tally){ 0 };
    if (db_exec(db, "BEGIN IMMEDIATE", e) < 0)
        return -1;
    if (sealed_anew(db, from, to, false, t, e) < 0 || refuse_broken(t, force, e) < 0 ||
        db_run(db, e, "UPDATE vault SET key = ?", "b", to->id, sizeof to->id) < 0) {
        db_exec(db, "ROLLBACK", NULL);
        return -1;
    }
    *sealed = to;
    if (db_exec(db, "COMMIT", e) < 0) {
        struct err again = { 0 };
        db_exec(db, "ROLLBACK", NULL);
        /* Some of it may be on the disk: only who reads that again knows. */
        *sealed = has_id(db, to, &any, &again) == 1 ? to : NULL;
        return -1;
    }
    wipe_log(db);
    return 0;
}
