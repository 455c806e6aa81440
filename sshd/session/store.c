/* The link to the store: questions with an id, their answers in any order, and notices.  A store that breaks the rules, or has gone, ends us:
   without it nobody may do anything. */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/die.h"
#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "sshd/session/conn.h"
#include "sshd/session/doing.h"

enum { WAIT_MS = 20000, LONG_MS = 3600000, NAME_SENT = 64, LOG_TEXT = 512, PASSWORD_MOST = 1024 };
enum { CODE_LATER = 75 };

struct ask {
    struct ask *next, **prev;
    struct session *s;
    uint32_t id;
    struct timer *timer;
    do_fn *fn;
    void *data;
};

static void ask_free(struct ask *a)
{
    *a->prev = a->next;
    if (a->next)
        a->next->prev = a->prev;
    free(a);
}

static void gone(struct session *s)
{
    conn_close(s, "the service is restarting, please try again");
    watch_free(s->link);
    s->link = NULL;
}

static bool wait_link(short events, uint64_t until)
{
    for (;;) {
        uint64_t now = now_ms();
        struct pollfd p = { .fd = LINK_FD, .events = events };
        int n = now < until ? poll(&p, 1, (int)(until - now)) : 0;
        if (n < 0 && errno == EINTR)
            continue;
        return n > 0;
    }
}

bool store_tell(struct session *s, struct msg *m)
{
    bool sent = s->link && msg_send(LINK_FD, m) == 0;
    if (!sent && s->link && errno != EAGAIN && errno != ENOBUFS)
        gone(s);
    msg_free(m);
    return sent;
}

/* The store reads at once, or is stuck, or is being started anew; a full queue is waited for, not long. */
static bool ask(struct session *s, struct msg *m)
{
    uint64_t until = now_ms() + WAIT_MS;
    bool sent = false;
    while (s->link && !sent) {
        if (msg_send(LINK_FD, m) == 0)
            sent = true;
        else if (errno != EAGAIN)
            gone(s);
        else if (!wait_link(POLLOUT, until))
            break;
    }
    if (m->type == STORE_PASSWORD_LOGIN || m->type == STORE_CODE_LOGIN || m->type == STORE_DO)
        buf_wipe(&m->body);
    msg_free(m);
    return sent;
}

static uint32_t next_id(struct session *s)
{
    if (++s->last_id == 0)
        s->last_id = 1;
    return s->last_id;
}

static void answered(struct session *s, struct msg *m)
{
    struct ask *a = s->asks;
    while (a && a->id != m->id)
        a = a->next;
    /* Nobody waits for it any more: cancelled, or too late. */
    if (a == NULL || m->type != STORE_DO_RESULT)
        return;
    do_fn *fn = a->fn;
    void *data = a->data;
    timer_free(a->timer);
    ask_free(a);
    int code = (int)msg_get_u32(m);
    FREE_MEM char *text = msg_get_str(m);
    fn(data, code, text, m);
    /* There may have been recovery codes in it. */
    msg_wipe(m);
}

static void notice(struct session *s, struct msg *m)
{
    if (m->type == STORE_CLOSE) {
        FREE_MEM char *why = msg_get_str(m);
        msg_end(m);
        conn_close(s, why);
        return;
    }
    FREE_MEM char *server = msg_get_str(m);
    uint32_t rights = msg_get_u32(m);
    msg_end(m);
    if (s->in && !rights_change(s, server, rights)) {
        /* A server we have not heard of: its owner stands in the whole list only. */
        struct msg q;
        msg_begin(&q, STORE_WHOAMI, next_id(s));
        ask(s, &q);
    }
}

static struct ask *asked_until(struct session *s, uint32_t last)
{
    for (struct ask *a = s->asks; a; a = a->next)
        if (a->id <= last)
            return a;
    return NULL;
}

/* Another store than the one that was asked: nothing of what is out will be answered. */
static void anew(struct session *s)
{
    uint32_t last = s->last_id;
    s->stores++;
    for (struct ask *a; (a = asked_until(s, last)) != NULL;) {
        MSG_FREE struct msg none;
        do_fn *fn = a->fn;
        void *data = a->data;
        timer_free(a->timer);
        ask_free(a);
        msg_begin(&none, 0, 0);
        fn(data, CODE_LATER, "the service was restarted, please try again", &none);
    }
}

