/* Reload: read everything, check everything, ask the store to take it, then switch as a whole; on any error nothing changes. */
#ifndef SUPERVISOR_RELOAD_H
#define SUPERVISOR_RELOAD_H

#include "sshd/supervisor/super.h"

/* OK: TEXT is the summary; else the errors, a line each. */
typedef void reload_fn(void *data, bool ok, const char *text);
/* FN (may be NULL) is called once, now or later. */
void reload(struct super *s, reload_fn *fn, void *data);
/* The store takes configurations now: a reload that came while it started goes on. */
void reload_waited(struct super *s);

/* Reads FOLDER into *C and checks what no single key shows (pool, listen addresses, sizes of messages).  0, or -1 with ERRORS. */
int reload_read(const char *folder, struct conf *c, struct conf_errors *errors);

#endif
