/* Backups: a job of the archive program, its file linked in only when it is whole. */
#ifndef SUPERVISOR_BACKUP_H
#define SUPERVISOR_BACKUP_H

#include "sshd/supervisor/order.h"

void backup_create(struct super *s, struct order *o);
void backup_get(struct super *s, struct order *o);

#endif
