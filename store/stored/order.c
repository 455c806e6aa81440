#include "store/stored/order.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/die.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rights.h"
#include "store/stored/actor.h"
#include "store/stored/code.h"
#include "store/stored/doing.h"
#include "store/stored/rates.h"

enum { ORDERS_MOST = 32 };

/* Handed to the supervisor and not yet answered. */
struct order {
    struct order *next;
    uint32_t id, op;             /* ours */
    uint64_t session;
    uint32_t asked;              /* the session's id of it */
    uint32_t rights;             /* of those that count for it, the ones it was given for */
    char backup[BACKUP_ID];
    uint64_t number;
    /* For the record: the session may be gone when it is done. */
    char account[NAME_MOST + 1], server[NAME_MOST + 1], address[64], text[BACKUP_ID];
};

static wish_fn every_server, files, console, rsync, prompt;

/* `all` must all be there, of `any` one at least; `also` count in what is asked for more. */
static const struct rule {
    const char *word;
    uint32_t all, any, also;
    bool none;                   /* server "" is allowed */
    bool enrolling;              /* for a session that must set up its second factor, too */
    bool secret;                 /* the text is one: bytes, wiped */
    uint32_t text_most;          /* bytes; 0: TEXT_MOST */
    bool costs;                  /* has a rate: */
    enum rate_verb rate;
    enum activity_action action;        /* as which it is recorded, if it is */
    wish_fn *fn;
} rules[OP_COUNT] = {
    [OP_STATUS] =        { .word = "see its state", .all = RIGHT_STATUS, .none = true, .fn = every_server },
    [OP_START] =         { .word = "start it", .all = RIGHT_START, .action = ACTIVITY_START },
    [OP_STOP] =          { .word = "stop it", .all = RIGHT_STOP, .action = ACTIVITY_STOP },
    [OP_RESTART] =       { .word = "restart it", .all = RIGHT_START | RIGHT_STOP, .action = ACTIVITY_RESTART },
    [OP_KILL] =          { .word = "kill it", .all = RIGHT_KILL, .action = ACTIVITY_KILL },
    [OP_FILES] =         { .word = "use its files", .any = RIGHT_FILES, .fn = files },
    [OP_CONSOLE] =       { .word = "watch its console", .any = RIGHT_CONSOLE | RIGHT_LOGS, .also = RIGHT_SEND, .fn = console, .action = ACTIVITY_CONSOLE },
    [OP_LOGS] =          { .word = "read its logs", .all = RIGHT_LOGS },
    [OP_QUOTA] =         { .word = "see its quota", .all = RIGHT_STATUS },
    [OP_BACKUP_CREATE] = { .word = "back it up", .all = RIGHT_BACKUP_CREATE, .fn = backup_create, .action = ACTIVITY_BACKUP_CREATE, .costs = true,
                         .rate = RATE_BACKUP_CREATE },
    [OP_BACKUP_LIST] =   { .word = "list its backups", .all = RIGHT_BACKUP_READ, .none = true, .fn = backup_list },
    [OP_KEYS_GET] =      { .word = "have its keys", .none = true, .fn = keys_get },
    [OP_KEYS_SET] =      { .word = "have its keys", .none = true, .text_most = KEYS_FILE_MOST, .fn = keys_set },
    [OP_KEYS_LIST] =     { .word = "have its keys", .none = true, .fn = keys_list },
    [OP_KEYS_ADD] =      { .word = "have its keys", .none = true, .text_most = KEYS_FILE_MOST, .fn = keys_add },
    [OP_KEYS_RM] =       { .word = "have its keys", .none = true, .fn = keys_rm },
    [OP_RSYNC] =         { .word = "read its files", .all = RIGHT_FILES_READ, .also = RIGHT_FILES, .fn = rsync, .action = ACTIVITY_RSYNC, .costs = true,
                           .rate = RATE_RSYNC },
    [OP_BACKUP_GET] =    { .word = "fetch its backups", .all = RIGHT_BACKUP_READ, .fn = backup_get, .action = ACTIVITY_BACKUP_GET, .costs = true,
                           .rate = RATE_BACKUP_GET },
    [OP_PASSWD] =        { .word = "change it", .none = true, .secret = true, .fn = passwd_change },
    [OP_TOTP_ENROLL] =   { .word = "change it", .none = true, .secret = true, .text_most = CODE_MOST, .enrolling = true, .fn = totp_enroll },
    [OP_TOTP_VERIFY] =   { .word = "change it", .none = true, .secret = true, .text_most = CODE_MOST, .enrolling = true, .fn = totp_verify },
    [OP_TOTP_CODES] =    { .word = "change it", .none = true, .secret = true, .text_most = CODE_MOST, .fn = totp_codes },
    [OP_TOTP_REMOVE] =   { .word = "change it", .none = true, .secret = true, .text_most = CODE_MOST, .fn = totp_remove },
    [OP_ACTIVITY] =      { .word = "see who did what", .all = RIGHT_ACTIVITY, .none = true, .fn = activity_list },
    [OP_EVENTS] =        { .word = "see its state", .all = RIGHT_STATUS, .none = true, .fn = events_list },
    [OP_PROMPT] =        { .word = "have a prompt", .none = true, .fn = prompt },
    [OP_SHELL] =         { .word = "open a shell in it", .all = RIGHT_SHELL, .text_most = SHELL_WORDS, .action = ACTIVITY_SHELL },
    [OP_LIMITS] =        { .word = "have its limits", .none = true, .fn = limits },
    [OP_SESSIONS] =      { .word = "watch its console", .all = RIGHT_CONSOLE, .none = true, .fn = doing_list },
};

