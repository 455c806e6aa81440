/* The store's aid: a process that looks at the database for an admin, beside the running store.  One at a time. */
#ifndef SUPERVISOR_STORE_AID_H
#define SUPERVISOR_STORE_AID_H

#include "sshd/supervisor/tool_client.h"

/* Checks the database and tells C, or copies it into C's descriptor; C is answered in any case, and the work ends when C goes. */
void store_aid_check(struct client *c);
void store_aid_copy(struct client *c);

#endif
