/* The filter that a plan asks for. */
#ifndef SANDBOX_LAUNCH_FILTER_H
#define SANDBOX_LAUNCH_FILTER_H

#include <linux/filter.h>

#include "base/err.h"
#include "sandbox/launch/plan.h"

/* The profile's own, or the one that came with P, read and checked for its size (the kernel checks the rest).  0, or -1 with E.
   What F points at lives as long as the process. */
int filter_take(const struct plan *p, struct sock_fprog *f, struct err *e);

/* For the reader of the plan. */
const char *filter_name(const struct plan *p);

#endif