void wish_refuse(struct wish *w, int code, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    struct msg m;
    msg_begin(&m, STORE_DO_RESULT, w->id);
    msg_put_u32(&m, (uint32_t)code);
    msg_put_str(&m, text);
    link_send(w->session->link, &m);
}

void wish_failed(struct wish *w, const struct err *e)
{
    char text[400];
    log_error("store.database", "session=%llu account=%s op=%u %s", (unsigned long long)w->session->id, w->session->account, w->op,
              err_text(e, text, sizeof text));
    wish_refuse(w, CODE_FAILED, "the store's database failed%s", e->no ? ": no space left" : "");
}

static bool every_server(struct wish *w)
{
    struct session *s = w->session;
    struct err e = { 0 };
    if (w->server[0])
        return true;
    if (session_look(s, &e) < 0) {
        wish_failed(w, &e);
        return false;
    }
    struct buf names = BUF(MSG_MOST / 2);
    for (size_t i = 0; i < s->nseen; i++)
        if (s->seen[i].rights & RIGHT_STATUS)
            buf_put_fmt(&names, "%s%s", buf_size(&names) ? " " : "", s->seen[i].server);
    w->order_text = mem_strn(buf_size(&names) ? (const void *)buf_head(&names) : "", buf_size(&names));
    buf_free(&names);
    return true;
}

/* The worker is told exactly what it may do, and may do no more than is wanted: what it may, it must not outlive. */
static bool files(struct wish *w)
{
    uint32_t asked = w->number ? (uint32_t)w->number : RIGHT_FILES;
    w->number = w->rights & RIGHT_FILES & asked;
    if (w->number)
        return true;
    /* Where either would do, the one that people know. */
    char words[128];
    if (asked & RIGHT_FILES_CREATE)
        asked |= RIGHT_FILES_WRITE;
    wish_refuse(w, CODE_NOT_PERMITTED, "%s: your account does not have %s", w->server, rights_text(asked, words, sizeof words));
    return false;
}

static bool console(struct wish *w)
{
    bool write = strcmp(w->text, "rw") == 0;
    if (!write && strcmp(w->text, "ro") != 0)
        wish_refuse(w, CODE_USAGE, "console: '%s'; allowed: rw, ro", esc(w->text));
    else if (write && (w->rights & (RIGHT_CONSOLE | RIGHT_SEND)) != (RIGHT_CONSOLE | RIGHT_SEND))
        wish_refuse(w, CODE_NOT_PERMITTED, "%s may watch %s's console but not type into it", w->session->account, w->server);
    else
        return true;
    return false;
}

/* What writes may remove and rename as well: there is no telling beforehand. */
static bool rsync(struct wish *w)
{
    if (w->number > 1)
        wish_refuse(w, CODE_USAGE, "rsync: number %llu; allowed: 0, 1", (unsigned long long)w->number);
    else if (w->number == 1 && (w->rights & RIGHT_FILES) != RIGHT_FILES)
        wish_refuse(w, CODE_NOT_PERMITTED, "%s: %s may not write with rsync; it needs files.read, files.write and files.delete", w->server,
                    w->session->account);
    else
        return true;
    return false;
}

