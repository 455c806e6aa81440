/* Moves a server's files from one backend to another.  The files are mounted, both at once, in a mount namespace of the job's own: nobody else sees
   them, and a job that is killed leaves no mount.

   What is on the disk at each time, and what the next call for that server does about a job that did not come to its end:

       record "backend A"                  nothing was done yet, or all was undone
       record "backend A, new B"           B is being filled and compared, under the folder ".NAME.new"
                                           -> what B has there is deleted, record "backend A": undone
       record "backend B, old A"           B's files are whole and on the disk: from here on they are the server's
                                           -> A's are deleted, B's are renamed to NAME, record "backend B": completed
       record "backend B"                  done

   Each record replaces the one before by a rename, behind a sync of what it speaks of. */
#ifndef QUOTA_MIGRATE_H
#define QUOTA_MIGRATE_H

#include "quota/backend.h"
#include "quota/copier.h"
#include "quota/place.h"

struct migration {
    const char *to;             /* word */
    bool dry;                   /* only look whether it can be done */
    bool (*tell)(void *data, const char *what, const struct copied *far);   /* false: give up */
    void *data;
    /* Answered */
    const char *from;           /* word; NULL when the server has no files */
    struct copied moved;        /* dry: what would be */
    uint64_t free;              /* bytes of the machine's disk */
    char note[300];             /* "", or what could not be cleaned up yet */
};

/* The files of D, which is not mounted, go to M->to, with D's limits.  0; or -1 with E, and everything is as it was.  D's backend is what is
   configured: it must allow M->to. */
int disk_migrate(struct disk *d, struct migration *m, struct err *e);

/* Ends what an earlier job left undone or incomplete; P is locked, and not mounted if it left anything. */
int migrate_settle(const struct place *p, const struct disk *d, struct err *e);

#endif
