/* The schema and its steps.  Each step of store/schema is applied once, in a transaction of its own, counted in user_version. */
#ifndef STORED_MIGRATE_H
#define STORED_MIGRATE_H

#include <sqlite3.h>

#include "base/err.h"

/* The newest schema this build knows. */
unsigned migrate_newest(void);
/* Brings DB to the newest schema.  0, or -1 with E: a newer schema than this build's is refused, by name; a failed step leaves the
   database at the step before it. */
int migrate(sqlite3 *db, struct err *e);

#endif
