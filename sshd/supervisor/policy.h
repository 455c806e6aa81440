/* System call filters of sandboxes whose profile an admin has changed (`seccomp =`): checked, made once by holdfast-policy, kept. */
#ifndef SUPERVISOR_POLICY_H
#define SUPERVISOR_POLICY_H

#include "sandbox/proto.h"
#include "sshd/supervisor/super.h"

/* FD is the filter, borrowed, or -1 when the built-in one serves; or ERROR says why there is none. */
typedef void policy_fn(void *data, int fd, const char *error);

/* 0, or -1 with E: a change of C's that cannot be. */
int policy_check(const struct conf_server *c, struct err *e);
/* Calls FN, at once where nothing has to be made.  Another profile than the server's takes only what was taken away: it is to have no more
   rights than a server. */
void policy_need(struct super *s, const struct conf_server *c, enum sandbox_profile profile, policy_fn *fn, void *data);
/* The effective filter of C as text: FN gets a memfd of it. */
void policy_show(struct super *s, const struct conf_server *c, bool json, policy_fn *fn, void *data);
/* C's changes, "+ptrace -vmsplice"; "" if there are none.  Owned by the caller. */
char *policy_changes(const struct conf_server *c);

#endif
