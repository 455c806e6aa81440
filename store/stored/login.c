/* Logins: a key is looked up, a password is verified by the helper, then the supervisor is asked, as it counts connections; only its
   yes lets the session in.  The lines have OpenSSH's wording, whole, so that filters written for it match. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "base/die.h"
#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/stored/certified.h"
#include "store/stored/code.h"
#include "store/stored/login.h"
#include "store/stored/proof.h"

enum { TYPE_MOST = 64, OFFERS_LOGGED = 20 };

struct claim {
    char *account;              /* owned */
    uint8_t hash[KEY_HASH];
    char fingerprint[KEY_FINGERPRINT];
    const char *word;
    char *options;              /* of the key, where it is the account's; owned */
    bool hardware, certified;
    struct cert cert;           /* where certified, and nothing is wrong */
    char *detail;               /* of it, for the log; owned */
    char *wrong;                /* with the certificate; owned, NULL: nothing */
    uint32_t proof;
};

static void claim_end(struct claim *c)
{
    free(c->account);
    free(c->options);
    free(c->detail);
    free(c->wrong);
    cert_free(&c->cert);
}

#define CLAIM_END __attribute__((cleanup(claim_end)))

static const char *ca_word(const struct cert *c)
{
    struct buf b BUF_FREE = BUF(c->nca);
    buf_put(&b, c->ca, c->nca);
    FREE_MEM char *type = buf_get_str(&b);
    return key_word(type ? type : "");
}

/* From here on the claim's key is the one inside. */
static void claim_cert(struct claim *c, const uint8_t **blob, size_t *size)
{
    struct err e = { 0 };
    char ca[KEY_FINGERPRINT];
    if (cert_parse(*blob, *size, &c->cert, &e) < 0) {
        c->wrong = mem_str(e.text);
        return;
    }
    *blob = c->cert.key;
    *size = c->cert.nkey;
    c->hardware = c->cert.hardware;
    key_fingerprint(c->cert.ca, c->cert.nca, ca);
    c->detail = mem_fmt(" ID %s (serial %llu) CA %s %s", esc(c->cert.id), (unsigned long long)c->cert.serial,
                        ca_word(&c->cert), ca);
}

/* What is said of a key outside of it does not count here. */
static bool is_hardware(const uint8_t *blob, size_t size)
{
    return size > 7 && memcmp(blob + 4, "sk-", 3) == 0;
}

static bool claim_get(struct session *s, struct msg *m, struct claim *c)
{
    size_t size;
    c->account = msg_get_text(m, ACCOUNT_TEXT);
    const uint8_t *blob = msg_get_bytes(m, &size);
    FREE_MEM char *type = msg_get_text(m, TYPE_MOST);
    c->proof = msg_get_u32(m);
    bool good = msg_end(m) && size <= KEY_BLOB_MOST;
    c->word = key_word(type);
    if (blob && good) {
        c->hardware = is_hardware(blob, size);
        const char *word = cert_word(blob, size);
        if (word) {
            c->certified = true;
            c->word = word;
            claim_cert(c, &blob, &size);
        }
        key_hash(s->store->secret, blob, size, c->hash);
        key_fingerprint(blob, size, c->fingerprint);
    }
    return good;
}

void login_complain(const struct err *e)
{
    char text[400];
    log_error("store.database", "%s", err_text(e, text, sizeof text));
}

void login_failed(struct session *s, enum auth_failure what)
{
    struct msg m;
    msg_begin(&m, STORE_AUTH_FAILED, 0);
    msg_put_u64(&m, s->id);
    msg_put_u32(&m, what);
    link_send(s->store->super, &m);
}

/* "Accepted publickey for alice from 192.0.2.1 port 1234 ssh2: ED25519 SHA256:..." */
static void auth_line(const struct session *s, const char *verdict, const char *method, bool known, const char *account,
                      const char *word, const char *fingerprint, const char *detail)
{
    log_as(s->id);
    log_info(verdict, "%s for %s%s from %s port %u ssh2%s%s%s%s%s", method, known ? "" : "invalid user ", esc(account), s->address,
             s->port, word ? ": " : "", word ? word : "", word ? " " : "", word ? fingerprint : "", detail ? detail : "");
}

