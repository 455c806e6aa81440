/* What is wanted of servers, and how they last ended, kept by the store for the daemons after us. */
#ifndef SUPERVISOR_WISH_H
#define SUPERVISOR_WISH_H

#include "sshd/supervisor/server.h"

/* V has changed: to the store, at once; when there is none, as soon as there is. */
void wish_save(struct server *v);
/* The store has the configuration: what it does not have yet goes to it; the first time, what it has is read.  Then THEN. */
void wish_load(struct super *s, void (*then)(struct super *s));
/* A configuration was taken: reads what was kept for servers that it has brought back. */
void wish_learn(struct super *s);
void wish_take_rows(struct super *s, struct msg *m);
void wish_take_saved(struct super *s, struct msg *m);
/* The store has died: what it was sent may be lost. */
void wish_keeper_lost(struct super *s);

#endif
