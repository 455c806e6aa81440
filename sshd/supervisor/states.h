/* What a server's life is made of: its states, what can happen, and what is done then.  Pure data: life.c does it, holdfastd(8) shows it
   (t/lint/states.t). */
#ifndef SUPERVISOR_STATES_H
#define SUPERVISOR_STATES_H

#include "base/buf.h"

enum state {
    STATE_OFFLINE, STATE_STARTING, STATE_RUNNING, STATE_STOPPING, STATE_BACKOFF, STATE_FAILED, STATE_LOCKED, STATE_COUNT
};
enum event {
    EVENT_START, EVENT_STOP, EVENT_RESTART, EVENT_KILL,      /* orders: may be refused */
    EVENT_LOCK, EVENT_UNLOCK,                                /* server_lock, server_unlock */
    EVENT_LAUNCHED, EVENT_LAUNCH_FAILED, EVENT_READY, EVENT_START_TIMEOUT, EVENT_ENDED, EVENT_BACKOFF_OVER,
    EVENT_COUNT
};
/* What is done about an event.  STEP_NONE stands in no place of the table. */
enum step {
    STEP_NONE,
    STEP_BEGIN, STEP_BEGIN_NOW, STEP_STOP, STEP_RESTART, STEP_KILL, STEP_JOIN, STEP_AGAIN, STEP_CANCEL, STEP_SETTLE,
    STEP_NOT_RUNNING, STEP_ALREADY, STEP_STOPPING, STEP_IS_LOCKED, STEP_NOT_LOCKED,
    STEP_LOCK, STEP_LOCK_LATER, STEP_UNLOCK, STEP_UNLOCK_NOW,
    STEP_LAUNCHED, STEP_LAUNCH_FAILED, STEP_READY, STEP_LATE, STEP_ENDED, STEP_RETRY, STEP_NOTHING,
    STEP_COUNT
};

const char *state_word(enum state state);
enum step state_step(enum state state, enum event event);
/* The whole table, as holdfastd(8) has it: mdoc(7). */
void states_print(struct buf *out);

#endif
