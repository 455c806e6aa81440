#include "store/stored/session.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/die.h"
#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/name.h"
#include "base/rights.h"
#include "store/stored/actor.h"
#include "store/stored/certified.h"
#include "store/stored/code.h"
#include "store/stored/doing.h"
#include "store/stored/login.h"

enum { LINES_BURST = 50, LINES_RATE = 10, CHANGES_BURST = 20, CHANGES_RATE = 1, EVENT_MOST = 64, LINE_MOST = 1024 };

static bool recheck(struct session *s);

/* What a session may ask, and when.  `most` is over the whole connection (0: any number): the session holds its client to fewer tries,
   so one that passes these does not do its task. */
static const struct request {
    uint16_t type;
    unsigned phases;
    unsigned most;
    request_fn *fn;
} requests[REQUEST_KINDS] = {
    { .type = STORE_KEY_OFFER,      .phases = PHASE_BEFORE, .most = 256, .fn = key_offer },
    { .type = STORE_KEY_LOGIN,      .phases = PHASE_BEFORE, .most = 64,  .fn = key_login },
    { .type = STORE_PASSWORD_LOGIN, .phases = PHASE_BEFORE, .most = 64,  .fn = password_login },
    { .type = STORE_CODE_LOGIN,     .phases = PHASE_CODE,   .most = 64,  .fn = code_login },
    { .type = STORE_WHOAMI,         .phases = PHASE_IN,     .most = 0,   .fn = whoami },
    { .type = STORE_DO,             .phases = PHASE_IN,     .most = 0,   .fn = order_do },
    { .type = STORE_LOG,            .phases = PHASE_ANY,    .most = 0,   .fn = log_told },
    { .type = STORE_ACTIVITY,       .phases = PHASE_IN,     .most = 0,   .fn = activity_told },
    { .type = STORE_DOING,          .phases = PHASE_IN,     .most = 0,   .fn = doing_told },
};

struct session *session_find(struct store *store, uint64_t id)
{
    for (struct session *s = store->sessions; s; s = s->next)
        if (s->id == id)
            return s;
    return NULL;
}

static void forget(struct session *s)
{
    struct session **at = &s->store->sessions;
    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    if (s->phase == PHASE_ASKING)
        password_forget(s->store->passwords, s->id);
    session_events_end(s);
    actor_end(s);
    doing_forget(s);
    link_free(s->link);
    free(s->address);
    free(s->account);
    free(s->invalid);
    free(s->refusal);
    free(s->detail);
    free(s->note);
    free(s->seen);
    session_key_drop(s);
    free(s);
}

void session_kick(struct session *s, const char *fmt, ...)
{
    char why[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why, sizeof why, fmt, ap);
    va_end(ap);
    log_warn("session.kicked", "session=%llu account=%s generation=%llu why=\"%s\"", (unsigned long long)s->id,
             s->account ? s->account : "", (unsigned long long)s->generation, why);
    struct msg m;
    /* Not by link_send: the link may be broken on its way in and still carry this. */
    msg_begin(&m, STORE_CLOSE, 0);
    msg_put_str(&m, why);
    msg_send(link_fd(s->link), &m);
    msg_free(&m);
    msg_begin(&m, STORE_KICK, 0);
    msg_put_u64(&m, s->id);
    msg_put_str(&m, why);
    link_send(s->store->super, &m);
    forget(s);
}

void session_answer(struct session *s, uint32_t id, enum store_verdict verdict, const char *why)
{
    struct msg m;
    msg_begin(&m, STORE_ANSWER, id);
    msg_put_u32(&m, verdict);
    msg_put_str(&m, why);
    link_send(s->link, &m);
}

void session_nobody(struct session *s)
{
    free(s->account);
    s->account = NULL;
    s->method = NULL;
    s->fingerprint[0] = '\0';
    session_key_drop(s);
    s->certified = false;
    free(s->detail);
    s->detail = NULL;
    s->asked_supervisor = false;
    s->seed = 0;
    s->enrolling = false;
    free(s->note);
    s->note = NULL;
    s->phase = PHASE_BEFORE;
}

