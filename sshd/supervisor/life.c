#include "sshd/supervisor/life.h"

#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "base/mem.h"
#include "sshd/supervisor/launch.h"
#include "sshd/supervisor/news.h"
#include "sshd/supervisor/reason.h"
#include "sshd/supervisor/server.h"
#include "sshd/supervisor/turn.h"
#include "sshd/supervisor/wait.h"
#include "sshd/supervisor/wish.h"

enum { BACKOFF_FIRST = 1000, BACKOFF_MOST = 300000 };

typedef const char *step_fn(struct server *v);

static const struct conf_server *conf_of(const struct server *v)
{
    return conf_server(&v->super->conf, v->name);
}

static void say(struct server *v, const char *reason)
{
    snprintf(v->reason, sizeof v->reason, "%s", reason);
}

bool server_locked(const struct server *v)
{
    return v->life.locked[0] || v->life.held[0];
}

bool life_wanted(const struct server *v)
{
    const struct conf_server *c = conf_of(v);
    return c && (v->life.wish == WISH_UP || (v->life.wish == WISH_NONE && c->autostart == CONF_YES));
}

static void no_backoff(struct server *v)
{
    timer_free(v->backoff);
    v->backoff = NULL;
}

/* It comes to rest in STATE: offline, failed or restarting; or locked, if that was waiting for it. */
static void rest(struct server *v, enum state state)
{
    timer_free(v->life.start_timer);
    v->life.start_timer = NULL;
    v->life.queued = v->abort = false;
    v->life.foreign[0] = '\0';
    v->life.rest = state;
    if (server_locked(v))
        no_backoff(v);
    server_set(v, server_locked(v) ? STATE_LOCKED : state);
}

/* ---- starting ---- */

static const char *do_start(struct server *v)
{
    struct life *l = &v->life;
    no_backoff(v);
    v->has_exit = v->killed = v->again = v->abort = v->ready = v->launched = false;
    v->code = v->signal = 0;
    l->queued = l->late = l->says_stopping = false;
    l->by[0] = l->status[0] = l->foreign[0] = l->lost[0] = '\0';
    l->how = KILLED_NOT;
    l->began = (int64_t)now_ms();
    l->starts++;
    say(v, "");
    server_set(v, STATE_STARTING);
    launch_begin(v);
    return NULL;
}

static const char *begin(struct server *v)
{
    memset(v->life.crashes, 0, sizeof v->life.crashes);
    v->life.streak = 0;
    v->restarts = 0;
    return do_start(v);
}

static const char *begin_now(struct server *v)
{
    return v->life.queued ? begin(v) : "is starting already";
}

static const char *retry(struct server *v)
{
    v->restarts++;
    return do_start(v);
}

void life_start(struct server *v)
{
    bool may = v->state == STATE_OFFLINE || (v->state == STATE_STARTING && v->life.queued);
    if (may && !v->super->leaving && conf_of(v))
        begin(v);
}

static void start_timeout(void *data)
{
    struct server *v = data;
    v->life.start_timer = NULL;
    server_event(v, EVENT_START_TIMEOUT);
}

static const char *launched(struct server *v)
{
    const struct conf_server *c = conf_of(v);
    v->launched = true;
    if (v->killed)
        launch_kill(v);
    else if (v->abort)
        launch_stop(v);
    else if (c && c->start_timeout && v->state == STATE_STARTING)
        v->life.start_timer = loop_timer(v->super->loop, c->start_timeout, start_timeout, v);
    v->abort = false;
    wait_check(v);
    return NULL;
}

static const char *launch_failed(struct server *v)
{
    bool wanted = v->state == STATE_STARTING, again = v->again && !v->super->leaving;
    launch_end(v);
    if (!wanted && again && !server_locked(v))
        return do_start(v);
    rest(v, wanted ? STATE_FAILED : STATE_OFFLINE);
    return NULL;
}

static const char *ready(struct server *v)
{
    timer_free(v->life.start_timer);
    v->life.start_timer = NULL;
    v->ready = true;
    if (v->state == STATE_STARTING)
        server_set(v, STATE_RUNNING);
    return NULL;
}

