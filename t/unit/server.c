/* The state machine of servers, with launch, cgroup, disk and store played by this file. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "sshd/supervisor/adopt.h"
#include "sshd/supervisor/cgroup.h"
#include "sshd/supervisor/disk.h"
#include "sshd/supervisor/launch.h"
#include "sshd/supervisor/news.h"
#include "sshd/supervisor/reason.h"
#include "sshd/supervisor/server.h"
#include "sshd/supervisor/store.h"
#include "sshd/supervisor/turn.h"
#include "sshd/supervisor/usage.h"
#include "sshd/supervisor/wish.h"

static struct super super;
static struct server *v;
static char did[256];           /* what was done to the sandbox, a letter each */
static int answered;            /* orders answered; code of the last */
static uint32_t code;

static void note(const char *letter)
{
    size_t n = strlen(did);
    snprintf(did + n, sizeof did - n, "%s", letter);
}

void news_put(struct super *s, const char *what, const char *server, const char *account, const char *fmt, ...)
{
    (void)s, (void)what, (void)server, (void)account, (void)fmt;
}
bool usage_value(const struct server *s, const char *name, uint64_t *n) { (void)s, (void)name, (void)n; return false; }
void usage_net(const struct server *s, uint64_t *received, uint64_t *sent) { (void)s; *received = *sent = 0; }
static bool at_work;            /* the launch program is */
static unsigned saved;          /* wishes */

void launch_begin(struct server *s) { (void)s; note("B"); }
bool launch_none(const struct server *s) { (void)s; return !at_work; }
static unsigned saved_before;
void wish_save(struct server *s) { (void)s; saved++; }
void launch_stop(struct server *s) { (void)s; note("S"); }
void launch_kill(struct server *s) { (void)s; note("K"); }
void launch_end(struct server *s) { s->launched = s->ready = false; note("E"); }
void launch_down(struct server *s) { s->launched = s->ready = false; saved_before = saved; note("E"); }
void launch_collect(struct server *s) { (void)s; cr_assert_gt(saved, saved_before, "the shim goes before its end is with the store"); }
bool forward_has_ipv6(void) { return true; }
void adopt_all(struct super *s) { (void)s; }
int launch_pool(const struct conf *c, uint32_t *base, uint32_t *count)
{
    (void)c;
    *base = 0x0ad50000;
    *count = 8;
    return 0;
}
bool cgroup_oom(const struct server *s) { (void)s; return false; }
char *cgroup_file(const struct server *s, const char *file) { (void)s, (void)file; return NULL; }
bool usage_number(const char *text, const char *word, uint64_t *number) { (void)text, (void)word, (void)number; return false; }
void cgroup_limits(struct server *s, const struct conf_server *c, struct buf *told) { (void)s, (void)c, (void)told; }
void cgroup_share(const struct super *s) { (void)s; }
static bool frozen;
bool cgroup_frozen(const struct server *s) { (void)s; return frozen; }
void cgroup_read(const struct server *s, struct cgroup_use *use) { (void)s, (void)use; }
void disk_need(struct server *s, disk_fn *fn, void *data) { (void)s, (void)fn, (void)data; }
void disk_down(struct server *s, disk_fn *fn, void *data) { (void)s, (void)fn, (void)data; }
void disk_apply(struct server *s, struct buf *told) { (void)s, (void)told; }
const char *disk_backend(const struct server *s) { return s->backend; }
const char *disk_note(const struct server *s, char *buf, size_t size) { (void)s, (void)size; buf[0] = '\0'; return buf; }
uint64_t server_disk_used(struct server *s, uint64_t *inodes) { (void)s; return *inodes = 0; }
void result_begin(struct msg *m, uint32_t id, int c, const char *text)
{
    msg_begin(m, STORE_RESULT, id);
    code = (uint32_t)c;
    msg_put_str(m, text);
}
void result_send(struct super *s, struct msg *m)
{
    (void)s;
    answered++;
    msg_free(m);
}

static void begin(void)
{
    log_to(open("/dev/null", O_WRONLY | O_CLOEXEC));
    conf_init(&super.conf);
    super.loop = loop_new();
    super.conf.nservers = 1;
    super.conf.servers = mem_array(1, sizeof(struct conf_server));
    super.conf.servers[0].name = mem_str("one");
    super.conf.servers[0].restart = RESTART_ON_FAILURE;
    super.conf.servers[0].autostart = CONF_NO;
    super.conf.servers[0].restart_tries = 5;
    super.conf.servers[0].restart_window = 600000;
    super.begun = true;
    server_number(&super, "one", 3);
    v = server_find(&super, "one");
}

