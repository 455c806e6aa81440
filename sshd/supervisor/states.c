#include "sshd/supervisor/states.h"

#include <stddef.h>

#include "base/attr.h"

static const char *const words[STATE_COUNT] = {
    [STATE_OFFLINE] = "offline", [STATE_STARTING] = "starting", [STATE_RUNNING] = "running", [STATE_STOPPING] = "stopping",
    [STATE_BACKOFF] = "restarting", [STATE_FAILED] = "failed", [STATE_LOCKED] = "locked",
};

static const char *const events[EVENT_COUNT] = {
    [EVENT_START] = "start", [EVENT_STOP] = "stop", [EVENT_RESTART] = "restart", [EVENT_KILL] = "kill", [EVENT_LOCK] = "lock",
    [EVENT_UNLOCK] = "unlock", [EVENT_LAUNCHED] = "executed", [EVENT_LAUNCH_FAILED] = "not executed", [EVENT_READY] = "ready",
    [EVENT_START_TIMEOUT] = "start_timeout", [EVENT_ENDED] = "ended", [EVENT_BACKOFF_OVER] = "back-off over",
};

/* CELL is what stands in the table; TEXT, where it is not NULL, explains it. */
static const struct { const char *cell, *text; } steps[STEP_COUNT] = {
    [STEP_BEGIN] = { "start", "it is started: its disk, its packet filter, its sandbox" },
    [STEP_BEGIN_NOW] = { "now", "refused, but for one that waits for its turn after the daemon has begun: that is started now" },
    [STEP_STOP] = { "stop", "it is asked to end as `stop` says, and killed after `stop_timeout`; one of which nothing runs yet is offline at once" },
    [STEP_RESTART] = { "restart", "stopped, and started once it has ended" },
    [STEP_KILL] = { "kill", "all of its processes are killed; one of which nothing runs yet is offline at once" },
    [STEP_JOIN] = { "join", "the stop under way will do; it is not started again behind it" },
    [STEP_AGAIN] = { "again", "it is started once it has ended" },
    [STEP_CANCEL] = { "offline", "it is not started again" },
    [STEP_SETTLE] = { "offline", NULL },
    [STEP_NOT_RUNNING] = { "refused", "the answer says why, with exit code 3" },
    [STEP_ALREADY] = { "refused", NULL },
    [STEP_STOPPING] = { "refused", NULL },
    [STEP_IS_LOCKED] = { "refused", NULL },
    [STEP_NOT_LOCKED] = { "refused", NULL },
    [STEP_LOCK] = { "lock", "it is not started until it is unlocked" },
    [STEP_LOCK_LATER] = { "later", "it runs on, and is locked once it has ended, instead of being started again; one that waits for its turn is locked at once" },
    [STEP_UNLOCK] = { "unlock", "it is what it was before, and started if it was wanted to run" },
    [STEP_UNLOCK_NOW] = { "forget", "a lock that waits for its end goes; without one: refused" },
    [STEP_LAUNCHED] = { "go on", "a stop or kill that came meanwhile is carried out" },
    [STEP_LAUNCH_FAILED] = { "fail", "it is failed, and not tried again by itself; offline where it was to stop" },
    [STEP_READY] = { "ready", "it is running" },
    [STEP_LATE] = { "late", "it is stopped, which counts as a failure" },
    [STEP_ENDED] = { "end", "offline after a stop or kill; otherwise what `restart` says: restarting, offline, or failed" },
    [STEP_RETRY] = { "start", NULL },
    [STEP_NOTHING] = { "-", "cannot happen, or of no effect" },
};

#define AT_REST [EVENT_LAUNCHED] = STEP_NOTHING, [EVENT_LAUNCH_FAILED] = STEP_NOTHING, [EVENT_READY] = STEP_NOTHING, \
    [EVENT_START_TIMEOUT] = STEP_NOTHING, [EVENT_ENDED] = STEP_NOTHING