/* ---- stopping ---- */

static void because(struct server *v, const char *what)
{
    snprintf(v->reason, sizeof v->reason, "%s by %s", what, v->life.by[0] ? v->life.by : "order");
}

/* What has not come as far as the launch program is down at once. */
static bool nothing_runs(struct server *v)
{
    return !v->launched && launch_none(v);
}

static const char *stop(struct server *v)
{
    if (v->life.foreign[0])
        return v->life.foreign;
    v->again = false;
    because(v, "stopped");
    if (nothing_runs(v)) {
        rest(v, STATE_OFFLINE);
        return NULL;
    }
    if (v->launched)
        launch_stop(v);
    else
        v->abort = true;
    server_set(v, STATE_STOPPING);
    return NULL;
}

static const char *restart(struct server *v)
{
    if (nothing_runs(v))
        return v->life.queued ? begin(v) : NULL;
    const char *why = stop(v);
    v->again = why == NULL;
    return why;
}

static const char *again(struct server *v)
{
    v->again = true;
    v->life.late = false;
    return NULL;
}

static const char *join(struct server *v)
{
    v->again = v->life.late = false;
    because(v, "stopped");
    return NULL;
}

static const char *do_kill(struct server *v)
{
    v->again = v->life.late = false;
    because(v, "killed");
    if (nothing_runs(v)) {
        rest(v, STATE_OFFLINE);
        return NULL;
    }
    v->killed = true;
    launch_kill(v);
    v->abort = !v->launched;
    server_set(v, STATE_STOPPING);
    return NULL;
}

static const char *cancel(struct server *v)
{
    no_backoff(v);
    because(v, "stopped");
    rest(v, STATE_OFFLINE);
    return NULL;
}

static const char *late(struct server *v)
{
    v->life.late = true;
    launch_stop(v);
    server_set(v, STATE_STOPPING);
    return NULL;
}

/* ---- its end ---- */

/* Failures count within the window; the back-off grows with those that no good run lies between: one as long as the longest back-off. */
static bool give_up(struct server *v, const struct conf_server *c, uint64_t *wait)
{
    struct life *l = &v->life;
    uint64_t now = now_ms();
    unsigned n = 0, most = c->restart_tries < TRIES_MOST ? c->restart_tries : TRIES_MOST;
    memmove(l->crashes, l->crashes + 1, sizeof l->crashes - sizeof l->crashes[0]);
    l->crashes[TRIES_MOST - 1] = now;
    for (size_t i = 0; i < TRIES_MOST; i++)
        n += l->crashes[i] != 0 && now - l->crashes[i] < c->restart_window;
    if (now - (uint64_t)l->began >= BACKOFF_MOST)
        l->streak = 0;
    *wait = l->streak < 16 ? (uint64_t)BACKOFF_FIRST << l->streak : BACKOFF_MOST;
    if (*wait > BACKOFF_MOST)
        *wait = BACKOFF_MOST;
    l->streak++;
    return most && n >= most;
}

static void say_given_up(struct server *v, const struct conf_server *c)
{
    size_t n = strlen(v->reason);
    snprintf(v->reason + n, sizeof v->reason - n, "; given up after %u failures within %llu s", c->restart_tries,
             (unsigned long long)c->restart_window / 1000);
}

static void on_backoff(void *data)
{
    struct server *v = data;
    v->backoff = NULL;
    server_event(v, EVENT_BACKOFF_OVER);
}

static void left_down(struct server *v, bool clean)
{
    v->life.wish = clean ? WISH_ENDED : WISH_FAILED;
    rest(v, clean ? STATE_OFFLINE : STATE_FAILED);
}

static void tell_crash(const struct server *v, const char *then)
{
    news_put(v->super, NEWS_CRASH, v->name, "", "%s%s", v->reason, then);
}