TestSuite(server, .init = begin);

static void came_up(void)
{
    cr_assert_null(server_order(v, EVENT_START, "alice"));
    at_work = true;
    cr_assert_null(server_event(v, EVENT_LAUNCHED));
    cr_assert_null(server_event(v, EVENT_READY));
    cr_assert_eq(v->state, STATE_RUNNING);
    did[0] = '\0';
}

static void ended(uint32_t exit_code, uint32_t sig)
{
    v->code = exit_code;
    v->signal = sig;
    v->has_exit = true;
    at_work = false;
    server_event(v, EVENT_ENDED);
}

/* What each pair leads to: the state behind it, or a refusal ('!').  Written by hand, from what people are promised; the table is not asked. */
static const char *const expected[STATE_COUNT] = {
    /* start stop restart kill lock unlock launched launch_failed ready start_timeout ended backoff_over */
    [STATE_OFFLINE] = "S!S!L!OOOOOO",
    [STATE_STARTING] = "!PPPSSSFRPBS",
    [STATE_RUNNING] = "!PPPRRRBRRBR",
    [STATE_STOPPING] = "!PPPPPPOPPOP",
    [STATE_BACKOFF] = "SOSOL!BBBBBS",
    [STATE_FAILED] = "SOSOL!FFFFFF",
    [STATE_LOCKED] = "!!!!LOLLLLLL",
};

static void put_in(enum state state)
{
    bool alive = state == STATE_STARTING || state == STATE_RUNNING || state == STATE_STOPPING;
    v->state = state;
    at_work = v->launched = alive;
    v->killed = v->again = v->abort = false;
    v->code = 1;
    v->signal = 0;
    v->life = (struct life){ .pidfd = -1, .shim_pidfd = -1, .rest = STATE_OFFLINE, .wish = WISH_DOWN };
    timer_free(v->backoff);
    v->backoff = NULL;
}

Test(server, every_event_in_every_state_is_answered)
{
    static const char letters[STATE_COUNT] = { 'O', 'S', 'R', 'P', 'B', 'F', 'L' };
    for (int state = 0; state < STATE_COUNT; state++)
        for (int ev = 0; ev < EVENT_COUNT; ev++) {
            put_in((enum state)state);
            cr_expect_neq(state_step((enum state)state, (enum event)ev), STEP_NONE, "%s, event %d: no step", state_word((enum state)state), ev);
            if (ev == EVENT_LOCK)
                snprintf(v->life.locked, sizeof v->life.locked, "why");
            const char *why = server_event(v, (enum event)ev);
            char now = why ? '!' : letters[v->state];
            cr_expect_eq(now, expected[state][ev], "%s, event %d: %c, not %c", state_word((enum state)state), ev, now, expected[state][ev]);
            if (why)
                cr_expect_eq((int)v->state, state, "a refusal changes nothing");
        }
}

Test(server, nothing_runs_yet_and_it_is_down_at_once)
{
    static const enum event orders[] = { EVENT_STOP, EVENT_KILL };
    for (size_t i = 0; i < countof(orders); i++) {
        did[0] = '\0';
        cr_assert_null(server_order(v, EVENT_START, "alice"));
        cr_assert_null(server_order(v, orders[i], "bob"));
        cr_assert_eq(v->state, STATE_OFFLINE, "its disk may still be on its way");
        cr_assert_str_eq(did, "B");
        cr_assert_eq(v->life.wish, WISH_DOWN);
    }
    cr_assert_str_eq(v->reason, "killed by bob");
    server_event(v, EVENT_LAUNCH_FAILED);
    cr_assert_eq(v->state, STATE_OFFLINE, "what comes late is of no effect");
}

