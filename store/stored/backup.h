/* The table of backups.  A row is written before the work begins and settled when its result comes, whoever is still there to hear it. */
#ifndef STORED_BACKUP_H
#define STORED_BACKUP_H

#include <stdbool.h>
#include <stdint.h>

#include <sqlite3.h>

#include "base/err.h"

enum { BACKUP_ID = 32, BACKUP_LABEL = 128, BACKUP_PAGE = 200 };

/* Rows still "running" belong to a store that has ended: "failed".  0 or -1 with E. */
int backup_settle_all(sqlite3 *db, struct err *e);
int backup_settle(sqlite3 *db, const char *id, bool done, uint64_t size, struct err *e);

#endif
