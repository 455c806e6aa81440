/* holdfast-count, from the supervisor's side: one count that answers and ends, or one that stays with a disk the kernel does not count and keeps
   its ledger, the gate's page.  It runs as the server's uid, looks at nothing but the server's files, and is ended before the disk goes. */
#ifndef SUPERVISOR_COUNT_H
#define SUPERVISOR_COUNT_H

#include "sshd/supervisor/server.h"

struct count;

struct counted {
    uint64_t bytes, inodes;
    uint64_t unseen;        /* directories that were not wholly seen */
    uint64_t twice;         /* names counted although they may have been before */
    const char *why;        /* it failed; NULL */
};
typedef void count_fn(void *data, const struct counted *c);

/* Counts V's files, whose disk is up; FN is told from the loop, once, unless count_end comes first.  NULL with E. */
struct count *count_once(struct server *v, count_fn *fn, void *data, struct err *e);
/* Counts V's files as long as its disk is up; started again when it dies, later each time. */
struct count *count_keep(struct server *v);
/* NULL is allowed. */
void count_end(struct count *c);
/* Whether the ledger has been set at all: until then nothing is known. */
bool count_known(const struct count *c);

#endif