Test(server, what_is_wanted_is_what_was_ordered)
{
    cr_assert_eq(v->life.wish, WISH_NONE);
    cr_assert_not(life_wanted(v));
    super.conf.servers[0].autostart = CONF_YES;
    cr_assert(life_wanted(v), "nobody has had a wish");
    came_up();
    cr_assert_eq(v->life.wish, WISH_UP);
    server_force(v, EVENT_STOP, "the daemon");
    ended(0, 0);
    cr_assert(v->state == STATE_OFFLINE && v->life.wish == WISH_UP, "a daemon that goes down stops nobody for good");
    cr_assert_str_eq(v->reason, "stopped by the daemon");
    came_up();
    cr_assert_not_null(server_order(v, EVENT_START, "bob"));
    cr_assert_eq(v->life.wish, WISH_UP, "a refused order is no wish");
    server_order(v, EVENT_STOP, "bob");
    ended(0, 0);
    cr_assert_not(life_wanted(v), "autostart does not bring back what was stopped by hand");
    came_up();
    ended(0, 0);
    cr_assert_eq(v->life.wish, WISH_ENDED);
    cr_assert_not(life_wanted(v));
    cr_assert_geq(saved, 6u);
}

Test(server, a_lock_holds_it_down)
{
    cr_assert_null(server_lock(v, "restore"));
    cr_assert_eq(v->state, STATE_LOCKED);
    cr_assert_str_eq(server_order(v, EVENT_START, "alice"), "is locked: restore");
    cr_assert_str_eq(server_lock(v, "migrate"), "is being worked on already");
    cr_assert_null(server_lock_by_admin(v, "unpaid"));
    cr_assert_str_eq(server_order(v, EVENT_RESTART, "alice"), "is locked: restore, unpaid");
    server_unlock(v);
    cr_assert_eq(v->state, STATE_LOCKED, "the admin's is left");
    cr_assert_null(server_unlock_by_admin(v));
    cr_assert_eq(v->state, STATE_OFFLINE);
    cr_assert_not_null(server_unlock_by_admin(v));
    server_unlock(v);
    cr_assert_eq(v->state, STATE_OFFLINE);
    came_up();
    cr_assert_not_null(server_lock(v, "restore"), "it runs");
    cr_assert_null(server_lock_by_admin(v, "unpaid"));
    cr_assert_eq(v->state, STATE_RUNNING);
    server_order(v, EVENT_RESTART, "alice");
    ended(0, 0);
    cr_assert_eq(v->state, STATE_LOCKED, "a restart ends there");
    did[0] = '\0';
    cr_assert_null(server_unlock_by_admin(v));
    cr_assert_eq(v->state, STATE_STARTING, "and goes on: it was wanted");
    for (int i = 0; i < 20 && did[0] == '\0'; i++)
        loop_once(super.loop, 10);
    cr_assert_str_eq(did, "B");
}

Test(server, a_lock_ends_the_back_off)
{
    came_up();
    ended(1, 0);
    cr_assert_eq(v->state, STATE_BACKOFF);
    cr_assert_null(server_lock(v, "migrate"));
    cr_assert(v->state == STATE_LOCKED && v->backoff == NULL);
    server_unlock(v);
    cr_assert_eq(v->state, STATE_STARTING);
}

Test(server, not_up_in_time_is_a_failure)
{
    super.conf.servers[0].start_timeout = 20;
    super.conf.servers[0].restart = RESTART_NEVER;
    server_order(v, EVENT_START, "alice");
    at_work = true;
    server_event(v, EVENT_LAUNCHED);
    server_wait_reply(v, 77, 9, EVENT_START, true, 10000);
    for (int i = 0; i < 50 && v->state == STATE_STARTING; i++)
        loop_once(super.loop, 10);
    cr_assert_eq(v->state, STATE_STOPPING);
    cr_assert_str_eq(did, "BS");
    ended(0, 0);
    cr_assert_eq(v->state, STATE_FAILED, "even where it then ended well");
    cr_assert_str_eq(v->reason, "stopped, as it was not ready 20ms after its start");
    cr_assert_eq(v->life.wish, WISH_FAILED);
    cr_assert(answered == 1 && code == (uint32_t)CODE_FAILED);
}

Test(server, clean_ends_are_those_that_are_named)
{
    struct conf_exits *e = &super.conf.servers[0].success_exit;
    e->codes[3 / 32] |= 1u << 3;
    e->signals |= 1ull << SIGUSR1;
    static const struct { uint32_t code, signal; enum state then; } cases[] = {
        { 0, 0, STATE_OFFLINE }, { 3, 0, STATE_OFFLINE }, { 0, SIGUSR1, STATE_OFFLINE }, { 4, 0, STATE_BACKOFF }, { 0, SIGTERM, STATE_BACKOFF },
        { 35, 0, STATE_BACKOFF },
    };
    for (size_t i = 0; i < countof(cases); i++) {
        came_up();
        ended(cases[i].code, cases[i].signal);
        cr_assert_eq(v->state, cases[i].then, "case %zu: %s", i, state_word(v->state));
        if (v->state == STATE_BACKOFF)
            server_event(v, EVENT_STOP);
    }
}

