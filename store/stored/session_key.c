/* Keys with options, while they are used: looked at when they are offered, when they log in, after every change, and when their time is over. */
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/stored/login.h"

/* ROUND: how long at most until the clock is looked at again, which may be set meanwhile. */
enum { REFUSALS_LOGGED = 20, ROUND_MS = 1000 };

static void digest(const char *text, uint8_t out[OPTIONS_DIGEST])
{
    crypto_generichash(out, OPTIONS_DIGEST, (const unsigned char *)text, strlen(text), NULL, 0);
}

/* What this build does not know, of one before it or after it, lets nobody in. */
static int read_options(const char *text, struct key_options *o)
{
    struct err e = { 0 };
    char line[400];
    if (key_options_parse(text, strlen(text), KEY_OF_ACCOUNT, o, &e) == 0)
        return 0;
    log_error("key.options", "options=\"%s\" error=\"%s\"", esc_text(text), err_text(&e, line, sizeof line));
    return -1;
}

static void log_refusal(struct session *s, const char *account, const struct key_options *o, enum key_verdict verdict)
{
    char when[32];
    if (s->refused_keys >= REFUSALS_LOGGED)
        return;
    log_as(s->id);
    if (verdict == KEY_ELSEWHERE)
        log_info("Authentication", "tried for %s with correct key but not from a permitted host (host=%s, ip=%s, required=%s).", esc(account),
                 s->address, s->address, esc(o->from));
    else
        log_info("Authentication", "tried for %s with correct key but after its time (host=%s, ip=%s, expired=%s).", esc(account), s->address,
                 s->address, wall_text(o->expires, when, sizeof when));
}

bool key_admitted(struct session *s, const char *account, const char *text, struct key_options *o)
{
    *o = KEY_OPTIONS_NONE;
    if (read_options(text, o) < 0)
        return false;
    enum key_verdict verdict = key_options_check(o, s->address, wall_ms());
    if (verdict == KEY_FITS)
        return true;
    log_refusal(s, account, o, verdict);
    key_options_end(o);
    if (s->refused_keys++ > 0)
        return false;
    login_failed(s, AUTH_REFUSED_KEY);
    return false;
}

void session_key_hold(struct session *s, char *text, struct key_options *o)
{
    session_key_drop(s);
    s->options_text = text;
    s->options = *o;
    digest(text, s->options_digest);
    *o = KEY_OPTIONS_NONE;
}

void session_key_drop(struct session *s)
{
    key_options_end(&s->options);
    free(s->options_text);
    s->options_text = NULL;
    memset(s->options_digest, 0, sizeof s->options_digest);
}

void session_key_resume(struct session *s, const uint8_t told[OPTIONS_DIGEST])
{
    struct err e = { 0 };
    FREE_MEM char *text = NULL;
    struct key_options o;
    session_key_drop(s);
    /* That there is none any more, or another text, is found at the look that follows. */
    if (strcmp(s->method, "publickey") == 0 && account_key(s->store->db, s->account, s->hash, &text, &e) == 1 && read_options(text, &o) == 0) {
        session_key_hold(s, text, &o);
        text = NULL;
        memcpy(s->options_digest, told, sizeof s->options_digest);
    }
}

const char *session_key_unwelcome(const struct session *s, const char *text)
{
    uint8_t now[OPTIONS_DIGEST];
    digest(text, now);
    if (memcmp(now, s->options_digest, sizeof now) != 0)
        return "the options of its key were changed: log in again";
    switch (key_options_check(&s->options, s->address, wall_ms())) {
    case KEY_EXPIRED:
        return "its key has expired";
    case KEY_ELSEWHERE:
        return "its key may not be used from there";
    case KEY_FITS:
        break;
    }
    return NULL;
}

static void on_expiry(void *data)
{
    struct store *store = data;
    int64_t now = wall_ms();
    store->expiry = NULL;
    for (struct session *s = store->sessions, *next; s; s = next) {
        next = s->next;
        if (s->phase == PHASE_IN && s->options.expires && s->options.expires <= now)
            session_kick(s, s->certified ? "the certificate is not valid any more: expired" : "its key has expired");
    }
    sessions_expire(store);
}

void sessions_expire(struct store *store)
{
    int64_t first = 0, now = wall_ms();
    for (const struct session *s = store->sessions; s; s = s->next)
        if (s->phase == PHASE_IN && s->options.expires && (first == 0 || s->options.expires < first))
            first = s->options.expires;
    if (store->expiry || first == 0)
        return;
    int64_t ms = first > now ? first - now : 0;
    store->expiry = loop_timer(store->loop, (uint64_t)(ms < ROUND_MS ? ms : ROUND_MS), on_expiry, store);
}
