#include "sshd/supervisor/store.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/die.h"
#include "base/io.h"
#include "base/mem.h"
#include "sshd/supervisor/backup.h"
#include "sshd/supervisor/child.h"
#include "sshd/supervisor/conn.h"
#include "sshd/supervisor/folder.h"
#include "sshd/supervisor/listen.h"
#include "sshd/supervisor/news.h"
#include "sshd/supervisor/order.h"
#include "sshd/supervisor/reload.h"
#include "sshd/supervisor/secret.h"
#include "sshd/supervisor/server.h"
#include "sshd/supervisor/source_keep.h"
#include "sshd/supervisor/store_conf.h"
#include "sshd/supervisor/store_files.h"
#include "sshd/supervisor/wish.h"

enum { SERVERS_TEXT = 4096, AGAIN_MS = 5000 };

struct passwd_wait {
    struct passwd_wait *next;
    uint32_t cookie;
    passwd_fn *fn;
    void *data;
};

/* An order under way, under a number of ours: the store that gave it may be dead when its result comes, and the next one counts anew. */
struct given {
    struct given *next;
    uint32_t ours, theirs;
};

struct store {
    pid_t pid;
    struct link *link;
    bool ready;             /* has the configuration */
    bool starting;          /* until the first was answered */
    unsigned deaths;
    uint64_t started;       /* ms */
    push_fn *pushed;
    const struct conf *pushing;   /* that is being sent, or NULL */
    size_t accounts, servers;     /* of it that were sent */
    struct passwd_wait *passwds;
    uint32_t cookies;
    rotate_fn *rotated;     /* NULL: no rotation is under way */
    void *rotated_data;
    struct given *given;
    uint32_t orders;
};

static void launch(void *data);

static struct given *given_take(struct store *st, uint32_t ours)
{
    for (struct given **at = &st->given; *at; at = &(*at)->next)
        if ((*at)->ours == ours) {
            struct given *g = *at;
            *at = g->next;
            return g;
        }
    return NULL;
}

static void lost(struct super *s)
{
    struct store *st = s->store;
    while (st->given)
        free(given_take(st, st->given->ours));
    st->ready = false;
    st->starting = true;
    source_keeper_lost(s);
    wish_keeper_lost(s);
    listen_accept(s, false);
    link_free(st->link);
    st->link = NULL;
    while (st->passwds) {
        struct passwd_wait *w = st->passwds;
        st->passwds = w->next;
        w->fn(w->data, "the store died");
        free(w);
    }
    st->pushing = NULL;
    if (st->pushed) {
        push_fn *fn = st->pushed;
        st->pushed = NULL;
        fn(s, "the store died", "");
    }
}

static void on_gone(void *data, struct link *l)
{
    (void)l;
    struct super *s = data;
    lost(s);
    if (s->store->pid > 0)
        kill(s->store->pid, SIGKILL);
}

static void on_end(void *data, pid_t pid, int status)
{
    (void)pid;
    struct super *s = data;
    struct store *st = s->store;
    st->pid = 0;
    if (st->link)
        lost(s);
    if (s->leaving && s->begun)
        return;
    /* Its sessions wait: we hold their links until there is a new one.  The back-off keeps a store that cannot start from eating the machine. */
    if (now_ms() - st->started > 60000)
        st->deaths = 0;
    uint64_t ms = st->deaths < 7 ? 250u << st->deaths : 30000;
    st->deaths++;
    log_error("store.died", "end=\"%s\" restart_ms=%llu", status_text(status), (unsigned long long)ms);
    loop_timer(s->loop, ms, launch, s);
}

static void begin(struct super *s)
{
    conn_hand_over(s);
    news_store_ready(s);
    servers_begin(s);
    listen_accept(s, true);
    log_info("ready", "accounts=%zu servers=%zu", s->conf.naccounts, s->conf.nservers);
    super_ready(s);
    reload_waited(s);
}

