/* Logins: a key is looked up, a password is verified by the helper, then the supervisor is asked, as it counts connections; only its
   yes lets the session in.  The lines have OpenSSH's wording, whole, so that filters written for it match. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/die.h"
#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/stored/code.h"
#include "store/stored/login.h"

enum { TYPE_MOST = 64, OFFERS_LOGGED = 20 };

struct claim {
    char *account;              /* owned */
    uint8_t hash[KEY_HASH];
    char fingerprint[KEY_FINGERPRINT];
    const char *word;
};

static void claim_end(struct claim *c)
{
    free(c->account);
}

#define CLAIM_END __attribute__((cleanup(claim_end)))

static bool claim_get(struct session *s, struct msg *m, struct claim *c)
{
    size_t size;
    c->account = msg_get_text(m, ACCOUNT_TEXT);
    const uint8_t *blob = msg_get_bytes(m, &size);
    FREE_MEM char *type = msg_get_text(m, TYPE_MOST);
    if (blob) {
        key_hash(s->store->secret, blob, size, c->hash);
        key_fingerprint(blob, size, c->fingerprint);
    }
    c->word = key_word(type);
    return msg_end(m) && size <= KEY_BLOB_MOST;
}

static void complain(const struct err *e)
{
    char text[400];
    log_error("store.database", "%s", err_text(e, text, sizeof text));
}

static void failed(struct session *s, enum auth_failure what)
{
    struct msg m;
    msg_begin(&m, STORE_AUTH_FAILED, 0);
    msg_put_u64(&m, s->id);
    msg_put_u32(&m, what);
    link_send(s->store->super, &m);
}

/* "Accepted publickey for alice from 192.0.2.1 port 1234 ssh2: ED25519 SHA256:..." */
static void auth_line(const struct session *s, const char *verdict, const char *method, bool known, const char *account,
                      const char *word, const char *fingerprint)
{
    log_info(verdict, "%s for %s%s from %s port %u ssh2%s%s%s%s", method, known ? "" : "invalid user ", esc(account), s->address,
             s->port, word ? ": " : "", word ? word : "", word ? " " : "", word ? fingerprint : "");
}

/* Once a name: a client that offers ten keys for it is one event. */
static void unknown(struct session *s, const char *account)
{
    if (s->invalid && strcmp(s->invalid, account) == 0)
        return;
    free(s->invalid);
    s->invalid = mem_str(account);
    log_info("Invalid", "user %s from %s port %u", esc(account), s->address, s->port);
    failed(s, AUTH_UNKNOWN_ACCOUNT);
}

/* 1: the key is the account's.  *FOUND: there is such an account. */
static int look_up(struct session *s, const struct claim *c, struct account *a, bool *found)
{
    struct err e = { 0 };
    int there = account_find(s->store->db, c->account, a, &e);
    int fits = there == 1 ? account_has_key(s->store->db, c->account, c->hash, &e) : there;
    *found = there == 1;
    if (fits < 0)
        complain(&e);
    return fits;
}

/* A client offers what its agent holds, so a key that does not fit is no attack until there are many, which the supervisor counts; one that is
   somebody's here never counts. */
static void refused_offer(struct session *s, const struct claim *c)
{
    struct err e;
    if (account_any_key(s->store->db, c->hash, &e) == 1)
        return;
    /* For filters that read the log, once a connection, where OpenSSH writes it too. */
    if (++s->refused_offers == OFFERS_LOGGED)
        log_error("maximum", "authentication attempts exceeded for %s from %s port %u ssh2 [preauth]", esc(c->account), s->address,
                  s->port);
    failed(s, AUTH_UNKNOWN_KEY);
}

const char *key_offer(struct session *s, struct msg *m)
{
    CLAIM_END struct claim c = { 0 };
    struct account a;
    bool found;
    if (!claim_get(s, m, &c))
        return "malformed offer of a key";
    int fits = look_up(s, &c, &a, &found);
    if (fits == 0 && !found)
        unknown(s, c.account);
    else if (fits == 0)
        refused_offer(s, &c);
    session_answer(s, m->id, fits == 1 && !a.suspended, "");
    return NULL;
}