/* As loop.c sees it: the time until the timer. */
static unsigned back_off_of(unsigned streak)
{
    came_up();
    v->life.streak = streak;
    ended(1, 0);
    uint64_t before = now_ms();
    cr_assert_eq(v->state, STATE_BACKOFF);
    while (v->state == STATE_BACKOFF && now_ms() - before < 1500)
        loop_once(super.loop, 50);
    unsigned took = (unsigned)(now_ms() - before);
    if (v->state == STATE_BACKOFF)
        server_event(v, EVENT_STOP);
    else
        server_event(v, EVENT_KILL);
    return took;
}

Test(server, the_back_off_grows_and_is_forgotten_after_a_good_run)
{
    super.conf.servers[0].restart_tries = 0;
    cr_assert_lt(back_off_of(0), 1400u);
    cr_assert_geq(back_off_of(1), 1500u);
    came_up();
    v->life.streak = 9;
    v->life.began -= 301000;
    ended(1, 0);
    cr_assert_eq(v->life.streak, 1u, "it ran for five minutes");
}

Test(server, a_few_at_a_time)
{
    super.conf.servers = mem_grow(super.conf.servers, 12, sizeof *super.conf.servers);
    super.conf.nservers = 12;
    for (int i = 1; i < 12; i++) {
        super.conf.servers[i] = (struct conf_server){ .name = mem_fmt("z%02d", i), .autostart = CONF_YES };
        server_number(&super, super.conf.servers[i].name, (uint32_t)(10 + i));
    }
    super.begun = false;
    super.conf.servers[0].autostart = CONF_NO;
    servers_begin(&super);
    char why[300];
    struct server *late = server_find(&super, "z11");
    cr_assert_eq(late->state, STATE_STARTING);
    cr_assert_str_eq(server_reason(late, why, sizeof why), "waits for its turn to start");
    loop_once(super.loop, 50);
    cr_assert_leq(strlen(did), (size_t)TURN_AT_ONCE);
    cr_assert_geq(strlen(did), 1u);
    cr_assert_null(server_order(late, EVENT_STOP, "bob"), "who waits is stopped at once");
    cr_assert_eq(late->state, STATE_OFFLINE);
    struct server *held = server_find(&super, "z09");
    cr_assert_null(server_lock(held, "migrate"), "who waits is as good as at rest");
    cr_assert_eq(held->state, STATE_LOCKED);
    server_unlock(held);
    cr_assert(held->state == STATE_STARTING && held->life.queued, "and waits again");
    struct server *asked = server_find(&super, "z10");
    size_t before = strlen(did);
    cr_assert_null(server_order(asked, EVENT_START, "bob"), "who is asked for does not wait");
    cr_assert_eq(strlen(did), before + 1);
    cr_assert_not_null(server_order(asked, EVENT_START, "bob"));
    for (int round = 0; round < 100 && strlen(did) < 11; round++) {
        for (struct server *s = super.servers; s; s = s->next)
            if (s->state == STATE_STARTING && !s->life.queued)
                server_event(s, EVENT_READY);
        loop_once(super.loop, 20);
    }
    cr_assert_str_eq(did, "BBBBBBBBBB", "all but the one that was stopped and the one that nobody wants");
}