static void pushed_at_start(struct super *s, const char *error, const char *summary)
{
    (void)summary;
    s->store->starting = s->store->link == NULL;
    if (error[0]) {
        log_error("store.conf", "error=\"%s\"", error);
        reload_waited(s);
        return;
    }
    wish_load(s, begin);
}

static enum store_sealed get_sealed(struct msg *m)
{
    uint32_t sealed = msg_get_u32(m);
    if (sealed > SEALED_SECOND)
        die("the store broke a rule: sealed with key %u", sealed);
    return (enum store_sealed)sealed;
}

static void tell_rotated(struct super *s, const char *error, uint64_t texts, uint64_t broken)
{
    rotate_fn *fn = s->store->rotated;
    s->store->rotated = NULL;
    if (fn)
        fn(s->store->rotated_data, error, texts, broken);
}

static void take_rotated(struct super *s, struct msg *m)
{
    FREE_MEM char *error = msg_get_str(m);
    enum store_sealed sealed = get_sealed(m);
    uint64_t texts = msg_get_u64(m), broken = msg_get_u64(m);
    char text[400];
    struct err e;
    msg_end(m);
    /* UNKNOWN: both keys stay until the next start of the store. */
    if (sealed != SEALED_UNKNOWN && secret_settle(s, sealed, &e) < 0) {
        log_error("secret.rotate", "%s", err_text(&e, text, sizeof text));
        tell_rotated(s, text, texts, broken);
    } else
        tell_rotated(s, error, texts, broken);
}

static void push_first(struct super *s)
{
    store_push(s, &s->conf, pushed_at_start);
}

static void take_ready(struct super *s, struct msg *m)
{
    FREE_MEM char *error = msg_get_str(m);
    enum store_sealed sealed = get_sealed(m);
    struct err e;
    msg_end(m);
    if (error[0] == '\0' && secret_settle(s, sealed, &e) < 0)
        die_err(&e);
    /* One that the store died of: this one knows how far it came. */
    tell_rotated(s, error[0] ? "the store died, and cannot start: see the log; its next start ends the rotation or takes it back" :
                 sealed == SEALED_SECOND ? "" : "the store died; nothing was changed", 0, 0);
    if (error[0])
        log_error("store.start", "error=\"%s\"", error);
    else
        source_load(s, push_first);
}

static void take_conf_done(struct super *s, struct msg *m)
{
    FREE_MEM char *error = msg_get_str(m);
    FREE_MEM char *summary = msg_get_str(m);
    uint32_t n = msg_get_u32(m);
    for (uint32_t i = 0; i < n; i++) {
        FREE_MEM char *name = msg_get_text(m, NAME_MOST);
        server_number(s, name, msg_get_u32(m));
    }
    msg_end(m);
    push_fn *fn = s->store->pushed;
    s->store->pushed = NULL;
    if (error[0] == '\0')
        s->store->ready = true;
    if (fn)
        fn(s, error, summary);
    wish_learn(s);
}

static void take_logged_in(struct super *s, struct msg *m)
{
    uint64_t id = msg_get_u64(m);
    FREE_MEM char *account = msg_get_text(m, NAME_MOST);
    size_t size;
    const uint8_t *login = msg_get_bytes(m, &size);
    uint32_t rights = msg_get_u32(m);
    FREE_MEM char *servers = msg_get_text(m, SERVERS_TEXT);
    uint64_t generation = msg_get_u64(m);
    msg_end(m);
    if (size > LOGIN_MOST)
        die("the store broke a rule: %zu bytes of login", size);
    struct session *c = conn_find(s, id);
    const char *why = c ? conn_logged_in(s, c, account, login, size, rights, servers) : "the session has gone";
    if (why == NULL)
        c->generation = generation;
    else
        log_info("login.refused", "session=%llu account=%s why=\"%s\"", (unsigned long long)id, account, why);
    struct msg out;
    msg_begin(&out, STORE_LOGIN_ANSWER, 0);
    msg_put_u64(&out, id);
    msg_put_u32(&out, why == NULL);
    msg_put_str(&out, why);
    link_send(s->store->link, &out);
}

