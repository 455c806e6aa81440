#include "sandbox/shim/server.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/die.h"
#include "base/link.h"
#include "base/log.h"
#include "sandbox/proto.h"
#include "sandbox/shim/input.h"
#include "sandbox/shim/journal.h"
#include "sandbox/shim/notify.h"
#include "sandbox/shim/output.h"
#include "sandbox/shim/peer.h"
#include "sandbox/shim/ready.h"
#include "sandbox/shim/shell.h"
#include "sandbox/shim/shim.h"
#include "sandbox/shim/viewer.h"

enum { DRAIN_MS = 1000 };

static struct link *init;
static struct watch *exit_watch;
static struct timer *stop_timer, *drain_timer, *wall_timer, *watchdog;
static bool unwatched;    /* the supervisor says so */
static bool main_ended;   /* init told; else its own exit status has to do */
static bool exited;       /* init, and with it all the rest */

void server_ready(void)
{
    shim.ready = true;
    log_info("server.ready", "stopping=%d", shim.stopping);
    supervisor_ready();
    server_lives();
}

static void by_whom(const char *by)
{
    snprintf(shim.by, sizeof shim.by, "%s", by);
}

static bool cgroup_kill(void)
{
    struct stat st;
    return fstat(CGROUP_KILL_FD, &st) == 0 && S_ISREG(st.st_mode) && write(CGROUP_KILL_FD, "1", 1) == 1;
}

static void end_it(enum shim_killed why)
{
    if (exited)
        return;
    if (!main_ended && shim.killed == KILLED_NOT)
        shim.killed = why;
    log_info("server.kill", "stopping=%d main_ended=%d", shim.stopping, main_ended);
    if (cgroup_kill() || init == NULL)
        return;
    struct msg m;
    msg_begin(&m, INIT_KILL, 0);
    link_send(init, &m);
}

void server_kill(const char *by)
{
    if (!main_ended)
        by_whom(by);
    end_it(KILLED_BY_ORDER);
}

static void no_life(void *data UNUSED)
{
    watchdog = NULL;
    log_warn("server.watchdog", "silent_ms=%llu", (unsigned long long)shim.watchdog);
    end_it(KILLED_BY_WATCHDOG);
}

void server_lives(void)
{
    timer_free(watchdog);
    watchdog = NULL;
    if (shim.watchdog && shim.ready && !shim.stopping && !unwatched && !main_ended && !exited)
        watchdog = loop_timer(shim.loop, shim.watchdog, no_life, NULL);
}

void server_watch(bool on)
{
    unwatched = !on;
    server_lives();
}

static void time_is_up(void *data UNUSED)
{
    wall_timer = NULL;
    log_warn("errand.time", "ran_longer_than_s=%u", shim.seconds);
    end_it(KILLED_BY_TIME);
}

bool server_tell(struct msg *m)
{
    bool up = init != NULL && !main_ended && !exited;
    if (!up)
        msg_free(m);
    return up && link_send(init, m) == 0;
}

static void stop_expired(void *data UNUSED)
{
    stop_timer = NULL;
    end_it(KILLED_BY_STOP);
}

static void signal_main(uint32_t signal)
{
    struct msg m;
    msg_begin(&m, INIT_SIGNAL, 0);
    msg_put_u32(&m, signal);
    link_send(init, &m);
}

void server_stop(enum conf_how_kind kind, uint32_t signal, const char *line, uint64_t ms, const char *by)
{
    if (main_ended || exited)
        return;
    shim.stopping = true;
    by_whom(by);
    server_lives();
    log_info("server.stop", "how=%s timeout_ms=%llu", kind == HOW_LINE ? "line" : "signal", (unsigned long long)ms);
    if (kind == HOW_LINE)
        input_line(line);
    else if (init)
        signal_main(signal);
    timer_free(stop_timer);
    stop_timer = loop_timer(shim.loop, ms, stop_expired, NULL);
}