static void whoami(struct session *s, struct msg *m)
{
    free(s->account);
    free(s->method);
    free(s->fingerprint);
    free(s->address);
    free(s->key_options);
    free(s->command);
    s->account = msg_get_str(m);
    s->method = msg_get_str(m);
    s->fingerprint = msg_get_str(m);
    s->address = msg_get_str(m);
    s->key_options = msg_get_str(m);
    s->key_flags = msg_get_u32(m);
    s->command = msg_get_str(m);
    s->factor = (enum second_factor)msg_get_u32(m);
    rights_read(s, m);
    msg_end(m);
}

static void dispatch(struct session *s, struct msg *m)
{
    switch (m->type) {
    case STORE_CLOSE:
    case STORE_RIGHTS:
        notice(s, m);
        break;
    case STORE_WHOAMI_ANSWER:
        whoami(s, m);
        break;
    case STORE_ANEW:
        msg_end(m);
        anew(s);
        doing_anew(s);
        break;
    case STORE_ANSWER:
    case STORE_DO_RESULT:
        answered(s, m);
        break;
    default:
        die("the store sent message %u", m->type);
    }
}

/* Handles what has come until the answer ID has (true, *ANSWER is it) or nothing is left.  ID 0: no answer is wanted. */
static bool receive(struct session *s, uint32_t id, struct msg *answer)
{
    while (s->link) {
        struct msg m;
        int n = msg_recv(LINK_FD, &m);
        if (n < 0 && errno == EAGAIN)
            return false;
        if (n <= 0) {
            gone(s);
            return false;
        }
        if (id != 0 && m.id == id && m.type != STORE_CLOSE && m.type != STORE_RIGHTS) {
            *answer = m;
            return true;
        }
        dispatch(s, &m);
        msg_free(&m);
    }
    return false;
}

static void readable(void *data, int fd, unsigned events)
{
    (void)fd;
    (void)events;
    receive(data, 0, NULL);
}

void store_open(struct session *s)
{
    if (io_nonblock(LINK_FD) < 0)
        die_errno("the store's link");
    s->link = loop_watch(s->loop, LINK_FD, LOOP_READ, readable, s);
}

/* Sends Q (with an id) and waits for its answer. */
static bool ask_and_wait(struct session *s, struct msg *q, struct msg *answer)
{
    uint32_t id = q->id;
    uint64_t until = now_ms() + WAIT_MS;
    uint32_t stores = s->stores;
    if (!ask(s, q))
        return false;
    while (!receive(s, id, answer))
        if (s->link == NULL || s->stores != stores || !wait_link(POLLIN, until))
            return false;
    return true;
}

static enum store_yes yes_or_no(struct session *s, struct msg *q, char **why)
{
    MSG_FREE struct msg a = { .type = 0 };
    *why = NULL;
    if (!ask_and_wait(s, q, &a)) {
        *why = mem_str("");
        return STORE_SILENT;
    }
    if (a.type != STORE_ANSWER)
        die("the store answered a login with message %u", a.type);
    uint32_t verdict = msg_get_u32(&a);
    *why = msg_get_text(&a, 1024);
    msg_end(&a);
    return verdict == VERDICT_YES ? STORE_YES : verdict == VERDICT_CODE ? STORE_CODE : verdict == VERDICT_NO_TRY ? STORE_NO_TRY : STORE_NO;
}

/* Accounts have short names; what is longer is no account, and its head is enough for the log. */
static void put_account(struct msg *m, const char *account)
{
    msg_put_bytes(m, account, strnlen(account, NAME_SENT));
}

enum store_yes store_key(struct session *s, bool login, const char *account, const void *blob, size_t size, const char *type,
                         uint32_t proof, char **why)
{
    struct msg q;
    msg_begin(&q, login ? STORE_KEY_LOGIN : STORE_KEY_OFFER, next_id(s));
    put_account(&q, account);
    msg_put_bytes(&q, blob, size);
    msg_put_str(&q, type);
    msg_put_u32(&q, proof);
    return yes_or_no(s, &q, why);
}