Test(reason, sentences)
{
    static const struct { struct ending e; const char *text; } cases[] = {
        { { .code = 3 }, "ended with exit code 3" },
        { { .code = 0, .pids_refused = 4, .pids = 64, .no_bytes = true }, "ended with exit code 0" },
        { { .signal = SIGSEGV }, "ended by signal 11 (SIGSEGV)" },
        { { .signal = 40 }, "ended by signal 40" },
        { { .signal = SIGKILL, .oom = true, .memory = 128 << 20 }, "out of memory at its limit of 128M" },
        { { .signal = SIGKILL, .oom = true, .memory = 3000 << 10 }, "out of memory at its limit of 3000K" },
        { { .code = 0, .oom = true }, "ended with exit code 0" },
        { { .code = 1, .pids_refused = 4, .pids = 64 }, "ended with exit code 1; it was refused more processes and threads than its limit of 64" },
        { { .code = 1, .no_bytes = true, .no_inodes = true }, "ended with exit code 1; its disk was full" },
        { { .code = 1, .no_inodes = true }, "ended with exit code 1; it had as many files as it may" },
        { { .stopped = true, .by = "alice" }, "stopped by alice" },
        { { .stopped = true, .by = "alice", .signal = SIGTERM }, "stopped by alice" },
        { { .stopped = true, .by = "alice", .code = 143 }, "stopped by alice" },
        { { .stopped = true, .by = "alice", .code = 4 }, "stopped by alice, and ended with exit code 4" },
        { { .stopped = true, .by = "alice", .killed = KILLED_BY_STOP, .stop_timeout = 30000, .signal = SIGKILL },
          "stopped by alice, and killed as it had not ended after 30s" },
        { { .stopped = true, .by = "alice", .killed = KILLED_BY_ORDER, .signal = SIGKILL, .oom = true }, "killed by alice" },
        { { .by = "", .killed = KILLED_BY_ORDER }, "killed by order" },
        { { .killed = KILLED_BY_WATCHDOG, .watchdog = 1500 }, "killed, as it gave no sign of life for 1500ms" },
        { { .late = true, .start_timeout = 120000 }, "stopped, as it was not ready 2m after its start" },
    };
    char text[256];
    for (size_t i = 0; i < countof(cases); i++)
        cr_expect_str_eq(reason_text(&cases[i].e, text, sizeof text), cases[i].text, "case %zu: %s", i, text);
    char small[12];
    cr_expect_str_eq(reason_text(&cases[0].e, small, sizeof small), "ended with ");
}

Test(server, frozen_shows_while_it_runs)
{
    frozen = true;
    cr_assert_str_eq(server_word(v), "offline");
    cr_assert_null(server_event(v, EVENT_START));
    cr_assert_str_eq(server_word(v), "starting", "launch is at work, nothing of it is frozen");
    cr_assert_null(server_event(v, EVENT_LAUNCHED));
    cr_assert_null(server_event(v, EVENT_READY));
    cr_assert_str_eq(server_word(v), "frozen");
    cr_assert_null(server_event(v, EVENT_STOP));
    cr_assert_str_eq(server_word(v), "stopping");
    frozen = false;
}

Test(server, starts_stops_and_refuses_with_a_reason)
{
    cr_assert_str_eq(server_event(v, EVENT_STOP), "is not running");
    cr_assert_str_eq(server_event(v, EVENT_KILL), "is not running");
    came_up();
    cr_assert_str_eq(server_event(v, EVENT_START), "is running already");
    cr_assert_null(server_order(v, EVENT_STOP, "alice"));
    cr_assert_eq(v->state, STATE_STOPPING);
    cr_assert_not_null(server_event(v, EVENT_START));
    cr_assert_null(server_event(v, EVENT_STOP), "a second stop joins the first");
    ended(0, SIGTERM);
    cr_assert_eq(v->state, STATE_OFFLINE);
    cr_assert_str_eq(did, "SE");
    cr_assert_str_eq(v->reason, "stopped by alice");
}

Test(server, a_stop_before_it_was_launched_is_kept)
{
    server_event(v, EVENT_START);
    at_work = true;
    cr_assert_null(server_event(v, EVENT_STOP));
    cr_assert_str_eq(did, "B", "there is nothing yet to be stopped");
    server_event(v, EVENT_LAUNCHED);
    cr_assert_str_eq(did, "BS");
    ended(0, 0);
    cr_assert_eq(v->state, STATE_OFFLINE);
}

Test(server, kill_wins_over_everything)
{
    server_event(v, EVENT_START);
    at_work = true;
    cr_assert_null(server_event(v, EVENT_KILL));
    server_event(v, EVENT_LAUNCHED);
    cr_assert_str_eq(did, "BKK", "what launch has made by then, and what it makes after");
    ended(0, SIGKILL);
    cr_assert_eq(v->state, STATE_OFFLINE, "killed by order is no crash");
    came_up();
    server_event(v, EVENT_RESTART);
    cr_assert_null(server_event(v, EVENT_KILL));
    ended(0, SIGKILL);
    cr_assert_eq(v->state, STATE_OFFLINE, "a kill ends a restart");
}

