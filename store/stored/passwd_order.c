/* An account's own password, changed by the account: the old one is verified and the new one's hash is made by the helper. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/stored/login.h"
#include "store/stored/own_order.h"

enum { LEAST = 10, TRIES = 3 };

/* Under way; the helper's cookie is its address. */
struct change {
    uint64_t session;            /* may be gone when the helper answers */
    uint32_t asked;              /* the session's id of it */
    char account[NAME_MOST + 1];
    uint8_t mark[KEY_HASH];      /* of the old password */
    uint8_t *fresh;              /* the new one; owned, wiped */
    size_t size;
};

static void drop(struct change *c)
{
    mem_wipe(c->fresh, c->size);
    free(c->fresh);
    free(c);
}

/* Characters of UTF-8, or bytes of what is none. */
static size_t characters(const uint8_t *p, size_t size)
{
    size_t n = 0;
    for (size_t i = 0; i < size; i++)
        n += (p[i] & 0xc0) != 0x80;
    return n;
}

/* How many bytes of P are the account's NAME, in any case of letters. */
static size_t name_bytes(const uint8_t *p, size_t size, const char *name)
{
    size_t len = strlen(name), n = 0;
    for (size_t i = 0; i + len <= size;) {
        bool here = strncasecmp((const char *)p + i, name, len) == 0;
        n += here ? len : 0;
        i += here ? len : 1;
    }
    return n;
}

/* NULL, or what is wrong with it. */
static const char *refused(const struct change *c, const uint8_t *old, size_t nold)
{
    size_t n = characters(c->fresh, c->size);
    if (c->size > PASSWORD_MOST)
        return "the new password is longer than 1024 bytes";
    if (memchr(c->fresh, '\0', c->size))
        return "the new password has a NUL byte in it, which cannot be typed at a login";
    if (n < LEAST)
        return "the new password is too short; it must have 10 characters";
    if (n - name_bytes(c->fresh, c->size, c->account) < LEAST)
        return "the new password is the account's name and little else; it must have 10 characters beside the name";
    if (nold == c->size && memcmp(old, c->fresh, nold) == 0)
        return "the new password is the old one";
    return NULL;
}

static struct wish answer_to(struct session *s, const struct change *c)
{
    return (struct wish){ .session = s, .id = c->asked, .op = OP_PASSWD, .server = "", .text = "" };
}

/* 1: the account may still change what C is about.  0: W was answered. */
static int still(struct wish *w, const struct change *c, struct err *e)
{
    struct account a;
    sqlite3 *db = w->session->store->db;
    uint8_t mark[KEY_HASH];
    int r = account_find(db, c->account, &a, e), has = r < 0 ? -1 : login_mark(w->session->store, c->account, mark, e);
    if (has < 0)
        return -1;
    if (r == 0 || !a.password)
        wish_refuse(w, CODE_NOT_PERMITTED, "%s may not have a password any more", c->account);
    else if (has == 0 || memcmp(mark, c->mark, sizeof mark) != 0)
        wish_refuse(w, CODE_LATER, "the password was changed by somebody else just now; nothing was changed");
    else
        return 1;
    return 0;
}

static void keep(struct session *s, const struct change *c, const char *hash)
{
    struct store *store = s->store;
    struct wish w = answer_to(s, c);
    struct err e = { 0 };
    int r = still(&w, c, &e);
    if (r == 0)
        return;
    uint8_t mark[KEY_HASH];
    if (r < 0 || account_set_password(store->db, c->account, hash, &e) < 0 || login_mark(store, c->account, mark, &e) < 0) {
        wish_failed(&w, &e);
        return;
    }
    log_info("passwd.changed", "session=%llu account=%s from=%s", (unsigned long long)s->id, c->account, s->address);
    wish_refuse(&w, CODE_OK, "%s", "");
    if (strcmp(s->method, "password") == 0) {
        memcpy(s->hash, mark, sizeof s->hash);
        login_changed(s);
    }
    sessions_recheck(store, c->account);
}

