/* What a session tells about itself, on its way to the log: held to its account, to servers it has seen, and to a rate. */
#ifndef STORED_ACTOR_H
#define STORED_ACTOR_H

#include "store/stored/activity.h"
#include "store/stored/session.h"

/* The same as a session's, for its orders; it may have gone since. */
void actor_order(struct store *store, const struct deed *d);
/* STORE_SHELL_END. */
void shell_end_told(struct store *s, struct msg *m);
/* S could see SERVER and cannot any more: what it did with it before may still come. */
void actor_saw(struct session *s, const char *server);
/* All that has been read from S is in its transaction: writes it. */
void actor_round(struct session *s);
/* Reads what sessions have sent and nobody has looked at yet, before somebody is told what there is. */
void actors_wake(struct store *store);
/* The end of S: takes what it sent and nobody has read yet, and writes what is left to say. */
void actor_end(struct session *s);

#endif
