/* Words to the service manager (sd_notify's protocol), if there is one. */
#ifndef SUPERVISOR_NOTIFY_H
#define SUPERVISOR_NOTIFY_H

#include "base/loop.h"

void notify_send(const char *text);
/* Sends WATCHDOG=1 at half the asked interval. */
void notify_watchdog(struct loop *l);

#endif
