/* What the sandbox may reach, said once more by landlock. */
#ifndef SANDBOX_LAUNCH_ACCESS_H
#define SANDBOX_LAUNCH_ACCESS_H

#include "sandbox/launch/plan.h"
#include "sandbox/launch/step.h"

/* By the child, in the new root, with no_new_privs set. */
void landlock_steps(struct steps *l, const struct plan *p);

#endif
