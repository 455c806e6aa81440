/* Finding shims again that outlived an earlier daemon, and what they say of themselves. */
#ifndef SUPERVISOR_ADOPT_H
#define SUPERVISOR_ADOPT_H

#include "sshd/supervisor/server.h"

/* Connects to all in RUN/shims, looks at who is there, and kills those of servers that are no longer configured. */
void adopt_all(struct super *s);
/* SHIM_STATE of V's shim. */
void adopt_take_state(struct server *v, struct msg *m);
/* A connection to V's shim, as root only can make it; -1 with E. */
int adopt_connect(const struct server *v, struct err *e);
/* V was killed: one that nobody will tell the end of is taken to have ended. */
void adopt_killed(struct server *v);
/* V has ended, or is launched anew: what was held of its earlier processes goes. */
void adopt_forget(struct server *v);
/* V's init, by LAUNCH_DONE or its shim's word: held for kills where there is no control group. */
void adopt_hold_init(struct server *v);
/* The path of its door, "%s/shims/%s.sock" below the run folder. */
struct sockaddr_un;
int adopt_door(const struct server *v, struct sockaddr_un *a, struct err *e);

#endif
