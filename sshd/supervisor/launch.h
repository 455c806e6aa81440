/* From a server's plan to its running sandbox, and the link to its shim. */
#ifndef SUPERVISOR_LAUNCH_H
#define SUPERVISOR_LAUNCH_H

#include "sshd/supervisor/server.h"

/* Disk, cgroup, folders, socket, then the launch program; EVENT_LAUNCHED or EVENT_LAUNCH_FAILED follows, from the loop. */
void launch_begin(struct server *v);
/* Asks the shim to stop the server as its configuration says, then to kill it. */
void launch_stop(struct server *v);
void launch_kill(struct server *v);
/* After the end: removes cgroup and rules; the shim still holds what it knows of the end. */
void launch_down(struct server *v);
/* That is with the store: tells the shim that it is known, removes the socket. */
void launch_collect(struct server *v);
/* Both. */
void launch_end(struct server *v);
/* Nothing of it has been launched yet: what launch_begin is still waiting for (disk, packet filter, policy) needs nobody to undo it. */
bool launch_none(const struct server *v);
/* FD, a connection to V's shim, is its link from now on. */
void launch_link(struct server *v, int fd);
/* Its shim says how it ended: KILLED of enum shim_killed. */
void launch_ended(struct server *v, uint32_t code, uint32_t sig, uint32_t killed);
/* Whether its watchdog is to count: not while it is frozen. */
void launch_watch(struct server *v, bool on);
/* A link to V's shim opened as a viewer for ACCOUNT, to be handed to a session.  The fd, or -1 with E. */
int launch_viewer(struct server *v, const char *account, bool may_write, uint64_t history, struct err *e);
/* Reads what every LAUNCH_DONE begins with: true if the job was done, else E says why not.  What the job adds comes next in M. */
bool launch_answer(struct msg *m, struct err *e);
/* The address pool of CONF: its first address and how many servers it has room for.  0, or -1 if it is no network. */
int launch_pool(const struct conf *conf, uint32_t *base, uint32_t *count);

#endif
