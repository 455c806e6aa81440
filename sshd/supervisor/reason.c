#include "sshd/supervisor/reason.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "sshd/supervisor/cgroup.h"
#include "sshd/supervisor/server.h"
#include "sshd/supervisor/usage.h"

struct sentence { char *at; size_t left; };

static void say(struct sentence *s, const char *fmt, ...) PRINTF(2, 3);

static void say(struct sentence *s, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(s->at, s->left, fmt, ap);
    va_end(ap);
    size_t used = n < 0 ? 0 : (size_t)n < s->left ? (size_t)n : s->left - 1;
    s->at += used;
    s->left -= used;
}

static void say_time(struct sentence *s, uint64_t ms)
{
    if (ms % 60000 == 0 && ms)
        say(s, "%llum", (unsigned long long)ms / 60000);
    else if (ms % 1000 == 0)
        say(s, "%llus", (unsigned long long)ms / 1000);
    else
        say(s, "%llums", (unsigned long long)ms);
}

static void say_size(struct sentence *s, uint64_t bytes)
{
    static const char units[] = "KMGT";
    size_t unit = 0;
    if (bytes % 1024) {
        say(s, "%llu bytes", (unsigned long long)bytes);
        return;
    }
    for (bytes /= 1024; bytes % 1024 == 0 && bytes && units[unit + 1]; unit++)
        bytes /= 1024;
    say(s, "%llu%c", (unsigned long long)bytes, units[unit]);
}

static void say_exit(struct sentence *s, const struct ending *e)
{
    const char *name = e->signal ? sigabbrev_np((int)e->signal) : NULL;
    if (name)
        say(s, "ended by signal %u (SIG%s)", e->signal, name);
    else if (e->signal)
        say(s, "ended by signal %u", e->signal);
    else
        say(s, "ended with exit code %u", e->code);
}

static const char *whom(const struct ending *e)
{
    return e->by && e->by[0] ? e->by : "order";
}

static void say_stopped(struct sentence *s, const struct ending *e)
{
    say(s, "stopped by %s", whom(e));
    if (e->killed == KILLED_BY_STOP) {
        say(s, ", and killed as it had not ended after ");
        say_time(s, e->stop_timeout);
    } else if (e->signal == 0 && e->code != 0 && e->code != 128 + SIGTERM) {
        say(s, ", and ");
        say_exit(s, e);
    }
}

static void say_late(struct sentence *s, const struct ending *e)
{
    say(s, "stopped, as it was not ready ");
    say_time(s, e->start_timeout);
    say(s, " after its start");
}

static void say_watchdog(struct sentence *s, const struct ending *e)
{
    say(s, "killed, as it gave no sign of life for ");
    say_time(s, e->watchdog);
}

static void say_oom(struct sentence *s, const struct ending *e)
{
    say(s, "out of memory");
    if (e->memory == 0)
        return;
    say(s, " at its limit of ");
    say_size(s, e->memory);
}

/* What may have led to an end of its own. */
static void say_limits(struct sentence *s, const struct ending *e)
{
    if (e->pids_refused)
        say(s, "; it was refused more processes and threads than its limit of %u", e->pids);
    if (e->no_bytes)
        say(s, "; its disk was full");
    else if (e->no_inodes)
        say(s, "; it had as many files as it may");
}

static bool ended_badly(const struct ending *e)
{
    return e->signal || e->code;
}

const char *reason_text(const struct ending *e, char *buf, size_t size)
{
    struct sentence s = { buf, size };
    if (e->killed == KILLED_BY_ORDER) {
        say(&s, "killed by %s", whom(e));
    } else if (e->killed == KILLED_BY_WATCHDOG) {
        say_watchdog(&s, e);
    } else if (e->late) {
        say_late(&s, e);
    } else if (e->stopped) {
        say_stopped(&s, e);
    } else if (e->oom && ended_badly(e)) {
        say_oom(&s, e);
    } else {
        say_exit(&s, e);
        if (ended_badly(e))
            say_limits(&s, e);
    }
    return buf;
}

/* Blocks that wait for their place count twice in some file systems: they refuse up to so much early. */
enum { EARLY = 1024 * 1024, EARLY_PART = 16 };

static bool was_full(uint64_t used, uint64_t limit)
{
    uint64_t early = limit / EARLY_PART < EARLY ? limit / EARLY_PART : EARLY;
    return limit && used >= limit - early;
}

void reason_look(struct server *v, struct ending *e)
{
    const struct conf_server *c = conf_server(&v->super->conf, v->name);
    FREE_MEM char *pids = cgroup_file(v, "pids.events");
    uint64_t inodes, used = server_disk_used(v, &inodes);
    *e = (struct ending){ .code = v->code, .signal = v->signal, .killed = v->life.how, .by = v->life.by, .late = v->life.late };
    e->stopped = v->state == STATE_STOPPING && !v->life.late;
    /* A shim of version 1 does not tell its time-out from an order. */
    if (v->life.version < 2 && e->killed == KILLED_BY_ORDER && !v->killed && v->state == STATE_STOPPING)
        e->killed = KILLED_BY_STOP;
    if (v->killed && e->killed == KILLED_NOT)
        e->killed = KILLED_BY_ORDER;
    e->oom = cgroup_oom(v);
    usage_number(pids, "max", &e->pids_refused);
    e->no_bytes = was_full(used, v->disk_limit);
    e->no_inodes = v->inodes_limit && inodes >= v->inodes_limit;
    if (c == NULL)
        return;
    e->memory = c->memory;
    e->pids = c->pids;
    e->start_timeout = c->start_timeout;
    e->stop_timeout = c->stop_timeout;
    e->watchdog = c->watchdog;
}
