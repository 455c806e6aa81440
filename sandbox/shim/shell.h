/* Shells in the server's sandbox, a link each: what the supervisor asks for goes to init, what init tells comes back. */
#ifndef SHIM_SHELL_H
#define SHIM_SHELL_H

#include <stdbool.h>

#include "base/link.h"

struct shell;

/* SHIM_SHELL behind its version: M's fields and descriptors go to init.  NULL: the server has ended, or there are SHIM_SHELLS_MOST.  L stays the caller's. */
struct shell *shell_new(struct link *l, struct msg *m);
/* Kills what is left of it, by its group, whatever became of the supervisor. */
void shell_free(struct shell *s);   /* NULL is allowed */
void shell_go(struct shell *s);

/* INIT_SHELL_MADE, INIT_SHELL_ENDED. */
void shell_made(struct msg *m);
void shell_ended(struct msg *m);
/* The server has ended, and they with it. */
void shells_end(void);

#endif
