#include "sshd/supervisor/wait.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "sshd/supervisor/store.h"

struct waiter {
    struct waiter *next;
    struct server *server;
    struct timer *timer;
    uint64_t session;
    uint32_t order;
    enum event asked;
    bool full;              /* until it is up, or down; else a start ends when the program was executed */
    bool left_running;      /* a restart: has been seen to leave the state it was ordered in */
};

static void answer(struct waiter *w, int code, const char *text)
{
    struct server *v = w->server;
    for (struct waiter **at = &v->waiters; *at; at = &(*at)->next)
        if (*at == w) {
            *at = w->next;
            break;
        }
    timer_free(w->timer);
    struct msg m;
    result_begin(&m, w->order, code, text);
    msg_put_u32(&m, 1);
    server_put_status(v, &m);
    result_send(v->super, &m);
    free(w);
}

static void timed_out(void *data)
{
    struct waiter *w = data;
    w->timer = NULL;
    char text[160];
    snprintf(text, sizeof text, "%s is still %s", w->server->name, state_word(w->server->state));
    answer(w, CODE_LATER, text);
}

static bool settled(enum state st)
{
    return st == STATE_OFFLINE || st == STATE_FAILED || st == STATE_LOCKED;
}

/* 1: answer with *CODE, 0: wait on. */
static int verdict(const struct waiter *w, int *code)
{
    enum state st = w->server->state;
    bool up = w->asked == EVENT_START || (w->asked == EVENT_RESTART && w->left_running);
    *code = CODE_DONE;
    if (!up)
        return settled(st) && w->asked != EVENT_RESTART;
    if (st == STATE_RUNNING || (!w->full && st == STATE_STARTING && w->server->launched))
        return 1;
    *code = CODE_FAILED;
    return settled(st) || st == STATE_BACKOFF;
}

void wait_check(struct server *v)
{
    for (struct waiter *w = v->waiters, *next; w; w = next) {
        next = w->next;
        if (v->state == STATE_STARTING || settled(v->state))
            w->left_running = true;
        int code;
        if (!verdict(w, &code))
            continue;
        char text[400] = "";
        if (code != CODE_DONE)
            snprintf(text, sizeof text, "%s: %s", v->name, v->reason[0] ? v->reason : state_word(v->state));
        answer(w, code, text);
    }
}

void server_wait_reply(struct server *v, uint64_t session, uint32_t order, enum event ev, bool full, uint64_t ms)
{
    struct waiter *w = mem_new(sizeof *w);
    *w = (struct waiter){ .next = v->waiters, .server = v, .session = session, .order = order, .asked = ev, .full = full };
    v->waiters = w;
    w->timer = loop_timer(v->super->loop, ms, timed_out, w);
    wait_check(v);
}

void server_waits_drop(struct super *s, uint64_t session, const char *account)
{
    unsigned n = 0;
    for (struct server *v = s->servers; v; v = v->next)
        for (struct waiter *w = v->waiters, *next; w; w = next) {
            next = w->next;
            if (w->session != session)
                continue;
            answer(w, CODE_LATER, "");
            n++;
        }
    if (n)
        log_info("order.dropped", "session=%llu account=%s orders=%u", (unsigned long long)session, account, n);
}