static void take_login_changed(struct super *s, struct msg *m)
{
    struct session *c = conn_find(s, msg_get_u64(m));
    size_t size;
    const uint8_t *login = msg_get_bytes(m, &size);
    msg_end(m);
    if (size > LOGIN_MOST)
        die("the store broke a rule: %zu bytes of login", size);
    if (c && c->account[0])
        conn_login_changed(c, login, size);
}

static void take_partial(struct super *s, struct msg *m)
{
    struct session *c = conn_find(s, msg_get_u64(m));
    msg_end(m);
    if (c)
        conn_partial(s, c);
}

static void take_auth_failed(struct super *s, struct msg *m)
{
    struct session *c = conn_find(s, msg_get_u64(m));
    uint32_t kind = msg_get_u32(m);
    msg_end(m);
    if (kind >= AUTH_FAILURES)
        die("the store broke a rule: auth failure %u", kind);
    if (c)
        conn_auth_failed(s, c, (enum auth_failure)kind);
}

static void take_kick(struct super *s, struct msg *m)
{
    uint64_t id = msg_get_u64(m);
    FREE_MEM char *why = msg_get_str(m);
    msg_end(m);
    struct session *c = conn_find(s, id);
    /* It may have ended by itself, as it was told as well; what it began must not outlive it. */
    backups_end(id, why);
    if (c == NULL)
        return;
    log_info("session.kick", "session=%llu account=%s why=\"%s\"", (unsigned long long)id, c->account, esc_text(why));
    conn_kill(s, c, false);
}

static void take_generation(struct super *s, struct msg *m)
{
    struct session *c = conn_find(s, msg_get_u64(m));
    uint64_t generation = msg_get_u64(m);
    msg_end(m);
    if (c && c->account[0])
        c->generation = generation;
}

static void take_passwd_done(struct super *s, struct msg *m)
{
    uint32_t cookie = msg_get_u32(m);
    FREE_MEM char *error = msg_get_str(m);
    msg_end(m);
    for (struct passwd_wait **at = &s->store->passwds; *at; at = &(*at)->next) {
        struct passwd_wait *w = *at;
        if (w->cookie != cookie)
            continue;
        *at = w->next;
        w->fn(w->data, error);
        free(w);
        return;
    }
}

static void take_order(struct super *s, struct msg *m)
{
    struct store *st = s->store;
    struct given *g = mem_new(sizeof *g);
    *g = (struct given){ .next = st->given, .ours = ++st->orders, .theirs = m->id };
    st->given = g;
    m->id = g->ours;
    order_take(s, m);
}

static const struct {
    uint16_t type;
    void (*take)(struct super *s, struct msg *m);
} table[] = {
    { STORE_READY, take_ready },
    { STORE_CONF_DONE, take_conf_done },
    { STORE_LOGGED_IN, take_logged_in },
    { STORE_LOGIN_CHANGED, take_login_changed },
    { STORE_PARTIAL, take_partial },
    { STORE_AUTH_FAILED, take_auth_failed },
    { STORE_KICK, take_kick },
    { STORE_GENERATION, take_generation },
    { STORE_ORDER, take_order },
    { STORE_PASSWD_DONE, take_passwd_done },
    { STORE_ROTATED, take_rotated },
    { STORE_SOURCES_PAGE, source_take_rows },
    { STORE_SOURCES_SAVED, source_take_saved },
    { STORE_WISH_PAGE, wish_take_rows },
    { STORE_WISH_SAVED, wish_take_saved },
};

static void on_msg(void *data, struct link *l, struct msg *m)
{
    (void)l;
    for (size_t i = 0; i < countof(table); i++)
        if (table[i].type == m->type) {
            table[i].take(data, m);
            return;
        }
    die("the store broke a rule: message %u", m->type);
}