/* The session of C, one order less, if it is still the same account's. */
static struct session *back(struct store *store, const struct change *c)
{
    struct session *s = session_find(store, c->session);
    if (s)
        s->orders--;
    return s;
}

static void on_made(void *data, uint64_t cookie, enum password_result result, const char *hash)
{
    struct change *c = (struct change *)(uintptr_t)cookie;
    struct session *s = back(data, c);
    if (s && result == PASSWORD_RIGHT) {
        keep(s, c, hash);
    } else if (s) {
        struct wish w = answer_to(s, c);
        wish_refuse(&w, CODE_LATER, "the password cannot be changed now, try later");
    }
    drop(c);
}

/* What a wrong old password costs is what one costs at a login, and the connection gets no more than a login's tries. */
static void wrong(struct session *s, struct wish *w)
{
    login_failed(s, AUTH_BAD_PASSWORD);
    s->wrong_passwords++;
    log_warn("passwd.wrong", "session=%llu account=%s from=%s", (unsigned long long)s->id, s->account, s->address);
    wish_refuse(w, CODE_NOT_PERMITTED, "the old password is not right; nothing was changed");
}

static void on_verdict(void *data, uint64_t cookie, enum password_result result, const char *hash UNUSED)
{
    struct store *store = data;
    struct change *c = (struct change *)(uintptr_t)cookie;
    struct session *s = back(store, c);
    if (s && result == PASSWORD_RIGHT && password_make(store->passwords, c->fresh, c->size, on_made, cookie) == 0) {
        s->orders++;
        return;
    }
    if (s) {
        struct wish w = answer_to(s, c);
        if (result == PASSWORD_WRONG)
            wrong(s, &w);
        else
            wish_refuse(&w, CODE_LATER, "too many passwords are being computed, try later");
    }
    drop(c);
}

/* True: a password may be changed, its hash is in *HASH.  False: W was answered. */
static bool permitted(struct wish *w, struct change *c, char **hash)
{
    struct session *s = w->session;
    struct account a;
    struct err e = { 0 };
    int r = account_find(s->store->db, s->account, &a, &e);
    if (r == 1 && a.password)
        r = account_password(s->store->db, s->account, hash, &e) < 0 || login_mark(s->store, s->account, c->mark, &e) < 0 ? -1 : 1;
    if (r < 0)
        wish_failed(w, &e);
    else if (own_limited(w))
        wish_refuse(w, CODE_NOT_PERMITTED, LIMITED("the password"));
    else if (r == 0 || !a.password)
        wish_refuse(w, CODE_NOT_PERMITTED, "%s may not have a password: the admin allows that with 'password = yes'", s->account);
    else if (*hash == NULL)
        wish_refuse(w, CODE_STATE, "%s has no password yet; the admin sets the first one", s->account);
    else if (s->wrong_passwords >= TRIES)
        wish_refuse(w, CODE_LATER, "too many wrong passwords on this connection");
    else
        return true;
    return false;
}

bool passwd_change(struct wish *w)
{
    struct session *s = w->session;
    FREE_MEM char *hash = NULL;
    struct change *c = mem_new(sizeof *c);
    size_t nold = w->number < w->nsecret ? (size_t)w->number : w->nsecret;
    *c = (struct change){ .session = s->id, .asked = w->id, .size = w->nsecret - nold };
    snprintf(c->account, sizeof c->account, "%s", s->account);
    c->fresh = mem_new(c->size + 1);
    if (c->size)
        memcpy(c->fresh, w->secret + nold, c->size);
    const char *why = permitted(w, c, &hash) ? refused(c, w->secret, nold) : "";
    if (why && *why)
        wish_refuse(w, CODE_USAGE, "%s; nothing was changed", why);
    else if (why == NULL && nold > PASSWORD_MOST)
        wrong(s, w);
    else if (why == NULL && password_verify(s->store->passwords, hash, w->secret, nold, on_verdict, (uintptr_t)c) < 0)
        wish_refuse(w, CODE_LATER, "too many passwords are being computed, try later");
    else if (why == NULL) {
        s->orders++;
        return false;
    }
    drop(c);
    return false;
}