static void tell_restart(const struct server *v, uint64_t wait)
{
    char then[64];
    snprintf(then, sizeof then, "; it is started again in %llu s", (unsigned long long)wait / 1000);
    tell_crash(v, then);
}

static void ended_by_itself(struct server *v, bool clean)
{
    const struct conf_server *c = conf_of(v);
    uint64_t wait = BACKOFF_FIRST;
    int policy = c ? c->restart : RESTART_NEVER;
    if (policy == RESTART_NEVER || (policy == RESTART_ON_FAILURE && clean)) {
        if (!clean)
            tell_crash(v, "; it is not started again (restart = never)");
        left_down(v, clean);
        return;
    }
    if (!clean && give_up(v, c, &wait)) {
        say_given_up(v, c);
        tell_crash(v, "");
        left_down(v, false);
        return;
    }
    if (!clean && !server_locked(v))
        tell_restart(v, wait);
    else if (!clean)
        tell_crash(v, "; it is not started again, as it is locked");
    if (clean)
        v->life.streak = 0;
    v->backoff = loop_timer(v->super->loop, wait, on_backoff, v);
    rest(v, STATE_BACKOFF);
}

static const char *ended(struct server *v)
{
    const struct conf_server *c = conf_of(v);
    struct ending e;
    reason_look(v, &e);
    if (v->life.lost[0] && !e.stopped)
        say(v, v->life.lost);
    else
        reason_text(&e, v->reason, sizeof v->reason);
    bool by_order = e.stopped, again = v->again;
    bool clean = !e.late && e.killed == KILLED_NOT && (c ? conf_exit_clean(&c->success_exit, v->code, v->signal) : v->code == 0 && v->signal == 0);
    if (by_order && again && !v->super->leaving && !server_locked(v) && c) {
        launch_end(v);
        do_start(v);
        wish_save(v);
        return NULL;
    }
    launch_down(v);
    if (by_order)
        rest(v, STATE_OFFLINE);
    else
        ended_by_itself(v, clean);
    /* Were we killed between the two the other way round, nobody would know how it ended. */
    wish_save(v);
    launch_collect(v);
    return NULL;
}

/* ---- locked ---- */

static const char *lock(struct server *v)
{
    if (v->state != STATE_LOCKED)
        rest(v, v->state);
    return NULL;
}

static const char *lock_later(struct server *v)
{
    if (v->life.queued)
        rest(v, STATE_OFFLINE);
    return NULL;
}

static const char *unlock(struct server *v)
{
    if (server_locked(v))
        return NULL;
    bool begin = v->life.rest != STATE_FAILED && v->super->begun && life_wanted(v);
    server_set(v, v->life.rest == STATE_FAILED ? STATE_FAILED : STATE_OFFLINE);
    if (begin)
        turn_take(v);
    return NULL;
}

const char *server_lock(struct server *v, const char *why)
{
    if (server_alive(v) && !v->life.queued)
        return "is not at rest: stop it first";
    if (v->life.held[0])
        return "is being worked on already";
    snprintf(v->life.held, sizeof v->life.held, "%s", why);
    log_info("server.lock", "server=%s why=\"%s\"", v->name, esc_text(v->life.held));
    return server_event(v, EVENT_LOCK);
}

void server_unlock(struct server *v)
{
    if (v->life.held[0] == '\0')
        return;
    v->life.held[0] = '\0';
    log_info("server.unlock", "server=%s", v->name);
    server_event(v, EVENT_UNLOCK);
}

const char *server_lock_by_admin(struct server *v, const char *why)
{
    snprintf(v->life.locked, sizeof v->life.locked, "%s", why);
    log_info("server.lock", "server=%s by=admin why=\"%s\"", v->name, esc_text(v->life.locked));
    const char *refused = server_event(v, EVENT_LOCK);
    wish_save(v);
    return refused;
}

const char *server_unlock_by_admin(struct server *v)
{
    if (v->life.locked[0] == '\0')
        return "is not locked by the admin";
    v->life.locked[0] = '\0';
    log_info("server.unlock", "server=%s by=admin", v->name);
    wish_save(v);
    return server_event(v, EVENT_UNLOCK);
}

