/* What a session asks about its account's second factor.  Answered here and now. */
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/stored/code.h"
#include "store/stored/login.h"
#include "store/stored/own_order.h"
#include "store/stored/picture.h"

#define NO_SEEDS "a second factor cannot be set up now: the appliance has lost the secret key that seeds are kept with; tell its admin"

static void result_begin(struct msg *m, const struct wish *w)
{
    msg_begin(m, STORE_DO_RESULT, w->id);
    msg_put_u32(m, CODE_OK);
    msg_put_str(m, "");
}

static void put_codes(struct wish *w, struct recovery_codes *codes)
{
    struct msg m;
    result_begin(&m, w);
    msg_put_u32(&m, RECOVERY_CODES);
    for (size_t i = 0; i < RECOVERY_CODES; i++)
        msg_put_str(&m, codes->shown[i]);
    link_send(w->session->link, &m);
}

static void wrong(struct wish *w)
{
    wish_refuse(w, CODE_FAILED, "the code is not right, or was used before; nothing was changed. Is the clock of your device right?");
}

/* The account's second factor; false: W was answered. */
static bool whose(struct wish *w, struct factor *f)
{
    struct err e = { 0 };
    int r = factor_find(w->session->store->db, w->session->account, f, &e);
    if (r < 0)
        wish_failed(w, &e);
    else if (r == 0)
        wish_refuse(w, CODE_NOT_PERMITTED, "there is no such account any more");
    else if (w->server[0])
        wish_refuse(w, CODE_USAGE, "a second factor is an account's, not a server's");
    else if (own_limited(w))
        wish_refuse(w, CODE_NOT_PERMITTED, LIMITED("the second factor"));
    else if (!bucket_take(&w->session->changes, 1, now_ms()))
        wish_refuse(w, CODE_LATER, "too many changes at once, try later");
    else
        return true;
    return false;
}

/* Whether what W brings is a code of the second factor that there is.  False: W was answered. */
static bool proven(struct wish *w)
{
    struct session *s = w->session;
    struct factor_check c;
    struct err e = { 0 };
    const struct factor_keys keys = code_keys(s->store);
    if (factor_check(s->store->db, &keys, s->account, w->secret, w->nsecret, wall_ms(), &c, &e) < 0) {
        wish_failed(w, &e);
        return false;
    }
    switch (c.verdict) {
    case FACTOR_RIGHT:
        if (c.recovery)
            log_warn("totp.recovery", "session=%llu account=%s from=%s left=%u", (unsigned long long)s->id, s->account, s->address, c.left);
        return true;
    case FACTOR_WRONG:
        /* As at a login: whoever took a session over shall not try them all. */
        login_failed(s, AUTH_BAD_PASSWORD);
        log_warn("totp.wrong", "session=%llu account=%s from=%s op=%u", (unsigned long long)s->id, s->account, s->address, w->op);
        wrong(w);
        break;
    case FACTOR_LATER:
        wish_refuse(w, CODE_LATER, "too many wrong codes for this account, retry after %u s", c.wait_s);
        break;
    case FACTOR_ABSENT:
        wish_refuse(w, CODE_STATE, "there is no second factor; 'totp enroll' sets one up");
        break;
    case FACTOR_UNREADABLE:
        wish_refuse(w, CODE_FAILED, "%s", code_lost(w->session->store));
        break;
    }
    return false;
}

static void tell_log(const struct session *s, const char *event)
{
    log_info(event, "session=%llu account=%s from=%s", (unsigned long long)s->id, s->account, s->address);
}

/* S relies on SEED from here on, and whoever relied on another goes. */
static void settle(struct session *s, int64_t seed)
{
    struct store *store = s->store;
    FREE_MEM char *account = mem_str(s->account);
    s->seed = seed;
    s->enrolling = false;
    login_changed(s);
    whoami_tell(s, 0);
    sessions_recheck(store, account);
}

