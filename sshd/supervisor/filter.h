/* The supervisor's side of the packet filter: starts holdfast-filter, tells it what each server may, keeps it running. */
#ifndef SUPERVISOR_FILTER_H
#define SUPERVISOR_FILTER_H

#include "sshd/supervisor/server.h"

/* Servers that lived on are known: starts the filter, which replaces the table of an earlier daemon by theirs; from now on there is always one
   as long as a server is configured to have a network. */
void filter_begin(struct super *s);
/* The configuration changed: all of it is put in force anew, as one change. */
void filter_apply(struct super *s);
/* The rules of V, whose network is private.  FN is called when they are in force, or with the reason why they are not (then V must not run);
   it may be called at once. */
void filter_set(struct server *v, filter_fn *fn);
void filter_drop(struct server *v);
/* Deletes the table; FN gets "" or what is left. */
typedef void filter_left_fn(struct super *s, const char *error);
void filter_leave(struct super *s, filter_left_fn *fn);
/* Lines "network: ...", "forwarding: ..." for 'holdfast status'. */
void filter_status(struct super *s, struct buf *out);

#endif