/* As much as the store takes now; the rest when it has read.  A hundred thousand accounts at once would be more than a link holds. */
static void push_more(void *data, struct link *l)
{
    struct super *s = data;
    struct store *st = s->store;
    const struct conf *c = st->pushing;
    while (c && link_waiting(l) == 0) {
        if (st->accounts < c->naccounts)
            store_conf_account(l, &c->accounts[st->accounts++]);
        else if (st->servers < c->nservers)
            store_conf_server(l, &c->servers[st->servers++]);
        else {
            struct msg m;
            msg_begin(&m, STORE_CONF_END, 0);
            st->pushing = c = NULL;
            link_send(l, &m);
        }
    }
}

static const struct link_events events = { .msg = on_msg, .gone = on_gone, .room = push_more, .queue = 4096 };

static int try_launch(struct super *s, struct err *e)
{
    int pair[2];
    FREE_MEM char *folder = mem_fmt("%s/store", s->conf.paths.state);
    if (folder_make(folder, s->conf.ids.store, 0700, e) < 0 || store_files_mend(folder, s->conf.ids.store, e) < 0)
        return -1;
    if (io_pair(pair) < 0)
        return err_set(e, errno, "socketpair", "%s", "");
    CLOSE_FD int ours = pair[0], theirs = pair[1];
    s->store->pid = child_start(s, ROLE_STORE, s->conf.ids.store, theirs, on_end, s, e);
    if (s->store->pid < 0)
        return -1;
    s->store->started = now_ms();
    s->store->link = link_new(s->loop, fd_steal(&ours), &events, s);
    struct msg m;
    msg_begin(&m, START_STORE, 0);
    msg_put_str(&m, folder);
    msg_put_u32(&m, (uint32_t)s->conf.log.level);
    msg_put_u32(&m, STORE_SCHEMA);
    msg_put_u32(&m, s->secret_fresh);
    msg_put_fd(&m, s->secret);
    if (s->secret_next >= 0)
        msg_put_fd(&m, s->secret_next);
    link_send(s->store->link, &m);
    return 0;
}

static void launch(void *data)
{
    struct super *s = data;
    struct err e;
    char text[400];
    if (try_launch(s, &e) == 0)
        return;
    if (!s->begun)
        die_err(&e);
    /* Servers and their sessions go on meanwhile; an admin may put it right. */
    s->store->pid = 0;
    log_error("store.start", "error=\"%s\" restart_ms=%d", esc_text(err_text(&e, text, sizeof text)), AGAIN_MS);
    loop_timer(s->loop, AGAIN_MS, launch, s);
}

void store_start(struct super *s)
{
    s->store = mem_new(sizeof *s->store);
    s->store->starting = true;
    launch(s);
}

bool store_ready(const struct super *s)
{
    return s->store && s->store->ready && s->store->link;
}

bool store_starting(const struct super *s)
{
    return s->store == NULL || s->store->starting;
}

void store_push(struct super *s, const struct conf *conf, push_fn *fn)
{
    struct store *st = s->store;
    if (st->link == NULL || st->pushed) {
        fn(s, st->link ? "another reload is under way" : "the store is not running", "");
        return;
    }
    st->pushed = fn;
    store_conf_begin(st->link, conf);
    st->pushing = conf;
    st->accounts = st->servers = 0;
    push_more(s, st->link);
}

void store_session_new(struct super *s, const struct session *c)
{
    struct msg m;
    char address[sizeof c->address];
    unsigned port = 0;
    if (sscanf(c->address, "%63s port %u", address, &port) != 2)
        bug("address of a session: %s", c->address);
    msg_begin(&m, STORE_SESSION_NEW, 0);
    msg_put_u64(&m, c->id);
    msg_put_str(&m, address);
    msg_put_u32(&m, port);
    msg_put_str(&m, c->account);
    msg_put_bytes(&m, c->login, c->nlogin);
    msg_put_fd(&m, c->link);
    link_send(s->store->link, &m);
}