/* What login_resume reads. */
static void put_login(const struct session *s, struct msg *m)
{
    struct buf login = BUF(LOGIN_MOST);
    buf_put_str(&login, s->method);
    buf_put_bytes(&login, s->hash, sizeof s->hash);
    buf_put_str(&login, s->fingerprint);
    buf_put_u64(&login, (uint64_t)s->password);
    buf_put_u64(&login, (uint64_t)s->seed);
    buf_put_u8(&login, s->enrolling);
    msg_put_bytes(m, buf_head(&login), buf_size(&login));
    buf_free(&login);
}

/* Once a connection: its no stands for all that follow. */
void login_ask(struct session *s)
{
    struct msg m;
    if (s->refusal) {
        session_answer(s, s->question, false, s->refusal);
        session_nobody(s);
        return;
    }
    s->asked_supervisor = true;
    msg_begin(&m, STORE_LOGGED_IN, 0);
    msg_put_u64(&m, s->id);
    msg_put_str(&m, s->account);
    put_login(s, &m);
    link_send(s->store->super, &m);
}

void login_changed(struct session *s)
{
    struct msg m;
    msg_begin(&m, STORE_LOGIN_CHANGED, 0);
    msg_put_u64(&m, s->id);
    put_login(s, &m);
    link_send(s->store->super, &m);
}

void login_failed(struct session *s, enum auth_failure what)
{
    failed(s, what);
}

void login_line(const struct session *s, const char *verdict, const char *method)
{
    auth_line(s, verdict, method, true, s->account, s->word, s->fingerprint);
}

void login_complain(const struct err *e)
{
    complain(e);
}

void login_resume(struct session *s, char *account, const void *login, size_t size)
{
    struct buf b = BUF(LOGIN_MOST);
    size_t nhash;
    buf_put(&b, login, size);
    FREE_MEM char *method = buf_get_str(&b);
    const uint8_t *hash = buf_get_bytes(&b, &nhash);
    FREE_MEM char *fingerprint = buf_get_str(&b);
    s->password = (int64_t)buf_get_u64(&b);
    s->seed = (int64_t)buf_get_u64(&b);
    s->enrolling = buf_get_u8(&b) != 0;
    if (b.bad || nhash != sizeof s->hash || buf_size(&b) != 0)
        die("the supervisor hands over a login that is none of ours");
    s->account = account;
    s->method = strcmp(method, "password") == 0 ? "password" : "publickey";
    memcpy(s->hash, hash, sizeof s->hash);
    snprintf(s->fingerprint, sizeof s->fingerprint, "%s", fingerprint);
    s->phase = PHASE_IN;
    buf_free(&b);
    struct err e;
    if (session_look(s, &e) < 0)
        complain(&e);
}

static void suspended(const char *account)
{
    log_info("User", "%s not allowed because account is locked", account);
}

const char *key_login(struct session *s, struct msg *m)
{
    CLAIM_END struct claim c = { 0 };
    struct account a;
    bool found;
    if (!claim_get(s, m, &c))
        return "malformed login with a key";
    int fits = look_up(s, &c, &a, &found);
    if (fits == 1 && !a.suspended) {
        s->phase = PHASE_ASKING;
        s->question = m->id;
        s->account = mem_str(c.account);
        s->method = "publickey";
        s->word = c.word;
        memcpy(s->hash, c.hash, sizeof s->hash);
        memcpy(s->fingerprint, c.fingerprint, sizeof s->fingerprint);
        code_or_enter(s);
        return NULL;
    }
    if (fits == 1)
        suspended(c.account);
    else if (fits == 0) {
        if (!found)
            unknown(s, c.account);
        else
            failed(s, AUTH_BAD_KEY);
        auth_line(s, "Failed", "publickey", found, c.account, c.word, c.fingerprint);
    }
    session_answer(s, m->id, false, fits < 0 ? "the store cannot read its database, try later" :
                   fits == 1 ? "the account is suspended" : "");
    return NULL;
}

