/* Backups: a job of the archive program, its file linked in only when it is whole. */
#ifndef SUPERVISOR_BACKUP_H
#define SUPERVISOR_BACKUP_H

#include "sshd/supervisor/order.h"

void backup_create(struct super *s, struct order *o);
void backup_get(struct super *s, struct order *o);
/* A backup goes on when the connection that asked for it drops.  It ends with the right to make it: the configuration changed. */
void backups_apply(struct super *s);
/* SESSION was put out: what it had begun ends. */
void backups_end(uint64_t session, const char *why);

#endif
