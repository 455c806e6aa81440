/* What an account and the source of one of its connections have used of their limits. */
#ifndef SUPERVISOR_STANDING_H
#define SUPERVISOR_STANDING_H

#include "sshd/supervisor/order.h"

/* OP_LIMITS. */
void standing_tell(struct super *s, struct order *o);

#endif
