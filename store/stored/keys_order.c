/* The orders of the `keys` verbs, answered here and now. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "store/stored/db.h"
#include "store/stored/own_order.h"
#include "store/stored/sealed.h"

enum { ROOM_OF_ONE = 8 * 1024 };

/* A row of an account's keys, in the order in which they are numbered. */
#define ROWS "SELECT hash, origin, type, sealed_print, label, added, used, used_from, options FROM key WHERE account = ? ORDER BY origin, line"
enum column { HASH, ORIGIN, TYPE, FINGERPRINT, LABEL, ADDED, USED, USED_FROM, OPTIONS };

static void begin(struct wish *w, struct msg *m)
{
    msg_begin(m, STORE_DO_RESULT, w->id);
    msg_put_u32(m, CODE_OK);
    msg_put_str(m, "");
}

/* What a row is called: the labels of own keys are sealed. */
static const char *label_of(sqlite3_stmt *q, const struct keyfile *own, uint32_t *flags)
{
    size_t size;
    const uint8_t *hash = query_blob(q, HASH, &size);
    if (strcmp(query_text(q, ORIGIN), "own") != 0)
        return query_text(q, LABEL);
    *flags |= KEYS_LIST_OWN;
    const struct keyfile_key *k = size == KEY_HASH ? keyfile_find(own, hash) : NULL;
    if (k == NULL)
        *flags |= KEYS_LIST_FORGOTTEN;
    return k ? k->label : "";
}

/* "" where the secret key is not there to tell. */
static void fingerprint_of(const struct session *s, sqlite3_stmt *q, char print[KEY_FINGERPRINT])
{
    size_t size;
    const uint8_t *hash = query_blob(q, HASH, &size);
    print[0] = '\0';
    if (size == KEY_HASH)
        sealed_print(q, FINGERPRINT, s->store->seal, s->account, hash, print, KEY_FINGERPRINT);
}

static void put_row(const struct session *s, sqlite3_stmt *q, const struct keyfile *own, struct msg *m)
{
    uint32_t flags = 0;
    char print[KEY_FINGERPRINT];
    fingerprint_of(s, q, print);
    const char *label = label_of(q, own, &flags);
    if (strcmp(s->method, "publickey") == 0 && query_blob_is(q, HASH, s->hash, sizeof s->hash))
        flags |= KEYS_LIST_IN_USE;
    msg_put_str(m, print);
    msg_put_str(m, query_text(q, TYPE));
    msg_put_str(m, label);
    msg_put_u64(m, (uint64_t)query_int(q, ADDED));
    msg_put_u64(m, (uint64_t)query_int(q, USED));
    msg_put_str(m, query_text(q, USED_FROM));
    msg_put_u32(m, flags);
    msg_put_str(m, query_text(q, OPTIONS));
}

static int put_rows(struct wish *w, const struct keyfile *own, struct msg *rows, uint32_t *n, struct err *e)
{
    const struct session *s = w->session;
    uint64_t skip = w->number;
    QUERY_END sqlite3_stmt *q = db_query(s->store->db, e, ROWS, "t", s->account);
    int r = q ? 1 : -1;
    while (r == 1 && buf_size(&rows->body) < MSG_MOST - ROOM_OF_ONE && (r = query_step(q, e)) == 1)
        if (skip > 0)
            skip--;
        else {
            put_row(s, q, own, rows);
            ++*n;
        }
    return r < 0 ? -1 : 0;
}

/* Without the secret key they are listed all the same: who has lost it must see what there is. */
static int own_if_readable(struct wish *w, struct keyfile *f, struct err *e)
{
    const struct store *store = w->session->store;
    *f = (struct keyfile){ 0 };
    return store->seal ? own_read(w, f, e) : 1;
}