/* NULL, or the rule that was broken. */
static const char *request(struct session *s, struct msg *m)
{
    static char why[64];
    for (size_t i = 0; i < countof(requests); i++) {
        if (requests[i].type != m->type)
            continue;
        snprintf(why, sizeof why, "request %#x is not allowed %s", m->type,
                 s->phase == PHASE_IN ? "after the login" : "before the login is decided");
        if (!(requests[i].phases & s->phase))
            return why;
        snprintf(why, sizeof why, "request %#x came more than %u times", m->type, requests[i].most);
        return requests[i].most && s->asked[i]++ >= requests[i].most ? why : requests[i].fn(s, m);
    }
    snprintf(why, sizeof why, "request %#x is not one of a session", m->type);
    return why;
}

static void on_request(void *data, struct link *l UNUSED, struct msg *m)
{
    struct session *s = data;
    const char *broken = request(s, m);
    if (broken)
        session_kick(s, "broken rule: %s", broken);
}

/* The end of a session's process is the supervisor's to report.  A link that ended while the other side still holds it is a session
   that sent rubbish or does not read. */
static void on_gone(void *data, struct link *l)
{
    struct session *s = data;
    char byte;
    ssize_t n = recv(link_fd(l), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (n > 0 || (n < 0 && errno == EAGAIN))
        session_kick(s, "broken rule: bad message, or answers are not read");
    else
        forget(s);
}

static void on_round(void *data, struct link *l UNUSED)
{
    actor_round(data);
}

/* What was done is in the socket until it is in the database. */
static bool keep(uint16_t type)
{
    return type == STORE_ACTIVITY;
}

static const struct link_events events = { .msg = on_request, .round = on_round, .gone = on_gone, .keep = keep, .client = true, .queue = 64 };

void session_new(struct store *store, struct msg *m)
{
    uint64_t id = msg_get_u64(m);
    char *address = msg_get_text(m, 64);
    unsigned port = msg_get_u32(m);
    char *account = msg_get_text(m, NAME_MOST);
    size_t size;
    const uint8_t *login = msg_get_bytes(m, &size);
    int fd = msg_get_fd(m);
    msg_end(m);
    if (session_find(store, id))
        die("session %llu is here already", (unsigned long long)id);
    struct session *s = mem_new(sizeof *s);
    *s = (struct session){ .store = store, .id = id, .address = address, .port = port, .phase = PHASE_BEFORE,
                           .since = wall_ms(), .next = store->sessions, .options = KEY_OPTIONS_NONE };
    bucket_init(&s->lines, LINES_BURST, LINES_RATE, now_ms());
    bucket_init(&s->changes, CHANGES_BURST, CHANGES_RATE, now_ms());
    s->link = link_new(store->loop, fd, &events, s);
    store->sessions = s;
    if (account[0] == '\0') {
        free(account);
        return;
    }
    login_resume(s, account, login, size);
    struct msg anew;
    msg_begin(&anew, STORE_ANEW, 0);
    link_send(s->link, &anew);
    /* What was its right when the old store died may not be any more. */
    if (recheck(s))
        sessions_expire(store);
}

void session_gone(struct store *store, struct msg *m)
{
    uint64_t id = msg_get_u64(m);
    uint32_t crashed = msg_get_u32(m);
    msg_end(m);
    struct session *s = session_find(store, id);
    if (crashed)
        log_warn("session.crashed", "session=%llu account=%s", (unsigned long long)id, s && s->account ? s->account : "");
    if (s)
        forget(s);
}

void sessions_list(struct store *store, struct msg *m)
{
    enum { MOST = 512 };
    uint32_t n = 0, cookie = msg_get_u32(m);
    msg_end(m);
    for (struct session *s = store->sessions; s && n < MOST; s = s->next)
        n++;
    struct msg out;
    msg_begin(&out, STORE_SESSIONS_ANSWER, m->id);
    msg_put_u32(&out, cookie);
    msg_put_u32(&out, n);
    for (struct session *s = store->sessions; s && n; s = s->next, n--) {
        msg_put_u64(&out, s->id);
        msg_put_str(&out, s->phase == PHASE_IN ? s->account : "");
        msg_put_str(&out, s->address);
        msg_put_u64(&out, (uint64_t)s->since);
    }
    link_send(store->super, &out);
}

int session_look(struct session *s, struct err *e)
{
    free(s->seen);
    s->seen = NULL;
    s->nseen = 0;
    if (s->enrolling)
        return 0;
    int r = account_servers(s->store->db, s->account, &s->seen, &s->nseen, e);
    size_t n = 0;
    for (size_t i = 0; i < s->nseen; i++) {
        s->seen[n] = s->seen[i];
        s->seen[n].rights = key_options_rights(&s->options, s->seen[n].server, s->seen[n].rights);
        n += s->seen[n].rights != 0;
    }
    s->nseen = n;
    return r;
}

int session_rights(struct session *s, const char *server, uint32_t *rights, struct err *e)
{
    int r = s->enrolling ? 0 : account_rights(s->store->db, s->account, server, rights, e);
    if (r == 1)
        *rights = key_options_rights(&s->options, server, *rights);
    return r == 1 && *rights == 0 ? 0 : r;
}

void whoami_tell(struct session *s, uint32_t id)
{
    struct err e;
    if (session_look(s, &e) < 0)
        login_complain(&e);
    struct msg out;
    msg_begin(&out, STORE_WHOAMI_ANSWER, id);
    msg_put_str(&out, s->account);
    msg_put_str(&out, s->method);
    msg_put_str(&out, s->fingerprint);
    msg_put_str(&out, s->address);
    msg_put_str(&out, s->options_text ? s->options_text : "");
    msg_put_u32(&out, s->options.flags);
    msg_put_str(&out, s->options.command ? s->options.command : "");
    msg_put_u32(&out, code_state(s));
    msg_put_u32(&out, (uint32_t)s->nseen);
    for (size_t i = 0; i < s->nseen; i++) {
        msg_put_str(&out, s->seen[i].server);
        msg_put_u32(&out, s->seen[i].rights);
        msg_put_str(&out, s->seen[i].owner);
    }
    link_send(s->link, &out);
}

const char *whoami(struct session *s, struct msg *m)
{
    if (!msg_end(m))
        return "malformed question";
    if (session_current(s))
        whoami_tell(s, m->id);
    return NULL;
}

const char *log_told(struct session *s, struct msg *m)
{
    uint32_t level = msg_get_u32(m);
    FREE_MEM char *event = msg_get_text(m, EVENT_MOST);
    FREE_MEM char *text = msg_get_text(m, LINE_MOST);
    if (!msg_end(m) || level > LOG_DEBUG)
        return "malformed log line";
    if (!bucket_take(&s->lines, 1, now_ms())) {
        s->lines_dropped++;
        return NULL;
    }
    if (s->lines_dropped)
        log_warn("session.lines", "session=%llu account=%s dropped=%u", (unsigned long long)s->id, s->phase == PHASE_IN ? s->account : "",
                 s->lines_dropped);
    s->lines_dropped = 0;
    /* Behind keys of ours: no session can write a line that looks like an event of the store.  Escaped here and nowhere else: whoever
       takes a session over decides what it sends. */
    log_line((enum log_level)level, "session", "session=%llu account=%s event=%s text=\"%s\"", (unsigned long long)s->id,
             s->phase == PHASE_IN ? s->account : "", esc(event), esc_text(text));
    return NULL;
}

static void tell_rights(struct session *s, const char *server, uint32_t rights)
{
    struct msg m;
    char words[256];
    log_info("session.rights", "session=%llu account=%s server=%s rights=\"%s\"", (unsigned long long)s->id, s->account, server,
             rights_text(rights, words, sizeof words));
    msg_begin(&m, STORE_RIGHTS, 0);
    msg_put_str(&m, server);
    msg_put_u32(&m, rights);
    link_send(s->link, &m);
}

/* Both lists are sorted by name: one walk over the two. */
static void tell_changes(struct session *s, const struct visible *old, size_t nold)
{
    size_t i = 0, j = 0;
    while (i < nold || j < s->nseen) {
        int order = i == nold ? 1 : j == s->nseen ? -1 : strcmp(old[i].server, s->seen[j].server);
        if (order < 0) {
            actor_saw(s, old[i].server);
            tell_rights(s, old[i].server, 0);
        } else if (order > 0 || old[i].rights != s->seen[j].rights)
            tell_rights(s, s->seen[j].server, s->seen[j].rights);
        i += order <= 0;
        j += order >= 0;
    }
}

static const char *password_gone(struct session *s, struct err *e)
{
    uint8_t mark[KEY_HASH];
    int r = login_mark(s->store, s->account, mark, e);
    if (r < 0)
        return "the store cannot check it";
    return r == 1 && memcmp(mark, s->hash, sizeof mark) == 0 ? NULL : "the password was changed";
}

const char *session_unwelcome(struct session *s, uint64_t *generation, struct err *e)
{
    struct account a;
    int r = account_find(s->store->db, s->account, &a, e);
    *generation = a.generation;
    if (r <= 0)
        return r < 0 ? "the store cannot check it" : "the account was removed";
    if (a.suspended)
        return "the account is suspended";
    if (strcmp(s->method, "password") == 0)
        return a.password ? password_gone(s, e) : "the account may not use a password any more";
    if (s->certified)
        return certified_ended(s) ? "the certificate is not valid any more" : NULL;
    if (trust_revoked(s->store->trust, s->fingerprint))
        return "the key was revoked";
    FREE_MEM char *options = NULL;
    r = account_key(s->store->db, s->account, s->hash, &options, e);
    return r == 1 ? session_key_unwelcome(s, options) : r == 0 ? "the key was removed" : "the store cannot check it";
}

static void new_generation(struct session *s, uint64_t generation)
{
    struct msg m;
    if (s->generation == generation)
        return;
    s->generation = generation;
    msg_begin(&m, STORE_GENERATION, 0);
    msg_put_u64(&m, s->id);
    msg_put_u64(&m, generation);
    link_send(s->store->super, &m);
    log_info("session.checked", "session=%llu account=%s generation=%llu", (unsigned long long)s->id, s->account,
             (unsigned long long)generation);
}

/* False: it was closed. */
static bool recheck(struct session *s)
{
    struct err e = { 0 };
    uint64_t generation;
    const char *why = session_unwelcome(s, &generation, &e);
    if (why == NULL)
        why = code_unwelcome(s, &e);
    struct visible *old = s->seen;
    size_t nold = s->nseen;
    s->seen = NULL;
    if (why == NULL && s->phase == PHASE_IN && session_look(s, &e) < 0)
        why = "the store cannot check its rights";
    if (why) {
        /* Its last words are about what it could see. */
        free(s->seen);
        s->seen = old;
        s->nseen = nold;
        old = NULL;
        session_kick(s, "%s", why);
    } else {
        new_generation(s, generation);
        if (s->phase == PHASE_IN)
            tell_changes(s, old, nold);
    }
    free(old);
    return why == NULL;
}

bool session_current(struct session *s)
{
    struct account a;
    struct err e = { 0 };
    return (account_find(s->store->db, s->account, &a, &e) == 1 && a.generation == s->generation) || recheck(s);
}

unsigned sessions_recheck(struct store *store, const char *account)
{
    unsigned closed = 0;
    for (struct session *s = store->sessions, *next; s; s = next) {
        next = s->next;
        /* A password still with the helper is judged by the new configuration when it comes back. */
        if ((s->phase == PHASE_IN || s->asked_supervisor) && (account == NULL || strcmp(s->account, account) == 0))
            closed += !recheck(s);
    }
    return closed;
}