bool totp_enroll(struct wish *w)
{
    struct session *s = w->session;
    struct factor f;
    struct err e = { 0 };
    uint8_t seed[TOTP_SEED];
    char secret[TOTP_SECRET];
    if (!whose(w, &f))
        return false;
    if (s->store->seal == NULL) {
        wish_refuse(w, CODE_FAILED, NO_SEEDS);
        return false;
    }
    if (f.seed && w->nsecret == 0) {
        wish_refuse(w, CODE_USAGE, "there is a second factor: 'totp enroll CODE', with a code of that one, begins another");
        return false;
    }
    if (f.seed && !proven(w))
        return false;
    if (factor_enroll(s->store->db, s->store->seal, s->account, seed, &e) < 0) {
        wish_failed(w, &e);
        return false;
    }
    base32(seed, sizeof seed, secret);
    char *uri = totp_uri(s->account, secret);
    struct msg m;
    result_begin(&m, w);
    msg_put_str(&m, uri);
    msg_put_str(&m, secret);
    picture_put(&m, uri);
    link_send(s->link, &m);
    tell_log(s, "totp.enroll");
    mem_wipe(seed, sizeof seed);
    mem_wipe(secret, sizeof secret);
    mem_wipe(uri, strlen(uri));
    free(uri);
    return false;
}

bool totp_verify(struct wish *w)
{
    struct session *s = w->session;
    struct factor f;
    struct factor_check c;
    struct recovery_codes codes;
    struct err e = { 0 };
    const struct factor_keys keys = code_keys(s->store);
    if (!whose(w, &f))
        return false;
    if (factor_activate(s->store->db, &keys, s->account, w->secret, w->nsecret, wall_ms(), &c, &codes, &e) < 0)
        wish_failed(w, &e);
    else if (c.verdict == FACTOR_ABSENT)
        wish_refuse(w, CODE_STATE, "there is nothing to verify; 'totp enroll' begins");
    else if (c.verdict == FACTOR_UNREADABLE)
        wish_refuse(w, CODE_FAILED, NO_SEEDS);
    else if (c.verdict != FACTOR_RIGHT)
        wrong(w);
    else {
        put_codes(w, &codes);
        tell_log(s, "totp.active");
        settle(s, c.seed);
    }
    mem_wipe(&codes, sizeof codes);
    return false;
}

bool totp_codes(struct wish *w)
{
    struct session *s = w->session;
    struct factor f;
    struct recovery_codes codes;
    struct err e = { 0 };
    const struct factor_keys keys = code_keys(s->store);
    if (!whose(w, &f) || !proven(w))
        return false;
    if (factor_recovery(s->store->db, &keys, s->account, &codes, &e) < 0) {
        wish_failed(w, &e);
    } else {
        put_codes(w, &codes);
        tell_log(s, "totp.codes");
    }
    mem_wipe(&codes, sizeof codes);
    return false;
}

bool totp_remove(struct wish *w)
{
    struct session *s = w->session;
    struct factor f;
    struct err e = { 0 };
    if (!whose(w, &f))
        return false;
    if (f.demanded) {
        wish_refuse(w, CODE_NOT_PERMITTED, "%s must have a second factor, the admin wants it; 'totp enroll CODE' changes to another", s->account);
        return false;
    }
    if (!proven(w))
        return false;
    if (factor_remove(s->store->db, s->account, &e) < 0) {
        wish_failed(w, &e);
        return false;
    }
    wish_refuse(w, CODE_OK, "%s", "");
    tell_log(s, "totp.removed");
    settle(s, 0);
    return false;
}

/* By the admin, for somebody who lost both device and recovery codes. */
static const char *reset(struct store *store, const char *account)
{
    static char text[400];
    struct factor f;
    struct err e = { 0 };
    int r = factor_find(store->db, account, &f, &e);
    if (r == 0)
        return "no such account";
    if (r == 1)
        r = factor_remove(store->db, account, &e);
    if (r < 0)
        return err_text(&e, text, sizeof text);
    if (r == 0)
        return "the account has no second factor";
    unsigned closed = sessions_recheck(store, account);
    log_info("totp.reset", "account=%s sessions_closed=%u", account, closed);
    return "";
}

void totp_reset(struct store *store, struct msg *m)
{
    struct msg out;
    uint32_t cookie = msg_get_u32(m);
    FREE_MEM char *account = msg_get_text(m, MSG_MOST);
    msg_end(m);
    msg_begin(&out, STORE_PASSWD_DONE, m->id);
    msg_put_u32(&out, cookie);
    msg_put_str(&out, reset(store, account));
    link_send(store->super, &out);
}
