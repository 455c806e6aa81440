/* What the whole shim shares: its plan, and how the server stands. */
#ifndef SHIM_SHIM_H
#define SHIM_SHIM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/loop.h"
#include "sandbox/proto.h"

/* The descriptors it starts with; sandbox/proto.h tells what they are. */
enum {
    SUPERVISOR_FD = 3, INIT_FD, STDIN_FD, STDOUT_FD, STDERR_FD, LISTEN_FD, FOLDER_FD, CGROUP_KILL_FD, INIT_PIDFD, NOTIFY_FD
};

struct shim {
    struct loop *loop;
    const char *server;      /* its name */
    bool tty;
    bool errand;             /* stdio is somebody else's, nobody watches, and the supervisor's link is its life */
    pid_t init;              /* as the host sees it */
    uint64_t started;        /* wall ms */
    uint32_t seconds;        /* an errand may run; 0: any time */
    uint64_t watchdog;       /* ms without a sign of life; 0: any time */

    bool ready, stopping;
    enum shim_killed killed; /* by us, before the main process had ended */
    char by[SHIM_BY_MOST + 1];           /* who had it stopped or killed */
    char status[SHIM_STATUS_MOST + 1];   /* what it says of itself, escaped */
    bool says_stopping;
    bool ended;              /* nothing of it runs any more, and its output is read */
    uint32_t code, signal;   /* of the main process, once it has ended */
};

extern struct shim shim;

#endif
