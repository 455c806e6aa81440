/* The tool's 'server start', 'stop', 'restart', 'kill', 'lock' and 'unlock': what the admin may do with any server. */
#ifndef SUPERVISOR_TOOL_POWER_H
#define SUPERVISOR_TOOL_POWER_H

#include "sshd/supervisor/server.h"
#include "sshd/supervisor/tool_client.h"

void tool_power(struct client *c, struct server *v);
void tool_lock(struct client *c, struct server *v);
void tool_unlock(struct client *c, struct server *v);

#endif
