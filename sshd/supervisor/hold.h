/* Writes limits into a control group. */
#ifndef SUPERVISOR_HOLD_H
#define SUPERVISOR_HOLD_H

#include "sshd/supervisor/limits.h"

struct hold {
    const char *folder;         /* of the group */
    const char *name;           /* for the log; NULL: nothing is logged */
    const struct conf_server *conf;
    const struct limits_place *place;
    bool excused;               /* files that this machine does not have are no failure */
    unsigned changed;           /* how many were written */
};

/* Makes the group hold CONF's limits; what it holds already is not touched, what cannot be held is told in WRONG, a phrase each, and the
   rest is done.  0, or the first errno. */
int hold_limits(struct hold *h, struct buf *wrong);
/* The processes in the group and what they will start get MOST as their RLIMIT_NPROC, which they were started with; OWNER
   is whose their namespaces are.  0 or errno. */
int hold_nproc(const char *folder, uint32_t most, uid_t owner);

/* Writes one file of a group.  0, or -1 with errno.  Takes no longer than a few seconds: what the kernel has to take back from a group for
   a lower limit it then goes on with when the group asks for more. */
int hold_write(const char *folder, const char *file, const char *text);

#endif
