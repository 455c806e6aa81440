/* The inside of struct activity, for activity.c (opening, limits), activity_add.c and activity_read.c. */
#ifndef STORED_ACTIVITY_IN_H
#define STORED_ACTIVITY_IN_H

#include "store/stored/activity.h"

/* Statements that are kept: prepared when first used. */
enum activity_statement { ADD, AGAIN, BEGIN, COMMIT, ROLLBACK, OLDEST, AGED, DROP, NEWEST, BEHIND, RECORD, EVENT_ADD, EVENT_DROP,
    EVENT_NEWEST, EVENT_END, EVENT_BEHIND, STATEMENTS };

/* A server, and how much of the log is about it. */
struct place {
    char server[NAME_MOST + 1];
    int64_t weight;
    int64_t fresh;               /* of the transaction under way */
};

struct activity {
    struct loop *loop;
    char *folder;                /* owned */
    sqlite3 *db;                 /* NULL: there is none, nothing is recorded */
    sqlite3_stmt *kept[STATEMENTS];
    struct place **places;       /* owned */
    size_t nplaces;
    int64_t id, weight;          /* the last one given; of all places */
    int64_t most, age;           /* limits; 0: not known yet */
    struct timer *pruning, *ageing;
    size_t aged;                 /* places looked at in this round */
    bool open;                   /* a transaction is under way */
    unsigned epoch;              /* transactions that failed: what was remembered before is not in the file */
};

/* The statement, reset, its first values bound by the caller's TYPES as in db_query.  NULL with E. */
sqlite3_stmt *activity_statement(struct activity *a, enum activity_statement which, struct err *e, const char *types, ...);
/* One that gives no rows.  The rows it changed, or -1. */
int activity_run(struct activity *a, enum activity_statement which, struct err *e, const char *types, ...);
/* After a failure: a database that is broken is set aside. */
void activity_failed(struct activity *a);
struct place *activity_place(struct activity *a, const char *server);
/* Something was added: are limits passed? */
void activity_grown(struct activity *a);

#endif
