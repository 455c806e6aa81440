/* A file a worker has opened for us, and what of the disk is paid for in it: no byte is written that was not charged before.  SFTP's handles
   and what else writes files share it. */
#ifndef SESSION_OUTFILE_H
#define SESSION_OUTFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/msg.h"

struct files;
struct refill;

struct outfile {
    struct files *files;    /* whose worker has it open; borrowed, must outlive this; NULL: has gone */
    uint32_t number;        /* the worker's */
    int fd;                 /* owned; -1: none */
    uint64_t high;          /* writes below need no lease; whole blocks */
    uint64_t end;           /* where the file ends, as far as we know */
    uint64_t lease;         /* bytes that may be written above */
    uint64_t written;       /* bytes, those written twice twice */
    bool made;              /* by its open */
    bool append;            /* the kernel writes at the end, wherever that is by then; its owner says so */
    bool plenty;            /* the last that was granted was much */
    struct refill *refill;  /* asked for ahead and not yet answered; NULL: nothing is */
};

/* Why a write is refused: status FX_OK, nothing has been yet; else the SFTP status, and words for the client. */
struct refusal {
    uint32_t status;
    char text[256];
};
void refuse(struct refusal *r, uint32_t status, const char *text);   /* TEXT is cut to what fits */

/* Fills O from the fields of an answer to FILES_OPEN, all of which are taken; earlier content is not looked at. */
void outfile_opened(struct outfile *o, struct files *files, struct msg *answer);
/* Where a write that appends would go now. */
uint64_t outfile_end(struct outfile *o);
/* Pays for a write of SIZE bytes at OFFSET (at most INT64_MAX - UINT32_MAX).  Returns how many of them fit: UINT32_MAX for all, 0 with R when
   it is refused.  Writing over what has its blocks costs nothing, and what was still out for the file goes back.  May ask the worker and wait for it, and answers to other questions come meanwhile: O must outlive that, and is not touched
   afterwards if the worker has gone. */
uint32_t outfile_charge(struct outfile *o, uint64_t offset, uint32_t size, struct refusal *r);
/* Writes what was charged.  False with R; some of it may have been written then.  May wait as outfile_charge does. */
bool outfile_write(struct outfile *o, const uint8_t *bytes, size_t size, uint64_t offset, struct refusal *r);
/* R gets the words of a full disk, for bytes that did not fit.  Waits as outfile_charge does. */
void outfile_full(struct outfile *o, struct refusal *r);
/* The file has been cut, or made longer, to SIZE bytes: above them nothing is paid for any more, and what was out goes back. */
void outfile_resized(struct outfile *o, uint64_t size);
/* The worker has taken the lease back, or is gone. */
void outfile_spent(struct outfile *o);
/* Closes it here and in the worker, which gets back what is left of the lease.  Waits for nothing. */
void outfile_close(struct outfile *o);

#endif
