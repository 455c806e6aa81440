#include "store/stored/migrate.h"

#include <stdint.h>
#include <stdio.h>

#include "base/attr.h"
#include "base/log.h"
#include "store/stored/db.h"

static const struct step {
    unsigned number;
    const char *name;
    const char *sql;
} steps[] = {
#include "store/stored/schema.inc"
};

unsigned migrate_newest(void)
{
    return steps[countof(steps) - 1].number;
}

static int64_t version(sqlite3 *db, struct err *e)
{
    QUERY_END sqlite3_stmt *q = db_query(db, e, "PRAGMA user_version", "");
    if (q == NULL || query_step(q, e) < 0)
        return -1;
    return query_int(q, 0);
}

static int apply(sqlite3 *db, const struct step *s, struct err *e)
{
    char mark[64];
    snprintf(mark, sizeof mark, "PRAGMA user_version = %u", s->number);
    if (db_exec(db, "BEGIN IMMEDIATE", e) < 0)
        return -1;
    if (db_exec(db, s->sql, e) < 0 || db_exec(db, mark, e) < 0 || db_exec(db, "COMMIT", e) < 0) {
        db_exec(db, "ROLLBACK", NULL);
        return err_wrap(e, s->name);
    }
    log_info("store.migrated", "schema=%u step=%s", s->number, s->name);
    return 0;
}

int migrate(sqlite3 *db, struct err *e)
{
    int64_t now = version(db, e);
    if (now < 0)
        return e->step[0] ? -1 : err_set(e, 0, "database", "schema %lld is not a number of ours", (long long)now);
    if (now > migrate_newest())
        return err_set(e, 0, "database", "its schema %lld is newer than this build's %u: install the newer version again",
                       (long long)now, migrate_newest());
    for (size_t i = 0; i < countof(steps); i++)
        if (steps[i].number > now && apply(db, &steps[i], e) < 0)
            return -1;
    return 0;
}
