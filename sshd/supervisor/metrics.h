/* What a monitoring system reads, as OpenMetrics text 1.0: of the daemon, its connections and each server. */
#ifndef SUPERVISOR_METRICS_H
#define SUPERVISOR_METRICS_H

#include "base/buf.h"
#include "sshd/supervisor/super.h"

/* Appends all families, "# EOF" last.  A sample whose number nobody has (no cgroup, a disk that is down) is left out. */
void metrics_put(const struct super *s, struct buf *b);

#endif
