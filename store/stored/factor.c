#include "store/stored/factor.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include "base/io.h"
#include "base/mem.h"
#include "store/stored/account.h"
#include "store/stored/db.h"
#include "store/stored/sealed.h"

int factor_find(sqlite3 *db, const char *account, struct factor *f, struct err *e)
{
    QUERY_END sqlite3_stmt *q = db_query(db, e, "SELECT a.second_factor, s.id FROM account a LEFT JOIN seed s ON s.account = a.name AND "
                                                "s.state = 'active' WHERE a.name = ?", "t", account);
    int r = q ? query_step(q, e) : -1;
    *f = (struct factor){ 0 };
    if (r == 1)
        *f = (struct factor){ .demanded = query_int(q, 0) != 0, .seed = query_int(q, 1) };
    return r;
}

#define USE "totp seed"

/* In decimal, which is what SQL makes of a number: sealed.c names rows by that. */
enum { ID_TEXT = 24 };

static struct secret_bond bond(const char *account, int64_t id, char text[ID_TEXT])
{
    int n = snprintf(text, ID_TEXT, "%" PRId64, id);
    return (struct secret_bond){ .use = USE, .account = account, .id = text, .size = (size_t)n };
}

/* The row at Q (account, id, sealed); false: it does not open. */
static bool open_row(sqlite3_stmt *q, const uint8_t *key, uint8_t seed[TOTP_SEED])
{
    struct buf text = BUF(TOTP_SEED + SECRET_TAG);
    char id[ID_TEXT];
    size_t size;
    const void *sealed = query_blob(q, 2, &size);
    const struct secret_bond b = bond(query_text(q, 0), query_int(q, 1), id);
    bool good = key && secret_open(key, &b, sealed, size, &text) == 0 && buf_size(&text) == TOTP_SEED;
    if (good)
        memcpy(seed, buf_head(&text), TOTP_SEED);
    else if (key)
        sealed_complain(USE, query_text(q, 0));
    buf_wipe(&text);
    return good;
}

/* ---- wrong codes ---- */

struct wrong {
    int64_t n, until;
};

static int wrong_find(sqlite3 *db, const char *account, int64_t now, struct wrong *w, struct err *e)
{
    *w = (struct wrong){ 0 };
    QUERY_END sqlite3_stmt *q = db_query(db, e, "SELECT n, until FROM wrong_codes WHERE account = ?", "t", account);
    int r = q ? query_step(q, e) : -1;
    if (r == 1)
        *w = (struct wrong){ .n = query_int(q, 0), .until = query_int(q, 1) };
    /* A clock that was set back makes nobody wait longer than the longest wait. */
    if (w->until > now + FACTOR_WAIT_MOST_MS)
        w->until = now + FACTOR_WAIT_MOST_MS;
    return r;
}

/* None before the free ones are used up, whatever the clock does. */
static int64_t wait_until(int64_t n, int64_t now)
{
    if (n < FACTOR_FREE)
        return 0;
    int64_t doublings = n - FACTOR_FREE;
    int64_t ms = doublings < 16 ? (int64_t)FACTOR_WAIT_MS << doublings : FACTOR_WAIT_MOST_MS;
    return now + (ms < FACTOR_WAIT_MOST_MS ? ms : FACTOR_WAIT_MOST_MS);
}

static int wrong_count(sqlite3 *db, const char *account, int64_t n, int64_t now, struct err *e)
{
    return db_run(db, e, "INSERT INTO wrong_codes (account, n, until) VALUES (?1, ?2, ?3) ON CONFLICT (account) DO UPDATE SET n = ?2, until = ?3",
                  "tii", account, n, wait_until(n, now)) < 0 ? -1 : 0;
}

static int wrong_forget(sqlite3 *db, const char *account, struct err *e)
{
    return db_run(db, e, "DELETE FROM wrong_codes WHERE account = ?", "t", account) < 0 ? -1 : 0;
}

/* ---- codes ---- */

struct work {
    sqlite3 *db;
    const struct factor_keys *keys;
    const char *account;
    const void *typed;
    size_t size;
    int64_t now;
    struct factor_check *c;
    struct recovery_codes *codes;
};

typedef int work_fn(struct work *w, struct err *e);