const char *server_reason(const struct server *v, char *buf, size_t size)
{
    const struct life *l = &v->life;
    const char *between = l->locked[0] && l->held[0] ? ", " : "";
    if (l->queued)
        snprintf(buf, size, "waits for its turn to start");
    else if (v->state == STATE_LOCKED)
        snprintf(buf, size, "locked: %s%s%s", l->held, between, l->locked);
    else if (l->foreign[0] && v->state != STATE_STOPPING)
        snprintf(buf, size, "%s", l->foreign);
    else if (l->locked[0])
        snprintf(buf, size, "locked once it has ended: %s", l->locked);
    else
        snprintf(buf, size, "%s", v->reason);
    return buf;
}

/* ---- orders ---- */

static const char *not_running(struct server *v)
{
    (void)v;
    return "is not running";
}

static const char *already(struct server *v)
{
    (void)v;
    return "is running already";
}

static const char *is_stopping(struct server *v)
{
    (void)v;
    return "is stopping: wait for it, or kill it";
}

static const char *is_locked(struct server *v)
{
    static char text[2 * LOCK_MOST + 64];
    char why[2 * LOCK_MOST + 16];
    snprintf(text, sizeof text, "is %s", server_reason(v, why, sizeof why));
    return text;
}

static const char *not_locked(struct server *v)
{
    (void)v;
    return "is not locked";
}

static const char *nothing(struct server *v)
{
    (void)v;
    return NULL;
}

static step_fn *const steps[STEP_COUNT] = {
    [STEP_BEGIN] = begin, [STEP_BEGIN_NOW] = begin_now, [STEP_STOP] = stop, [STEP_RESTART] = restart, [STEP_KILL] = do_kill,
    [STEP_JOIN] = join, [STEP_AGAIN] = again, [STEP_CANCEL] = cancel, [STEP_SETTLE] = cancel, [STEP_NOT_RUNNING] = not_running,
    [STEP_ALREADY] = already, [STEP_STOPPING] = is_stopping, [STEP_IS_LOCKED] = is_locked, [STEP_NOT_LOCKED] = not_locked,
    [STEP_LOCK] = lock, [STEP_LOCK_LATER] = lock_later, [STEP_UNLOCK] = unlock, [STEP_UNLOCK_NOW] = nothing,
    [STEP_LAUNCHED] = launched, [STEP_LAUNCH_FAILED] = launch_failed, [STEP_READY] = ready, [STEP_LATE] = late, [STEP_ENDED] = ended,
    [STEP_RETRY] = retry, [STEP_NOTHING] = nothing,
};

const char *server_event(struct server *v, enum event ev)
{
    return steps[state_step(v->state, ev)](v);
}

static bool takes_down(enum event ev)
{
    return ev == EVENT_STOP || ev == EVENT_KILL;
}

const char *server_order(struct server *v, enum event ev, const char *by)
{
    char before[sizeof v->life.by];
    snprintf(before, sizeof before, "%s", v->life.by);
    snprintf(v->life.by, sizeof v->life.by, "%s", by);
    const char *why = server_event(v, ev);
    if (why) {
        snprintf(v->life.by, sizeof v->life.by, "%s", before);
        return why;
    }
    v->life.wish = takes_down(ev) ? WISH_DOWN : WISH_UP;
    wish_save(v);
    return NULL;
}

void server_force(struct server *v, enum event ev, const char *by)
{
    snprintf(v->life.by, sizeof v->life.by, "%s", by);
    server_event(v, ev);
}

void life_found(struct server *v)
{
    /* A restart that the earlier daemon did not see the end of. */
    v->again = v->state == STATE_STOPPING && life_wanted(v);
    /* Started by hand, under a daemon that kept no wishes. */
    if (v->life.wish == WISH_NONE && server_alive(v) && v->state != STATE_STOPPING && !life_wanted(v) && conf_of(v)) {
        v->life.wish = WISH_UP;
        wish_save(v);
    }
}