bool keys_list(struct wish *w)
{
    struct account a;
    struct err e = { 0 };
    struct keyfile own;
    struct msg rows, out;
    uint32_t n = 0;
    if (!own_whose(w, &a))
        return false;
    int r = own_if_readable(w, &own, &e);
    msg_begin(&rows, 0, 0);
    if (r == 1 && put_rows(w, &own, &rows, &n, &e) < 0)
        r = -1;
    if (r < 0)
        wish_failed(w, &e);
    else if (r == 1) {
        begin(w, &out);
        msg_put_u32(&out, n);
        buf_put(&out.body, buf_head(&rows.body), buf_size(&rows.body));
        link_send(w->session->link, &out);
    }
    msg_free(&rows);
    keyfile_free(&own);
    return false;
}

/* ---- add ---- */

/* 1: none of NEW is there yet. */
static int all_new(struct wish *w, const struct keyfile *have, const struct keyfile *new, struct err *e)
{
    const struct session *s = w->session;
    for (size_t i = 0; i < new->n; i++) {
        const struct keyfile_key *k = &new->keys[i];
        bool own = keyfile_find(have, k->hash) != NULL;
        int ini = account_has_ini_key(s->store->db, s->account, k->hash, e);
        if (ini < 0)
            return -1;
        if (own || ini) {
            wish_refuse(w, CODE_STATE, "%s is a key of this account already%s" UNCHANGED, k->fingerprint, own ? "" : ", set by the admin");
            return 0;
        }
    }
    return 1;
}

/* HAVE gets the keys of NEW as well. */
static int join(struct wish *w, struct keyfile *have, const struct keyfile *new)
{
    struct err e = { 0 };
    char text[400];
    struct buf b = BUF(2 * KEYS_FILE_MOST);
    for (size_t i = 0; i < have->n + new->n; i++)
        buf_put_fmt(&b, "%s\n", i < have->n ? have->keys[i].text : new->keys[i - have->n].text);
    FREE_MEM char *file = mem_strn(buf_size(&b) ? (const void *)buf_head(&b) : "", buf_size(&b));
    buf_wipe(&b);
    keyfile_free(have);
    int r = keyfile_parse(file, w->session->store->secret, have, &e);
    mem_wipe(file, strlen(file));
    if (r < 0)
        wish_refuse(w, CODE_USAGE, "with those there are: %s" UNCHANGED, err_text(&e, text, sizeof text));
    return r == 0;
}

static void answer_added(struct wish *w, const struct keyfile *new)
{
    struct msg m;
    begin(w, &m);
    msg_put_u32(&m, (uint32_t)new->n);
    for (size_t i = 0; i < new->n; i++) {
        msg_put_str(&m, new->keys[i].fingerprint);
        msg_put_str(&m, new->keys[i].type);
    }
    link_send(w->session->link, &m);
}

static int add(struct wish *w, const struct keyfile *new, struct err *e)
{
    struct keyfile have;
    int r = own_read(w, &have, e);
    if (r == 1)
        r = all_new(w, &have, new, e);
    if (r == 1)
        r = join(w, &have, new);
    if (r == 1)
        r = own_write(w, &have, false, e);
    keyfile_free(&have);
    return r;
}

bool keys_add(struct wish *w)
{
    struct account a;
    struct err e = { 0 };
    struct keyfile new = { 0 };
    char text[400];
    if (!own_whose(w, &a) || !own_may_change(w, &a))
        return false;
    int r = 0;
    if (keyfile_parse(w->text, w->session->store->secret, &new, &e) < 0)
        wish_refuse(w, CODE_USAGE, "%s" UNCHANGED, err_text(&e, text, sizeof text));
    else if (new.n == 0)
        wish_refuse(w, CODE_USAGE, "there is no key in it; allowed: [OPTIONS] TYPE BASE64 [LABEL]" UNCHANGED);
    else if ((r = add(w, &new, &e)) < 0)
        wish_failed(w, &e);
    if (r == 1) {
        answer_added(w, &new);
        own_tell(w);
    }
    keyfile_free(&new);
    return false;
}