static void finish(void)
{
    timer_free(drain_timer);
    timer_free(stop_timer);
    timer_free(wall_timer);
    timer_free(watchdog);
    drain_timer = stop_timer = wall_timer = watchdog = NULL;
    output_close();
    notify_close();
    input_close();
    ready_over();
    journal_close();
    link_free(init);
    init = NULL;
    shim.ended = true;
    log_info("server.ended", "code=%u signal=%u killed=%d", shim.code, shim.signal, shim.killed);
    supervisor_ended();
    viewers_end();
    shells_end();
}

/* The end is told when init has been waited for (so nothing of the server is left that holds its disk or network) and everything it
   wrote has been read, init's last word included. */
static void end_if_drained(void)
{
    if (exited && !shim.ended && output_at_end() && init == NULL)
        finish();
}

void server_drained(void)
{
    end_if_drained();
}

static void drain_expired(void *data UNUSED)
{
    drain_timer = NULL;
    log_warn("output.held", "waited_ms=%d", DRAIN_MS);
    finish();
}

static void on_init_exit(void *data UNUSED, int fd, unsigned events UNUSED)
{
    siginfo_t si = { 0 };
    if (waitid(P_PIDFD, (id_t)fd, &si, WEXITED | WNOHANG) < 0 && errno != ECHILD)
        die_errno("waitid");
    if (si.si_pid == 0 && errno != ECHILD)
        return;
    watch_free(exit_watch);
    exit_watch = NULL;
    exited = true;
    if (!main_ended) {
        bool normal = si.si_code == CLD_EXITED;
        shim.code = normal ? (uint32_t)si.si_status : 0;
        shim.signal = normal ? 0 : SIGKILL;
    }
    drain_timer = loop_timer(shim.loop, DRAIN_MS, drain_expired, NULL);
    end_if_drained();
}

static void on_started(struct msg *m)
{
    uint32_t ok = msg_get_u32(m), no = msg_get_u32(m);
    FREE_MEM char *step = msg_get_str(m);
    if (!msg_end(m))
        return;
    if (!ok)
        log_warn("server.start_failed", "step=%s errno=%s", esc(step), esc(strerror((int)no)));
    if (shim.errand)
        return;
    if (ok) {
        ready_started();
        return;
    }
    char text[512];
    snprintf(text, sizeof text, "holdfast: cannot start: %s: %s", step, strerror((int)no));
    output_word(text);
}

static void on_ended(struct msg *m)
{
    uint32_t code = msg_get_u32(m), signal = msg_get_u32(m);
    if (!msg_end(m) || main_ended)
        return;
    main_ended = true;
    shim.code = code;
    shim.signal = signal;
}

static const struct { uint16_t type; void (*handle)(struct msg *m); } words[] = {
    { INIT_STARTED, on_started },
    { INIT_ENDED, on_ended },
    { INIT_SHELL_MADE, shell_made },
    { INIT_SHELL_ENDED, shell_ended },
};

static void on_init_gone(void *data UNUSED, struct link *l UNUSED)
{
    link_free(init);
    init = NULL;   /* and with its link closed, it kills everything and goes */
    end_if_drained();
}

static void on_init(void *data UNUSED, struct link *l UNUSED, struct msg *m)
{
    for (size_t i = 0; i < countof(words); i++)
        if (words[i].type == m->type) {
            words[i].handle(m);
            if (!m->bad)
                return;
        }
    /* Whoever speaks there is not our init any more. */
    log_error("init.bad_message", "type=%u", m->type);
    server_kill("");
    on_init_gone(NULL, init);
}

void server_open(void)
{
    static const struct link_events events = { .msg = on_init, .gone = on_init_gone, .client = true };
    init = link_new(shim.loop, INIT_FD, &events, NULL);
    exit_watch = loop_watch(shim.loop, INIT_PIDFD, LOOP_READ, on_init_exit, NULL);
    if (shim.seconds)
        wall_timer = loop_timer(shim.loop, (uint64_t)shim.seconds * 1000, time_is_up, NULL);
}
