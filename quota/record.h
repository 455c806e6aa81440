/* What is written beside a server's files: which backend has them, and how far a migration has come.  STATE/servers/.NAME.quota, root's, 0600:

       holdfast quota 1
       backend WORD
       new WORD | old WORD        while they are moved, see quota/migrate.h

   A file of another form or a later version is an error, never taken for none: the files would be made anew elsewhere. */
#ifndef QUOTA_RECORD_H
#define QUOTA_RECORD_H

#include "quota/place.h"

enum { RECORD_WORD = 16 };
enum record_move {
    RECORD_STILL,
    RECORD_NEW,             /* `other` is being filled */
    RECORD_OLD,             /* `backend` is filled, under the folder of the migration; `other` has what it was made of */
};

struct record {
    char backend[RECORD_WORD];
    enum record_move move;
    char other[RECORD_WORD];
};

/* 1 and *R, 0 when there is none, or -1 with E. */
int record_read(const struct place *p, struct record *r, struct err *e);
/* Whole or not at all, and on the disk when it returns. */
int record_write(const struct place *p, const struct record *r, struct err *e);
int record_remove(const struct place *p, struct err *e);
/* Removes what is left of one whose writer was killed. */
void record_tidy(const struct place *p);

/* The text's form alone: 0, or -1. */
int record_parse(const char *text, struct record *r);

#endif