/* It is an account's, not a server's. */
static bool prompt(struct wish *w)
{
    if (w->server[0] == '\0')
        return true;
    wish_refuse(w, CODE_USAGE, "a prompt is of no server, '%s' was named", w->server);
    return false;
}

static bool permitted(struct wish *w)
{
    const struct rule *r = &rules[w->op];
    struct err e = { 0 };
    if (w->session->enrolling && !r->enrolling) {
        wish_refuse(w, CODE_NOT_PERMITTED, "%s", code_enrol);
        return false;
    }
    if (w->server[0] == '\0' && r->none)
        return true;
    int seen = name_ok(w->server) ? session_rights(w->session, w->server, &w->rights, &e) : 0;
    if (seen < 0)
        wish_failed(w, &e);
    /* The same words whether there is no such server or it is somebody else's. */
    else if (seen == 0)
        wish_refuse(w, CODE_NOT_PERMITTED, "there is no server '%s' that %s may see", escn(w->server, strnlen(w->server, 64)),
                    w->session->account);
    else if ((w->rights & r->all) != r->all || (r->any && !(w->rights & r->any)))
        wish_refuse(w, CODE_NOT_PERMITTED, "%s: %s may not %s", w->server, w->session->account, r->word);
    else
        return true;
    return false;
}

static struct order *order_find(struct store *store, uint32_t id)
{
    for (struct order *o = store->orders; o; o = o->next)
        if (o->id == id)
            return o;
    return NULL;
}

static void forward(struct wish *w)
{
    struct session *s = w->session;
    struct store *store = s->store;
    struct order *o = mem_new(sizeof *o);
    do
        o->id = ++store->last_order;
    while (o->id == 0 || order_find(store, o->id));
    o->op = w->op;
    o->number = w->number;
    o->session = s->id;
    o->asked = w->id;
    o->rights = w->op == OP_FILES ? (uint32_t)w->number : w->rights & (rules[w->op].all | rules[w->op].any | rules[w->op].also);
    memcpy(o->backup, w->backup, sizeof o->backup);
    snprintf(o->account, sizeof o->account, "%s", s->account);
    snprintf(o->server, sizeof o->server, "%s", w->server);
    snprintf(o->address, sizeof o->address, "%s", s->address);
    snprintf(o->text, sizeof o->text, "%s", w->text);
    o->next = store->orders;
    store->orders = o;
    s->orders++;
    struct msg m;
    msg_begin(&m, STORE_ORDER, o->id);
    msg_put_u64(&m, s->id);
    msg_put_str(&m, s->account);
    msg_put_u32(&m, w->op);
    msg_put_str(&m, w->server);
    msg_put_u64(&m, w->number);
    msg_put_str(&m, w->order_text ? w->order_text : w->text);
    msg_put_u64(&m, s->generation);
    link_send(store->super, &m);
}

/* What it costs is taken before it is looked at further: that already writes. */
static bool affordable(struct wish *w)
{
    const struct rule *r = &rules[w->op];
    return !r->costs || rates_take(w, r->rate, 1);
}

/* The text, or the secret instead of it; false: it is longer than it may be. */
static bool get_text(struct wish *w, struct msg *m, char **text)
{
    const struct rule *r = w->op < OP_COUNT ? &rules[w->op] : &rules[0];
    uint32_t most = r->text_most ? r->text_most : TEXT_MOST;
    w->text = *text = r->secret ? mem_str("") : msg_get_text(m, most);
    if (r->secret)
        w->secret = msg_get_bytes(m, &w->nsecret);
    return w->nsecret <= most;
}

static const char *take(struct session *s, struct msg *m)
{
    struct wish w = { .session = s, .id = m->id, .op = msg_get_u32(m) };
    FREE_MEM char *server = msg_get_text(m, TEXT_MOST);
    w.number = msg_get_u64(m);
    FREE_MEM char *text = NULL;
    if (!get_text(&w, m, &text) || !msg_end(m))
        return "malformed order";
    if (w.op >= OP_COUNT || rules[w.op].word == NULL)
        return "an operation that does not exist";
    if (!session_current(s))
        return NULL;
    w.server = server;
    if (s->orders >= ORDERS_MOST)
        wish_refuse(&w, CODE_LATER, "%d operations of this connection are under way, try later", ORDERS_MOST);
    else if (permitted(&w) && affordable(&w)) {
        if (rules[w.op].fn == NULL || rules[w.op].fn(&w))
            forward(&w);
        else if (rules[w.op].costs)
            rates_give_back(s->store, s->account, rules[w.op].rate);
    }
    free(w.order_text);
    return NULL;
}