/* Judged by the configuration of now, which may be a newer one than when the password was sent. */
static void on_verdict(void *data, uint64_t id, enum password_result result, const char *hash UNUSED)
{
    struct store *store = data;
    struct session *s = session_find(store, id);
    struct account a;
    struct err e = { 0 };
    if (s == NULL)
        return;
    int found = account_find(store->db, s->account, &a, &e);
    if (found < 0)
        complain(&e);
    /* Another password may have been set while this one was computed. */
    int64_t since = 0;
    if (found == 1 && account_password_since(store->db, s->account, &since, &e) < 0) {
        complain(&e);
        found = -1;
    }
    bool right = result == PASSWORD_RIGHT && found == 1 && a.password && since == s->password;
    if (right && !a.suspended) {
        code_or_enter(s);
        return;
    }
    if (right)
        suspended(s->account);
    else if (result != PASSWORD_LOST && found >= 0) {
        if (!found)
            unknown(s, s->account);
        else
            failed(s, AUTH_BAD_PASSWORD);
        auth_line(s, "Failed", "password", found == 1, s->account, NULL, NULL);
    }
    session_answer(s, s->question, false, right ? "the account is suspended" : result == PASSWORD_LOST || found < 0 ?
                   "the store cannot verify it now, try later" : "");
    session_nobody(s);
}

/* The hash to verify against: NULL, which takes as long and never fits, where there is none that may be used. */
static char *hash_for(struct session *s, const char *account)
{
    struct account a;
    struct err e = { 0 };
    char *hash = NULL;
    int r = account_find(s->store->db, account, &a, &e);
    if (r == 1 && a.password)
        r = account_password(s->store->db, account, &hash, &e);
    if (r == 1 && hash)
        r = account_password_since(s->store->db, account, &s->password, &e);
    if (r < 0)
        complain(&e);
    return hash;
}

static const char *try_password(struct session *s, struct msg *m)
{
    size_t size;
    FREE_MEM char *account = msg_get_text(m, ACCOUNT_TEXT);
    const uint8_t *password = msg_get_bytes(m, &size);
    if (!msg_end(m) || size > PASSWORD_MOST)
        return "malformed login with a password";
    FREE_MEM char *hash = hash_for(s, account);
    s->phase = PHASE_ASKING;
    s->question = m->id;
    s->account = mem_str(account);
    s->method = "password";
    s->word = NULL;
    if (password_verify(s->store->passwords, hash, password, size, on_verdict, s->id) == 0)
        return NULL;
    session_answer(s, m->id, false, "too many logins at once, try later");
    session_nobody(s);
    return NULL;
}

const char *password_login(struct session *s, struct msg *m)
{
    const char *broken = try_password(s, m);
    msg_wipe(m);
    return broken;
}

void login_answered(struct store *store, struct msg *m)
{
    uint64_t id = msg_get_u64(m);
    uint32_t accepted = msg_get_u32(m);
    char *why = msg_get_text(m, 512);
    msg_end(m);
    struct session *s = session_find(store, id);
    if (s == NULL || !s->asked_supervisor || s->phase != PHASE_ASKING) {
        free(why);
        return;
    }
    if (accepted) {
        struct err e = { 0 };
        s->phase = PHASE_IN;
        /* From here on it is told of changes, so what it changes from must be known. */
        if (session_look(s, &e) < 0)
            complain(&e);
        s->since = wall_ms();
        login_line(s, "Accepted", s->seed ? "keyboard-interactive/totp" : s->method);
        session_answer(s, s->question, LOGIN_YES, s->note);
        free(s->note);
        s->note = NULL;
        free(why);
        return;
    }
    s->refusal = why;
    log_info("login.refused", "session=%llu account=%s why=%s", (unsigned long long)id, s->account, esc(why));
    session_answer(s, s->question, false, why);
    session_nobody(s);
}
