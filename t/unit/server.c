/* The state machine of servers, with launch, cgroup, disk and store played by this file. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "sshd/supervisor/cgroup.h"
#include "sshd/supervisor/disk.h"
#include "sshd/supervisor/launch.h"
#include "sshd/supervisor/server.h"
#include "sshd/supervisor/store.h"

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

void launch_begin(struct server *s) { (void)s; note("B"); }
void launch_stop(struct server *s) { (void)s; note("S"); }
void launch_kill(struct server *s) { (void)s; note("K"); }
void launch_end(struct server *s) { s->launched = s->ready = false; note("E"); }
bool forward_has_ipv6(void) { return true; }
void launch_adopt_all(struct super *s) { (void)s; }
int launch_pool(const struct conf *c, uint32_t *base, uint32_t *count)
{
    (void)c;
    *base = 0x0ad50000;
    *count = 8;
    return 0;
}
bool cgroup_oom(const struct server *s) { (void)s; return false; }
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
    server_number(&super, "one", 3);
    v = server_find(&super, "one");
}

TestSuite(server, .init = begin);

static void came_up(void)
{
    cr_assert_null(server_event(v, EVENT_START));
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
    server_event(v, EVENT_ENDED);
}

Test(server, every_event_in_every_state_is_answered)
{
    for (int state = 0; state < STATE_COUNT; state++)
        for (int ev = 0; ev < EVENT_COUNT; ev++) {
            v->state = (enum state)state;
            v->launched = state == STATE_RUNNING;
            v->backoff = NULL;
            server_event(v, (enum event)ev);
            cr_assert_lt((int)v->state, STATE_COUNT);
        }
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
    cr_assert_null(server_event(v, EVENT_STOP));
    cr_assert_eq(v->state, STATE_STOPPING);
    cr_assert_not_null(server_event(v, EVENT_START));
    cr_assert_null(server_event(v, EVENT_STOP), "a second stop joins the first");
    ended(0, SIGTERM);
    cr_assert_eq(v->state, STATE_OFFLINE);
    cr_assert_str_eq(did, "SE");
    cr_assert_str_eq(v->reason, "stopped by order");
}

Test(server, a_stop_before_it_was_launched_is_kept)
{
    server_event(v, EVENT_START);
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
    cr_assert_null(server_event(v, EVENT_KILL));
    server_event(v, EVENT_LAUNCHED);
    cr_assert_str_eq(did, "BK");
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
        cr_assert_eq(v->state, cases[i].then, "case %zu: %s", i, server_state_word(v->state));
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