/* As a whole or not at all, and on the disk when it returns 0. */
static int transaction(struct work *w, work_fn *fn, struct err *e)
{
    if (db_exec(w->db, "BEGIN IMMEDIATE", e) < 0)
        return -1;
    if (fn(w, e) == 0 && db_exec(w->db, "COMMIT", e) == 0)
        return 0;
    db_exec(w->db, "ROLLBACK", NULL);
    return -1;
}

/* A code of the seed in STATE: its step is the last one from here on. */
static int try_totp(struct work *w, const char *state, const char *code, struct err *e)
{
    uint8_t seed[TOTP_SEED];
    int64_t step = 0;
    QUERY_END sqlite3_stmt *q = db_query(w->db, e, "SELECT account, id, sealed, counter FROM seed WHERE account = ? AND state = ?", "tt", w->account,
                                         state);
    int r = q ? query_step(q, e) : -1;
    if (r < 0)
        return -1;
    bool opens = r == 1 && open_row(q, w->keys->seal, seed);
    if (opens)
        step = totp_match(seed, totp_step(w->now), query_int(q, 3), code);
    w->c->verdict = r == 0 ? FACTOR_ABSENT : !opens ? FACTOR_UNREADABLE : step ? FACTOR_RIGHT : FACTOR_WRONG;
    w->c->seed = r == 1 ? query_int(q, 1) : 0;
    mem_wipe(seed, sizeof seed);
    query_end(&q);
    if (step == 0)
        return 0;
    return db_run(w->db, e, "UPDATE seed SET counter = ?3 WHERE account = ?1 AND state = ?2", "tti", w->account, state, step) < 0 ? -1 : 0;
}

static int try_recovery(struct work *w, const char *code, struct err *e)
{
    uint8_t hash[RECOVERY_HASH];
    /* The key of digests is lost with the other: none would fit, which is no fault of who typed it. */
    if (w->keys->seal == NULL) {
        w->c->verdict = FACTOR_UNREADABLE;
        return 0;
    }
    recovery_hash(w->keys->digest, w->account, code, hash);
    int n = db_run(w->db, e, "DELETE FROM recovery WHERE account = ? AND hash = ?", "tb", w->account, hash, sizeof hash);
    if (n < 0)
        return -1;
    QUERY_END sqlite3_stmt *q = db_query(w->db, e, "SELECT COUNT(*) FROM recovery WHERE account = ?", "t", w->account);
    if (q == NULL || query_step(q, e) < 0)
        return -1;
    w->c->verdict = n == 1 ? FACTOR_RIGHT : FACTOR_WRONG;
    w->c->recovery = n == 1;
    w->c->left = (unsigned)query_int(q, 0);
    return 0;
}

static int try_code(struct work *w, int64_t wrong, struct err *e)
{
    char code[CODE_TEXT];
    enum code_kind kind = code_read(w->typed, w->size, code);
    w->c->verdict = FACTOR_WRONG;
    int r = kind == CODE_TOTP ? try_totp(w, "active", code, e) : kind == CODE_RECOVERY ? try_recovery(w, code, e) : 0;
    mem_wipe(code, sizeof code);
    if (r < 0)
        return -1;
    if (w->c->verdict == FACTOR_RIGHT)
        return wrong_forget(w->db, w->account, e);
    return w->c->verdict == FACTOR_WRONG ? wrong_count(w->db, w->account, wrong + 1, w->now, e) : 0;
}

static int check(struct work *w, struct err *e)
{
    struct wrong before;
    struct factor f;
    if (factor_find(w->db, w->account, &f, e) < 0 || wrong_find(w->db, w->account, w->now, &before, e) < 0)
        return -1;
    *w->c = (struct factor_check){ .verdict = FACTOR_ABSENT };
    if (f.seed == 0)
        return 0;
    if (before.until > w->now) {
        *w->c = (struct factor_check){ .verdict = FACTOR_LATER, .wait_s = (unsigned)((before.until - w->now + 999) / 1000) };
        return 0;
    }
    int r = try_code(w, before.n, e);
    w->c->seed = f.seed;
    return r;
}

int factor_check(sqlite3 *db, const struct factor_keys *k, const char *account, const void *typed, size_t size, int64_t wall_ms,
                 struct factor_check *c, struct err *e)
{
    struct work w = { .db = db, .keys = k, .account = account, .typed = typed, .size = size, .now = wall_ms, .c = c };
    return transaction(&w, check, e);
}

/* ---- changes ---- */