Test(server, restart_comes_back)
{
    came_up();
    cr_assert_null(server_event(v, EVENT_RESTART));
    ended(0, SIGTERM);
    cr_assert_eq(v->state, STATE_STARTING);
    cr_assert_str_eq(did, "SEB");
}

Test(server, ends_by_itself_as_the_policy_says)
{
    static const struct { int policy; uint32_t code; enum state then; } cases[] = {
        { RESTART_NEVER, 0, STATE_OFFLINE },      { RESTART_NEVER, 1, STATE_FAILED },
        { RESTART_ON_FAILURE, 0, STATE_OFFLINE }, { RESTART_ON_FAILURE, 1, STATE_BACKOFF },
        { RESTART_ALWAYS, 0, STATE_BACKOFF },     { RESTART_ALWAYS, 1, STATE_BACKOFF },
    };
    for (size_t i = 0; i < countof(cases); i++) {
        super.conf.servers[0].restart = cases[i].policy;
        came_up();
        ended(cases[i].code, 0);
        cr_assert_eq(v->state, cases[i].then, "case %zu: %s", i, state_word(v->state));
        if (v->state == STATE_BACKOFF)
            server_event(v, EVENT_STOP);
        cr_assert(v->state == STATE_OFFLINE || v->state == STATE_FAILED);
    }
}

Test(server, gives_up_after_five_crashes_and_says_so)
{
    came_up();
    for (int i = 0; i < 5; i++) {
        ended(0, SIGSEGV);
        if (i == 4)
            break;
        cr_assert_eq(v->state, STATE_BACKOFF, "crash %d", i);
        timer_free(v->backoff);
        v->backoff = NULL;
        server_event(v, EVENT_BACKOFF_OVER);
        server_event(v, EVENT_LAUNCHED);
        server_event(v, EVENT_READY);
    }
    cr_assert_eq(v->state, STATE_FAILED);
    cr_assert_not_null(strstr(v->reason, "signal 11"));
    cr_assert_not_null(strstr(v->reason, "given up after 5"));
    cr_assert_eq(v->restarts, 4u);
    came_up();
    cr_assert_eq(v->restarts, 0u, "an order starts anew");
}

Test(server, a_failed_launch_is_told_and_not_repeated)
{
    server_event(v, EVENT_START);
    server_wait_reply(v, 77, 9, EVENT_START, false, 10000);
    cr_assert_eq(answered, 0);
    snprintf(v->reason, sizeof v->reason, "mount /proc: EPERM");
    server_event(v, EVENT_LAUNCH_FAILED);
    cr_assert_eq(v->state, STATE_FAILED);
    cr_assert_eq(answered, 1);
    cr_assert_eq(code, (uint32_t)CODE_FAILED);
}

Test(server, waiting_orders_are_answered_once)
{
    server_event(v, EVENT_START);
    server_wait_reply(v, 77, 1, EVENT_START, false, 10000);
    server_wait_reply(v, 77, 2, EVENT_START, true, 10000);
    server_event(v, EVENT_LAUNCHED);
    cr_assert_eq(answered, 1, "who does not wait is answered when it was executed");
    server_event(v, EVENT_READY);
    cr_assert_eq(answered, 2);
    cr_assert_eq(code, (uint32_t)CODE_DONE);
    server_event(v, EVENT_STOP);
    server_wait_reply(v, 77, 3, EVENT_STOP, true, 10000);
    cr_assert_eq(answered, 2);
    ended(0, 0);
    cr_assert_eq(answered, 3);
    server_event(v, EVENT_START);
    server_wait_reply(v, 77, 4, EVENT_START, true, 20);
    for (int i = 0; i < 20 && answered == 3; i++)
        loop_once(super.loop, 10);
    cr_assert_eq(answered, 4);
    cr_assert_eq(code, (uint32_t)CODE_LATER, "its time was over");
    cr_assert_null(v->waiters);
}

Test(server, has_uids_and_addresses_of_its_own)
{
    cr_assert_eq(server_uid_base(v), super.conf.ids.servers + 3 * 65536);
    cr_assert_eq(server_uid(v), server_uid_base(v) + 1000);
    cr_assert_eq(server_host_address(v), 0x0ad50000u + 13);
    cr_assert_eq(server_inside_address(v), 0x0ad50000u + 14);
    server_number(&super, "two", 9);
    cr_assert_eq(server_host_address(server_find(&super, "two")), 0u, "the pool has no room for it");
}