/* Once a name: a client that offers ten keys for it is one event. */
static void unknown(struct session *s, const char *account)
{
    if (s->invalid && strcmp(s->invalid, account) == 0)
        return;
    free(s->invalid);
    s->invalid = mem_str(account);
    log_as(s->id);
    log_info("Invalid", "user %s from %s port %u", esc(account), s->address, s->port);
    login_failed(s, AUTH_UNKNOWN_ACCOUNT);
}

static int cert_fits(struct session *s, const struct claim *c)
{
    const char *why = c->wrong ? c->wrong : certified_refuses(s, &c->cert, c->account, c->fingerprint);
    /* A client offers what it has; past some it is the flood that is worth a line, not each. */
    if (why && s->refused_certs++ < OFFERS_LOGGED) {
        log_as(s->id);
        log_info("Certificate", "invalid: %s: for %s from %s port %u ssh2: %s %s%s", why, esc(c->account), s->address, s->port, c->word,
                 c->fingerprint, c->detail ? c->detail : "");
    }
    return why == NULL;
}

static int key_fits(struct session *s, struct claim *c, struct err *e)
{
    int fits = account_key(s->store->db, c->account, c->hash, &c->options, e);
    if (fits != 1 || !trust_revoked(s->store->trust, c->fingerprint))
        return fits;
    log_as(s->id);
    log_info("Authentication", "key %s %s revoked: for %s from %s port %u ssh2", c->word, c->fingerprint, esc(c->account), s->address, s->port);
    return 0;
}

/* 1: the key is the account's, or certified for it.  *FOUND: there is such an account. */
static int look_up(struct session *s, struct claim *c, struct account *a, bool *found)
{
    struct err e = { 0 };
    int fits = account_find(s->store->db, c->account, a, &e);
    *found = fits == 1;
    /* The key of an account that is not there is looked for as well: it takes as long. */
    if (fits >= 0 && (*found || !c->certified))
        fits = c->certified ? cert_fits(s, c) : key_fits(s, c, &e);
    if (fits < 0)
        login_complain(&e);
    return fits;
}

/* A client offers what its agent holds, so a key that does not fit is no attack until there are many, which the supervisor counts; one that is
   somebody's here never counts: true then. */
static bool refused_offer(struct session *s, const struct claim *c)
{
    struct err e;
    if (c->certified ? !c->wrong && certified_ours(s, &c->cert) : account_any_key(s->store->db, c->hash, &e) == 1)
        return true;
    /* For filters that read the log, once a connection, where OpenSSH writes it too. */
    if (++s->refused_offers == OFFERS_LOGGED) {
        log_as(s->id);
        log_error("maximum", "authentication attempts exceeded for %s from %s port %u ssh2 [preauth]", esc(c->account), s->address,
                  s->port);
    }
    login_failed(s, AUTH_UNKNOWN_KEY);
    return false;
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
    bool counts = fits == 0 && (!found || !refused_offer(s, &c));
    struct key_options o = KEY_OPTIONS_NONE;
    bool in = fits == 1 && !a.suspended && (c.certified || key_admitted(s, c.account, c.options, &o));
    session_answer(s, m->id, in ? VERDICT_YES : counts ? VERDICT_NO : VERDICT_NO_TRY, "");
    key_options_end(&o);
    return NULL;
}

/* What login_resume reads. */
static void put_login(const struct session *s, struct msg *m)
{
    struct buf login = BUF(LOGIN_MOST);
    buf_put_str(&login, s->method);
    buf_put_str(&login, s->fingerprint);
    buf_put_bytes(&login, s->hash, sizeof s->hash);
    buf_put_bytes(&login, s->options_digest, sizeof s->options_digest);
    buf_put_u64(&login, (uint64_t)s->seed);
    buf_put_u8(&login, s->enrolling);
    /* Last: it takes what is left. */
    certified_put(s, &login);
    msg_put_bytes(m, buf_head(&login), buf_size(&login));
    buf_free(&login);
}