const char *order_do(struct session *s, struct msg *m)
{
    const char *broken = take(s, m);
    msg_wipe(m);
    return broken;
}

/* Reads what a backup's result says; the message itself is relayed whole afterwards. */
static void settle(struct store *store, const struct order *o, struct msg *m)
{
    struct err e = { 0 };
    uint32_t code = msg_get_u32(m);
    uint64_t size = 0;
    free(msg_get_str(m));
    if (code == CODE_OK) {
        FREE_MEM char *id = msg_get_str(m);
        size = msg_get_u64(m);
        if (strcmp(id, o->backup) != 0)
            die("the result of backup %s is of another one", o->backup);
    }
    m->body.off = 0;
    if (backup_settle(store->db, o->backup, code == CODE_OK, size, &e) < 0) {
        char line[400];
        log_error("backup.unsettled", "id=%s %s", o->backup, err_text(&e, line, sizeof line));
    }
}

/* A power order whose wait ended in vain was carried out all the same: what was refused has no fields behind its text. */
static bool carried_out(struct msg *m)
{
    uint32_t code = msg_get_u32(m);
    free(msg_get_str(m));
    bool done = code == CODE_OK || buf_size(&m->body) > 0;
    m->body.off = 0;
    return done;
}

/* What was refused at once has cost nothing; what failed may have. */
static void refund(struct store *store, const struct order *o, struct msg *m)
{
    uint32_t code = msg_get_u32(m);
    m->body.off = 0;
    if (rules[o->op].costs && (code == CODE_STATE || code == CODE_LATER || code == CODE_NOT_PERMITTED))
        rates_give_back(store, o->account, rules[o->op].rate);
}

static void record(struct store *store, const struct order *o, struct msg *m)
{
    struct deed d = { .account = o->account, .address = o->address, .server = o->server, .action = rules[o->op].action, .path = "", .other = "" };
    if (d.action == ACTIVITY_NONE || !carried_out(m))
        return;
    if ((d.action == ACTIVITY_CONSOLE && strcmp(o->text, "rw") != 0) || (d.action == ACTIVITY_RSYNC && o->number == 0))
        d.flags = ACTIVITY_WATCHED;
    if (d.action == ACTIVITY_BACKUP_CREATE || d.action == ACTIVITY_BACKUP_GET) {
        d.path = d.action == ACTIVITY_BACKUP_GET ? o->text : o->backup;
        d.npath = strlen(d.path);
    }
    actor_order(store, &d);
}

/* What comes with a result outlives it: whoever lost a right while it was under way gets none of it. */
static bool still_permitted(struct store *store, const struct order *o)
{
    struct err e = { 0 };
    uint32_t now = 0;
    /* What is of no server is the session's as long as there is one. */
    if (o->server[0] == '\0')
        return true;
    return account_rights(store->db, o->account, o->server, &now, &e) == 1 && (o->rights & ~now) == 0;
}

static void relay(struct session *s, const struct order *o, struct msg *m)
{
    struct msg out;
    msg_begin(&out, STORE_DO_RESULT, o->asked);
    if (m->nfds > 0 && !still_permitted(s->store, o)) {
        msg_put_u32(&out, CODE_NOT_PERMITTED);
        msg_put_str(&out, "the right to do this was taken away");
        s->orders--;
        link_send(s->link, &out);
        return;
    }
    buf_put(&out.body, buf_head(&m->body), buf_size(&m->body));
    for (unsigned i = 0; i < m->nfds; i++)
        msg_put_fd(&out, m->fds[i]);
    if (o->op == OP_LIMITS && carried_out(m))
        rates_put(s->store, o->account, &out);
    s->orders--;
    link_send(s->link, &out);
}

/* Descriptors that nobody takes are closed with the message. */
void order_result(struct store *store, struct msg *m)
{
    struct order *o = order_find(store, m->id);
    if (o == NULL)
        die("a result for order %u, which was never given", m->id);
    struct order **at = &store->orders;
    while (*at != o)
        at = &(*at)->next;
    *at = o->next;
    if (o->backup[0])
        settle(store, o, m);
    record(store, o, m);
    refund(store, o, m);
    struct session *s = session_find(store, o->session);
    if (s)
        relay(s, o, m);
    free(o);
}
