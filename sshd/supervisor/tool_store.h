/* The verbs `key` and `store`. */
#ifndef SUPERVISOR_TOOL_STORE_H
#define SUPERVISOR_TOOL_STORE_H

#include "sshd/supervisor/tool_client.h"

void tool_key(struct client *c);
void tool_store(struct client *c);

#endif