/* Once a connection: its no stands for all that follow. */
void login_ask(struct session *s)
{
    struct msg m;
    if (s->refusal) {
        session_answer(s, s->question, VERDICT_NO, s->refusal);
        session_nobody(s);
        return;
    }
    s->asked_supervisor = true;
    msg_begin(&m, STORE_LOGGED_IN, 0);
    msg_put_u64(&m, s->id);
    msg_put_str(&m, s->account);
    put_login(s, &m);
    msg_put_u32(&m, s->options.rights);
    msg_put_str(&m, s->options.servers ? s->options.servers : "");
    msg_put_u64(&m, s->generation);
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

void login_line(const struct session *s, const char *verdict, const char *method)
{
    auth_line(s, verdict, method, true, s->account, s->word, s->fingerprint, s->detail);
}

void login_resume(struct session *s, char *account, const void *login, size_t size)
{
    struct buf b = BUF(LOGIN_MOST);
    size_t nmark, ndigest;
    buf_put(&b, login, size);
    FREE_MEM char *method = buf_get_str(&b);
    FREE_MEM char *fingerprint = buf_get_str(&b);
    const uint8_t *mark = buf_get_bytes(&b, &nmark), *digest = buf_get_bytes(&b, &ndigest);
    s->seed = (int64_t)buf_get_u64(&b);
    s->enrolling = buf_get_u8(&b) != 0;
    bool key = strcmp(method ? method : "", "publickey") == 0;
    if (b.bad || nmark != sizeof s->hash || ndigest != sizeof s->options_digest)
        die("the supervisor hands over a login that is none of ours");
    memcpy(s->hash, mark, sizeof s->hash);
    /* The hash of a key may have been made with another secret then. */
    if (key && key_hash_print(s->store->secret, fingerprint, s->hash) < 0)
        die("the supervisor hands over a login without a fingerprint");
    s->account = account;
    s->method = key ? "publickey" : "password";
    snprintf(s->fingerprint, sizeof s->fingerprint, "%s", fingerprint);
    s->phase = PHASE_IN;
    session_key_resume(s, digest);
    certified_get(s, &b);
    if (b.bad || buf_size(&b) != 0)
        die("the supervisor hands over a login that is none of ours");
    buf_free(&b);
    /* Its generation is none until it was judged, which is next. */
    struct err e;
    if (session_look(s, &e) < 0)
        login_complain(&e);
}

static void suspended(const struct session *s, const char *account)
{
    log_as(s->id);
    log_info("User", "%s not allowed because account is locked", account);
}

static void take_cert(struct session *s, struct claim *c)
{
    certified_take(s, &c->cert);
    s->detail = c->detail;
    c->detail = NULL;
}

/* NULL, or what the signature does not show of who used the key. */
static const char *not_proven(struct session *s, const struct claim *c, uint32_t flags)
{
    const struct cert *cert = &c->cert;
    flags |= (cert->verify_required ? (uint32_t)KEY_VERIFY_REQUIRED : 0) | (cert->no_touch || !c->hardware ? (uint32_t)KEY_NO_TOUCH : 0);
    if (proof_fits(c->proof, flags))
        return NULL;
    const char *missing = proof_missing(c->proof, flags);
    log_as(s->id);
    log_info("public", "key %s %s signature for %s from %s port %u rejected: %s", c->word, c->fingerprint, esc(c->account), s->address, s->port,
             missing);
    login_failed(s, AUTH_BAD_KEY);
    return missing;
}

const char *key_login(struct session *s, struct msg *m)
{
    CLAIM_END struct claim c = { 0 };
    struct account a;
    bool found;
    if (!claim_get(s, m, &c))
        return "malformed login with a key";
    int fits = look_up(s, &c, &a, &found);
    struct key_options o = KEY_OPTIONS_NONE;
    if (fits == 1 && !a.suspended && !c.certified && !key_admitted(s, c.account, c.options, &o)) {
        session_answer(s, m->id, VERDICT_NO_TRY, "");
        return NULL;
    }
    const char *unproven = fits == 1 ? not_proven(s, &c, o.flags) : NULL;
    if (fits == 1 && !a.suspended && !unproven) {
        if (!c.certified) {
            session_key_hold(s, c.options, &o);
            c.options = NULL;
        }
        s->phase = PHASE_ASKING;
        s->question = m->id;
        s->account = mem_str(c.account);
        s->method = "publickey";
        s->word = c.word;
        memcpy(s->hash, c.hash, sizeof s->hash);
        memcpy(s->fingerprint, c.fingerprint, sizeof s->fingerprint);
        s->generation = a.generation;
        if (c.certified)
            take_cert(s, &c);
        code_or_enter(s);
        return NULL;
    }
    key_options_end(&o);
    if (unproven)
        auth_line(s, "Failed", "publickey", true, c.account, c.word, c.fingerprint, c.detail);
    else if (fits == 1)
        suspended(s, c.account);
    else if (fits == 0) {
        if (!found)
            unknown(s, c.account);
        else
            login_failed(s, AUTH_BAD_KEY);
        auth_line(s, "Failed", "publickey", found, c.account, c.word, c.fingerprint, c.detail);
    }
    session_answer(s, m->id, VERDICT_NO, unproven ? unproven : fits < 0 ? "the store cannot read its database, try later" :
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
        login_complain(&e);
    uint8_t mark[KEY_HASH];
    bool right = result == PASSWORD_RIGHT && found == 1 && a.password && login_mark(store, s->account, mark, &e) == 1 &&
                 memcmp(mark, s->hash, sizeof mark) == 0;
    if (right && !a.suspended) {
        s->generation = a.generation;
        code_or_enter(s);
        return;
    }
    if (right)
        suspended(s, s->account);
    else if (result != PASSWORD_LOST && found >= 0) {
        if (!found)
            unknown(s, s->account);
        else
            login_failed(s, AUTH_BAD_PASSWORD);
        auth_line(s, "Failed", "password", found == 1, s->account, NULL, NULL, NULL);
    }
    session_answer(s, s->question, VERDICT_NO, right ? "the account is suspended" : result == PASSWORD_LOST || found < 0 ?
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
    if (r < 0)
        login_complain(&e);
    return hash;
}

/* Without a key: it goes to nobody but the supervisor, and outlives a rotation of the secret. */
static void mark_of(const char *hash, uint8_t mark[KEY_HASH])
{
    crypto_generichash(mark, KEY_HASH, (const uint8_t *)hash, strlen(hash), NULL, 0);
}

int login_mark(struct store *store, const char *name, uint8_t mark[KEY_HASH], struct err *e)
{
    char *hash = NULL;
    int r = account_password(store->db, name, &hash, e);
    if (r == 1)
        mark_of(hash, mark);
    free(hash);
    return r;
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
    /* By which it is known later whether it is still the password. */
    if (hash)
        mark_of(hash, s->hash);
    if (password_verify(s->store->passwords, hash, password, size, on_verdict, s->id) == 0)
        return NULL;
    session_answer(s, m->id, VERDICT_NO, "too many logins at once, try later");
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
            login_complain(&e);
        s->since = wall_ms();
        login_line(s, "Accepted", s->seed ? "keyboard-interactive/totp" : s->method);
        log_info("session.login", "session=%llu account=%s generation=%llu method=%s key=%s from=%s", (unsigned long long)s->id, s->account,
                 (unsigned long long)s->generation, s->method, s->fingerprint[0] ? s->fingerprint : "-", s->address);
        session_answer(s, s->question, VERDICT_YES, s->note);
        free(s->note);
        s->note = NULL;
        if (s->word && account_key_used(store->db, s->account, s->hash, s->address, &e) < 0)
            login_complain(&e);
        sessions_expire(store);
        free(why);
        return;
    }
    s->refusal = why;
    log_info("login.refused", "session=%llu account=%s why=%s", (unsigned long long)id, s->account, esc(why));
    session_answer(s, s->question, VERDICT_NO, why);
    session_nobody(s);
}