/* ---- rm ---- */

/* Of those that WHICH may mean. */
struct found {
    unsigned n, number;
    bool own;
    uint8_t hash[KEY_HASH];
    char fingerprint[KEY_FINGERPRINT];
};

static void note(struct found *f, unsigned number, bool own, const void *hash, const char *fingerprint)
{
    /* The admin's key and one's own of the same fingerprint: the own one can be removed. */
    if (f->n > 0 && strcmp(f->fingerprint, fingerprint) == 0 && memcmp(f->hash, hash, KEY_HASH) == 0) {
        f->own = f->own || own;
        return;
    }
    f->n++;
    f->number = number;
    f->own = own;
    memcpy(f->hash, hash, KEY_HASH);
    snprintf(f->fingerprint, sizeof f->fingerprint, "%s", fingerprint);
}

static int find(struct wish *w, const struct keyfile *own, struct found *f, struct err *e)
{
    size_t digits = strspn(w->text, "0123456789"), size;
    bool by_number = digits > 0 && digits < 9 && w->text[digits] == '\0';
    unsigned number = 0, wanted = by_number ? (unsigned)strtoul(w->text, NULL, 10) : 0;
    QUERY_END sqlite3_stmt *q = db_query(w->session->store->db, e, ROWS, "t", w->session->account);
    int r = q ? 1 : -1;
    *f = (struct found){ 0 };
    while (r == 1 && (r = query_step(q, e)) == 1) {
        uint32_t flags = 0;
        char fingerprint[KEY_FINGERPRINT];
        fingerprint_of(w->session, q, fingerprint);
        const char *label = label_of(q, own, &flags);
        const void *hash = query_blob(q, HASH, &size);
        bool it = by_number ? ++number == wanted : strcmp(w->text, fingerprint) == 0 || (label[0] && strcmp(w->text, label) == 0);
        if (it && size == KEY_HASH)
            note(f, number, flags & KEYS_LIST_OWN, hash, fingerprint);
    }
    return r < 0 ? -1 : 1;
}

static bool one_of_its_own(struct wish *w, const struct found *f)
{
    if (f->n == 0)
        wish_refuse(w, CODE_FAILED, "no key '%s': 'keys list' has their numbers, fingerprints and labels" UNCHANGED,
                    escn(w->text, strnlen(w->text, 64)));
    else if (f->n > 1)
        wish_refuse(w, CODE_USAGE, "'%s' is the label of %u keys: name one by its number or fingerprint" UNCHANGED,
                    escn(w->text, strnlen(w->text, 64)), f->n);
    else if (!f->own)
        wish_refuse(w, CODE_NOT_PERMITTED, "%s is the admin's: it is not removed here" UNCHANGED, f->fingerprint);
    return f->n == 1 && f->own;
}

static int drop(struct wish *w, struct keyfile *own, const struct found *f, struct err *e)
{
    for (size_t i = 0; i < own->n; i++)
        if (memcmp(own->keys[i].hash, f->hash, KEY_HASH) == 0) {
            keyfile_drop(own, i);
            return own_write(w, own, w->number == 1, e);
        }
    return err_set(e, 0, "keys", "a key that is listed cannot be read");
}

bool keys_rm(struct wish *w)
{
    struct account a;
    struct err e = { 0 };
    struct keyfile own = { 0 };
    struct found f;
    if (!own_whose(w, &a) || !own_may_change(w, &a))
        return false;
    int r = own_read(w, &own, &e);
    if (r == 1)
        r = find(w, &own, &f, &e);
    if (r == 1)
        r = one_of_its_own(w, &f) ? drop(w, &own, &f, &e) : 0;
    keyfile_free(&own);
    if (r < 0)
        wish_failed(w, &e);
    if (r == 1) {
        struct msg m;
        begin(w, &m);
        msg_put_str(&m, f.fingerprint);
        link_send(w->session->link, &m);
        own_tell(w);
    }
    return false;
}