int factor_enroll(sqlite3 *db, const uint8_t *seal, const char *account, uint8_t seed[TOTP_SEED], struct err *e)
{
    BUF_FREE struct buf sealed = BUF(TOTP_SEED + SECRET_NONCE + SECRET_TAG);
    int64_t id;
    do {
        randombytes_buf(&id, sizeof id);
        id &= INT64_MAX;
    } while (id == 0);
    char text[ID_TEXT];
    const struct secret_bond b = bond(account, id, text);
    randombytes_buf(seed, TOTP_SEED);
    secret_seal(seal, &b, seed, TOTP_SEED, &sealed);
    int n = db_run(db, e, "INSERT INTO seed (account, state, id, sealed, made, counter) VALUES (?1, 'pending', ?2, ?3, ?4, 0) "
                          "ON CONFLICT (account, state) DO UPDATE SET id = ?2, sealed = ?3, made = ?4, counter = 0", "tibi", account, id,
                   buf_head(&sealed), buf_size(&sealed), wall_ms());
    return n < 0 ? -1 : 0;
}

static int put_recovery(struct work *w, struct err *e)
{
    if (db_run(w->db, e, "DELETE FROM recovery WHERE account = ?", "t", w->account) < 0)
        return -1;
    for (size_t i = 0; i < RECOVERY_CODES; i++) {
        char *shown = w->codes->shown[i], code[CODE_TEXT];
        uint8_t hash[RECOVERY_HASH];
        recovery_make(shown);
        code_read(shown, strlen(shown), code);
        recovery_hash(w->keys->digest, w->account, code, hash);
        mem_wipe(code, sizeof code);
        if (db_run(w->db, e, "INSERT INTO recovery (account, hash) VALUES (?, ?)", "tb", w->account, hash, sizeof hash) < 0)
            return -1;
    }
    return 0;
}

/* Whoever is in is judged anew. */
static int new_recovery(struct work *w, struct err *e)
{
    return put_recovery(w, e) < 0 ? -1 : account_changed(w->db, w->account, e);
}

static int activate(struct work *w, struct err *e)
{
    char code[CODE_TEXT];
    *w->c = (struct factor_check){ .verdict = FACTOR_WRONG };
    /* What is no code at all is asked as one that never fits: whether there is a seed is told all the same. */
    if (code_read(w->typed, w->size, code) != CODE_TOTP)
        memcpy(code, "......", TOTP_DIGITS + 1);
    int r = try_totp(w, "pending", code, e);
    mem_wipe(code, sizeof code);
    if (r < 0 || w->c->verdict != FACTOR_RIGHT)
        return r;
    if (db_run(w->db, e, "DELETE FROM seed WHERE account = ? AND state = 'active'", "t", w->account) < 0 ||
        db_run(w->db, e, "UPDATE seed SET state = 'active' WHERE account = ?", "t", w->account) < 0 ||
        wrong_forget(w->db, w->account, e) < 0)
        return -1;
    return new_recovery(w, e);
}

int factor_activate(sqlite3 *db, const struct factor_keys *k, const char *account, const void *typed, size_t size, int64_t wall_ms,
                    struct factor_check *c, struct recovery_codes *codes, struct err *e)
{
    struct work w = { .db = db, .keys = k, .account = account, .typed = typed, .size = size, .now = wall_ms, .c = c, .codes = codes };
    return transaction(&w, activate, e);
}

int factor_recovery(sqlite3 *db, const struct factor_keys *k, const char *account, struct recovery_codes *codes, struct err *e)
{
    struct work w = { .db = db, .keys = k, .account = account, .codes = codes };
    return transaction(&w, new_recovery, e);
}

struct removal {
    struct work work;
    int there;
};

static int remove_all(struct work *w, struct err *e)
{
    struct removal *r = (struct removal *)w;
    r->there = db_run(w->db, e, "DELETE FROM seed WHERE account = ?", "t", w->account);
    if (r->there < 0 || db_run(w->db, e, "DELETE FROM recovery WHERE account = ?", "t", w->account) < 0)
        return -1;
    return wrong_forget(w->db, w->account, e) < 0 ? -1 : account_changed(w->db, w->account, e);
}

int factor_remove(sqlite3 *db, const char *account, struct err *e)
{
    struct removal r = { .work = { .db = db, .account = account } };
    return transaction(&r.work, remove_all, e) < 0 ? -1 : r.there > 0;
}