enum store_yes store_password(struct session *s, const char *account, const char *password, char **why)
{
    struct msg q;
    msg_begin(&q, STORE_PASSWORD_LOGIN, next_id(s));
    put_account(&q, account);
    size_t size = strlen(password);
    /* What no account can have is asked as well, so that it takes as long. */
    msg_put_bytes(&q, password, size <= PASSWORD_MOST ? size : 0);
    return yes_or_no(s, &q, why);
}

enum store_yes store_code(struct session *s, const char *account, const char *code, char **why)
{
    struct msg q;
    msg_begin(&q, STORE_CODE_LOGIN, next_id(s));
    put_account(&q, account);
    msg_put_bytes(&q, code, strlen(code));
    return yes_or_no(s, &q, why);
}

bool store_whoami(struct session *s)
{
    struct msg q;
    MSG_FREE struct msg a = { .type = 0 };
    msg_begin(&q, STORE_WHOAMI, next_id(s));
    if (!ask_and_wait(s, &q, &a))
        return false;
    if (a.type != STORE_WHOAMI_ANSWER)
        die("the store answered whoami with message %u", a.type);
    whoami(s, &a);
    return true;
}

static uint32_t put_do(struct session *s, struct msg *m, enum op op, const char *server, uint64_t number, const void *arg, size_t size)
{
    msg_begin(m, STORE_DO, next_id(s));
    msg_put_u32(m, op);
    msg_put_str(m, server);
    msg_put_u64(m, number);
    msg_put_bytes(m, arg, size);
    return m->id;
}

static void too_late(void *data)
{
    struct ask *a = data;
    do_fn *fn = a->fn;
    void *fn_data = a->data;
    ask_free(a);
    MSG_FREE struct msg none;
    msg_begin(&none, 0, 0);
    fn(fn_data, CODE_LATER, "no answer in time, please try again", &none);
}

/* What an operation may take, besides the waiting it was asked to do. */
static uint64_t deadline(enum op op, uint64_t number)
{
    switch (op) {
    case OP_START:
    case OP_STOP:
    case OP_RESTART:
    case OP_KILL:
        return WAIT_MS + (number < LONG_MS ? number : LONG_MS);
    case OP_BACKUP_CREATE:
        return LONG_MS;
    default:
        return WAIT_MS;
    }
}

uint32_t session_do_bytes(struct session *s, enum op op, const char *server, uint64_t number, const void *arg, size_t size, do_fn *fn, void *data)
{
    struct msg q;
    uint32_t id = put_do(s, &q, op, server, number, arg, size);
    struct ask *a = mem_new(sizeof *a);
    *a = (struct ask){ .next = s->asks, .prev = &s->asks, .s = s, .id = id, .fn = fn, .data = data };
    if (a->next)
        a->next->prev = &a->next;
    s->asks = a;
    /* A link that is gone answers by the timer, at once: the caller is never called from within. */
    bool sent = ask(s, &q);
    a->timer = loop_timer(s->loop, sent ? deadline(op, number) : 0, too_late, a);
    return id;
}

uint32_t session_do_later(struct session *s, enum op op, const char *server, uint64_t number, const char *arg, do_fn *fn, void *data)
{
    return session_do_bytes(s, op, server, number, arg, arg ? strlen(arg) : 0, fn, data);
}

void session_do_cancel(struct session *s, uint32_t id)
{
    for (struct ask *a = s->asks; a; a = a->next)
        if (a->id == id) {
            timer_free(a->timer);
            ask_free(a);
            return;
        }
}

void session_log(struct session *s, const char *event, const char *fmt, ...)
{
    char text[LOG_TEXT];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    struct msg m;
    msg_begin(&m, STORE_LOG, next_id(s));
    msg_put_u32(&m, LOG_INFO);
    msg_put_str(&m, event);
    msg_put_str(&m, text);
    store_tell(s, &m);
}
