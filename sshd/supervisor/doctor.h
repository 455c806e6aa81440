/* Does this machine have what the configuration needs? */
#ifndef SUPERVISOR_DOCTOR_H
#define SUPERVISOR_DOCTOR_H

#include "sshd/supervisor/super.h"

/* One line of OUT a check: "ok NAME: ...", "warn NAME: ...", "FAIL NAME: ...".  LIVE: the daemon runs, so its own ports are taken by itself.
   Returns the number of failures. */
unsigned doctor(const struct conf *c, const char *folder, bool live, struct buf *out);

#endif
