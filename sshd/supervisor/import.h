/* Images come and go: the work is done by archive processes, the folder's names change here, each in one step. */
#ifndef SUPERVISOR_IMPORT_H
#define SUPERVISOR_IMPORT_H

#include "sshd/supervisor/super.h"

struct client;

/* Each answers C, now or when it is done.  FD, an archive open for reading, stays the caller's; FILE is what the admin called it. */
void import_begin(struct client *c, const char *name, const char *file, int fd);
void import_remove(struct client *c, const char *name);
/* At the start: what an earlier daemon left half made or half removed goes. */
void import_sweep(struct super *s);

#endif
