/* The code behind key or password.  A session whose first factor was right may ask nothing but whether a code is; which account it is about was
   settled by then. */
#include "store/stored/code.h"

#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/stored/login.h"

const char code_enrol[] = "this account needs a second factor before anything else: run 'totp enroll', put what it shows into your "
                          "authenticator app, then run 'totp verify CODE'";
static const char unreadable[] = "the store cannot read its database, try later";

const char *code_lost(const struct store *store)
{
    return store->seal == NULL ? "codes cannot be checked now: the appliance has lost the secret key that seeds are kept with; the admin can put it "
                                 "back, or reset the second factor"
                               : "codes cannot be checked: the seed they are made of is damaged. A recovery code works; the admin can reset the "
                                 "second factor";
}

struct factor_keys code_keys(const struct store *store)
{
    return (struct factor_keys){ .seal = store->seal, .digest = store->digest };
}

uint32_t code_state(const struct session *s)
{
    return s->enrolling ? SECOND_ENROL : s->seed ? SECOND_CODE : SECOND_NONE;
}

static void refuse(struct session *s, const char *why)
{
    session_answer(s, s->question, VERDICT_NO, why);
    session_nobody(s);
}

/* A code takes its time to be looked up, and whoever got this far has not come without a try. */
static void tell_partial(struct session *s)
{
    struct msg m;
    msg_begin(&m, STORE_PARTIAL, 0);
    msg_put_u64(&m, s->id);
    link_send(s->store->super, &m);
}

void code_or_enter(struct session *s)
{
    struct factor f;
    struct err e = { 0 };
    int r = factor_find(s->store->db, s->account, &f, &e);
    if (r < 0)
        login_complain(&e);
    if (r != 1) {
        refuse(s, unreadable);
    } else if (f.seed) {
        login_line(s, "Partial", s->method);
        tell_partial(s);
        s->phase = PHASE_CODE;
        session_answer(s, s->question, VERDICT_CODE, "");
    } else if (f.demanded && strcmp(s->method, "publickey") != 0) {
        /* Whoever guessed a password must not be the one who sets up what it is to be protected with. */
        log_info("login.refused", "session=%llu account=%s why=\"no second factor, and no key to set it up with\"", (unsigned long long)s->id,
                 s->account);
        refuse(s, "this account needs a second factor: log in with a key and run 'totp enroll' first");
    } else {
        s->enrolling = f.demanded;
        login_ask(s);
    }
}

static void right(struct session *s, const struct factor_check *c)
{
    s->phase = PHASE_ASKING;
    s->seed = c->seed;
    if (c->recovery) {
        log_warn("totp.recovery", "session=%llu account=%s from=%s left=%u", (unsigned long long)s->id, s->account, s->address, c->left);
        s->note = mem_fmt("a recovery code was used: %u recovery code%s left%s", c->left, c->left == 1 ? "" : "s",
                          c->left < 3 ? "; 'totp codes CODE' makes new ones" : "");
    }
    login_ask(s);
}

static void judge(struct session *s, const struct factor_check *c)
{
    FREE_MEM char *later = mem_fmt("too many wrong codes for this account, retry after %u s", c->wait_s);
    switch (c->verdict) {
    case FACTOR_RIGHT:
        right(s, c);
        break;
    case FACTOR_WRONG:
        login_failed(s, AUTH_BAD_PASSWORD);
        login_line(s, "Failed", "keyboard-interactive/totp");
        session_answer(s, s->question, VERDICT_NO, "");
        break;
    case FACTOR_LATER:
        log_warn("totp.later", "session=%llu account=%s from=%s wait_s=%u", (unsigned long long)s->id, s->account, s->address, c->wait_s);
        session_answer(s, s->question, VERDICT_NO, later);
        break;
    case FACTOR_ABSENT:
        refuse(s, "the second factor was reset just now, log in again");
        break;
    case FACTOR_UNREADABLE:
        session_answer(s, s->question, VERDICT_NO, code_lost(s->store));
        break;
    }
}

static const char *try_code(struct session *s, struct msg *m)
{
    size_t size;
    struct err e = { 0 };
    struct factor_check c;
    FREE_MEM char *account = msg_get_text(m, ACCOUNT_TEXT);
    const uint8_t *typed = msg_get_bytes(m, &size);
    if (!msg_end(m) || size > CODE_MOST)
        return "malformed login with a code";
    if (strcmp(account, s->account) != 0)
        return "a code for another account than the one that was proven";
    s->question = m->id;
    /* Key or password may have been taken away while the code was typed. */
    uint64_t generation;
    const char *why = session_unwelcome(s, &generation, &e);
    const struct factor_keys keys = code_keys(s->store);
    s->generation = generation;
    if (why) {
        refuse(s, why);
    } else if (factor_check(s->store->db, &keys, s->account, typed, size, wall_ms(), &c, &e) < 0) {
        login_complain(&e);
        session_answer(s, s->question, VERDICT_NO, unreadable);
    } else {
        judge(s, &c);
    }
    return NULL;
}

const char *code_login(struct session *s, struct msg *m)
{
    const char *broken = try_code(s, m);
    msg_wipe(m);
    return broken;
}

const char *code_unwelcome(struct session *s, struct err *e)
{
    struct factor f;
    if (factor_find(s->store->db, s->account, &f, e) != 1)
        return "the store cannot check it";
    if (f.seed != s->seed)
        return s->seed == 0 ? "a second factor is asked for now" : f.seed ? "the second factor was changed" : "the second factor was removed";
    if (f.seed == 0 && f.demanded && !s->enrolling)
        return "a second factor is asked for now";
    if (s->enrolling && !f.demanded) {
        s->enrolling = false;
        login_changed(s);
        if (s->phase == PHASE_IN)
            whoami_tell(s, 0);
    }
    return NULL;
}