void store_session_gone(struct super *s, uint64_t id, bool crashed)
{
    if (s->store->link == NULL)
        return;
    struct msg m;
    msg_begin(&m, STORE_SESSION_GONE, 0);
    msg_put_u64(&m, id);
    msg_put_u32(&m, crashed);
    link_send(s->store->link, &m);
}

/* Begins M, to be answered by STORE_PASSWD_DONE; false: FN was told that it cannot be. */
static bool ask(struct super *s, struct msg *m, uint16_t type, const char *account, passwd_fn *fn, void *data)
{
    struct store *st = s->store;
    if (!store_ready(s)) {
        fn(data, "the store is not running");
        return false;
    }
    struct passwd_wait *w = mem_new(sizeof *w);
    *w = (struct passwd_wait){ .next = st->passwds, .cookie = ++st->cookies, .fn = fn, .data = data };
    st->passwds = w;
    msg_begin(m, type, 0);
    msg_put_u32(m, w->cookie);
    msg_put_str(m, account);
    return true;
}

void store_passwd(struct super *s, const char *account, const void *password, size_t size, passwd_fn *fn, void *data)
{
    struct msg m;
    if (!ask(s, &m, STORE_PASSWD, account, fn, data))
        return;
    msg_put_bytes(&m, password, size);
    link_send(s->store->link, &m);
}

void store_totp_reset(struct super *s, const char *account, passwd_fn *fn, void *data)
{
    struct msg m;
    if (ask(s, &m, STORE_TOTP_RESET, account, fn, data))
        link_send(s->store->link, &m);
}

void store_rotate(struct super *s, bool force, rotate_fn *fn, void *data)
{
    struct store *st = s->store;
    struct err e;
    char text[400];
    if (!store_ready(s) || st->rotated) {
        fn(data, st && st->rotated ? "a rotation is under way already" : "the store is not running", 0, 0);
        return;
    }
    if (secret_make_next(s, &e) < 0) {
        fn(data, err_text(&e, text, sizeof text), 0, 0);
        return;
    }
    st->rotated = fn;
    st->rotated_data = data;
    struct msg m;
    msg_begin(&m, STORE_ROTATE, 0);
    msg_put_u32(&m, force);
    msg_put_fd(&m, s->secret_next);
    link_send(st->link, &m);
}

void store_send(struct super *s, struct msg *m)
{
    if (s->store->link)
        link_send(s->store->link, m);
    else
        msg_free(m);
}

void store_listen(struct super *s)
{
    if (s->store->link)
        link_wake(s->store->link);
}

bool store_wait(struct super *s, uint16_t type, uint64_t ms)
{
    uint64_t until = now_ms() + ms, now;
    while (s->store->link && link_waiting(s->store->link) == 0 && (now = now_ms()) < until) {
        struct pollfd p = { .fd = link_fd(s->store->link), .events = POLLIN };
        MSG_FREE struct msg m = { .type = 0 };
        if (poll(&p, 1, (int)(until - now)) <= 0 || msg_recv(p.fd, &m) <= 0)
            return false;
        if (m.type == type)
            return true;
    }
    return false;
}

void result_begin(struct msg *m, uint32_t id, int code, const char *text)
{
    msg_begin(m, STORE_RESULT, id);
    msg_put_u32(m, (uint32_t)code);
    msg_put_str(m, text);
}

void result_send(struct super *s, struct msg *m)
{
    FREE_MEM struct given *g = given_take(s->store, m->id);
    if (g) {
        m->id = g->theirs;
        link_send(s->store->link, m);
        return;
    }
    log_debug("order.orphan", "order=%u", m->id);
    msg_free(m);
}

void result(struct super *s, uint32_t id, int code, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    struct msg m;
    result_begin(&m, id, code, text);
    result_send(s, &m);
}