static const uint8_t table[STATE_COUNT][EVENT_COUNT] = {
    [STATE_OFFLINE] = { [EVENT_START] = STEP_BEGIN, [EVENT_STOP] = STEP_NOT_RUNNING, [EVENT_RESTART] = STEP_BEGIN,
                        [EVENT_KILL] = STEP_NOT_RUNNING, [EVENT_LOCK] = STEP_LOCK, [EVENT_UNLOCK] = STEP_NOT_LOCKED,
                        AT_REST, [EVENT_BACKOFF_OVER] = STEP_NOTHING },
    [STATE_STARTING] = { [EVENT_START] = STEP_BEGIN_NOW, [EVENT_STOP] = STEP_STOP, [EVENT_RESTART] = STEP_RESTART,
                         [EVENT_KILL] = STEP_KILL, [EVENT_LOCK] = STEP_LOCK_LATER, [EVENT_UNLOCK] = STEP_UNLOCK_NOW,
                         [EVENT_LAUNCHED] = STEP_LAUNCHED, [EVENT_LAUNCH_FAILED] = STEP_LAUNCH_FAILED, [EVENT_READY] = STEP_READY,
                         [EVENT_START_TIMEOUT] = STEP_LATE, [EVENT_ENDED] = STEP_ENDED, [EVENT_BACKOFF_OVER] = STEP_NOTHING },
    [STATE_RUNNING] = { [EVENT_START] = STEP_ALREADY, [EVENT_STOP] = STEP_STOP, [EVENT_RESTART] = STEP_RESTART,
                        [EVENT_KILL] = STEP_KILL, [EVENT_LOCK] = STEP_LOCK_LATER, [EVENT_UNLOCK] = STEP_UNLOCK_NOW,
                        [EVENT_LAUNCHED] = STEP_NOTHING, [EVENT_LAUNCH_FAILED] = STEP_ENDED, [EVENT_READY] = STEP_READY,
                        [EVENT_START_TIMEOUT] = STEP_NOTHING, [EVENT_ENDED] = STEP_ENDED, [EVENT_BACKOFF_OVER] = STEP_NOTHING },
    [STATE_STOPPING] = { [EVENT_START] = STEP_STOPPING, [EVENT_STOP] = STEP_JOIN, [EVENT_RESTART] = STEP_AGAIN,
                         [EVENT_KILL] = STEP_KILL, [EVENT_LOCK] = STEP_LOCK_LATER, [EVENT_UNLOCK] = STEP_UNLOCK_NOW,
                         [EVENT_LAUNCHED] = STEP_LAUNCHED, [EVENT_LAUNCH_FAILED] = STEP_LAUNCH_FAILED, [EVENT_READY] = STEP_NOTHING,
                         [EVENT_START_TIMEOUT] = STEP_NOTHING, [EVENT_ENDED] = STEP_ENDED, [EVENT_BACKOFF_OVER] = STEP_NOTHING },
    [STATE_BACKOFF] = { [EVENT_START] = STEP_BEGIN, [EVENT_STOP] = STEP_CANCEL, [EVENT_RESTART] = STEP_BEGIN,
                        [EVENT_KILL] = STEP_CANCEL, [EVENT_LOCK] = STEP_LOCK, [EVENT_UNLOCK] = STEP_NOT_LOCKED,
                        AT_REST, [EVENT_BACKOFF_OVER] = STEP_RETRY },
    [STATE_FAILED] = { [EVENT_START] = STEP_BEGIN, [EVENT_STOP] = STEP_SETTLE, [EVENT_RESTART] = STEP_BEGIN,
                       [EVENT_KILL] = STEP_SETTLE, [EVENT_LOCK] = STEP_LOCK, [EVENT_UNLOCK] = STEP_NOT_LOCKED,
                       AT_REST, [EVENT_BACKOFF_OVER] = STEP_NOTHING },
    [STATE_LOCKED] = { [EVENT_START] = STEP_IS_LOCKED, [EVENT_STOP] = STEP_NOT_RUNNING, [EVENT_RESTART] = STEP_IS_LOCKED,
                       [EVENT_KILL] = STEP_NOT_RUNNING, [EVENT_LOCK] = STEP_LOCK, [EVENT_UNLOCK] = STEP_UNLOCK,
                       AT_REST, [EVENT_BACKOFF_OVER] = STEP_NOTHING },
};

const char *state_word(enum state state)
{
    return words[state];
}

enum step state_step(enum state state, enum event event)
{
    return (enum step)table[state][event];
}

static void print_table(struct buf *out)
{
    buf_put_fmt(out, ".Bd -literal\n%-14s", "");
    for (int s = 0; s < STATE_COUNT; s++)
        buf_put_fmt(out, s + 1 < STATE_COUNT ? " %-10s" : " %s\n", words[s]);
    for (int ev = 0; ev < EVENT_COUNT; ev++) {
        buf_put_fmt(out, "%-14s", events[ev]);
        for (int s = 0; s < STATE_COUNT; s++)
            buf_put_fmt(out, s + 1 < STATE_COUNT ? " %-10s" : " %s\n", steps[table[s][ev]].cell);
    }
    buf_put_fmt(out, ".Ed\n");
}

/* Text between backquotes is a literal. */
static void print_text(struct buf *out, const char *text)
{
    for (bool inside = false; *text; text++) {
        if (*text == '`') {
            inside = !inside;
            buf_put_fmt(out, inside ? "\\fB" : "\\fR");
        } else
            buf_put(out, text, 1);
    }
    buf_put_fmt(out, ".\n");
}

void states_print(struct buf *out)
{
    print_table(out);
    buf_put_fmt(out, ".Bl -tag -width refused\n");
    for (int i = 0; i < STEP_COUNT; i++)
        if (steps[i].text) {
            buf_put_fmt(out, ".It %s\n", steps[i].cell[0] == '-' ? "\\-" : steps[i].cell);
            print_text(out, steps[i].text);
        }
    buf_put_fmt(out, ".El\n");
}
