/* Why a server ended, in one plain sentence. */
#ifndef SUPERVISOR_REASON_H
#define SUPERVISOR_REASON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sandbox/proto.h"

struct server;

/* What is known of an end.  Times in ms, sizes in bytes. */
struct ending {
    uint32_t code, signal;
    enum shim_killed killed;
    const char *by;              /* who had it stopped or killed; "" nobody */
    bool stopped;                /* by order */
    bool late;                   /* it was not up in time */
    uint64_t start_timeout, stop_timeout, watchdog;
    bool oom;                    /* the kernel killed for want of memory */
    uint64_t memory;             /* its limit */
    uint64_t pids_refused;       /* how often it was refused a process or thread */
    uint32_t pids;               /* the limit */
    bool no_bytes, no_inodes;    /* left on its disk */
};

const char *reason_text(const struct ending *e, char *buf, size_t size);
/* V has ended, its group is still there: fills E. */
void reason_look(struct server *v, struct ending *e);

#endif
