/* Which backend a server's files are on, or are to be on. */
#ifndef QUOTA_CHOOSE_H
#define QUOTA_CHOOSE_H

#include "quota/backend.h"
#include "quota/place.h"

/* The one that has the files at P: 1 and *B; 0 when there are none; -1 with E. */
int choose_found(const struct place *p, const struct backend **b, struct err *e);
/* The one for D: *B, and in *FRESH whether it is to make the files.  0, or -1 with E when there is none, or the files are on another one. */
int choose_for(const struct place *p, const struct disk *d, const struct backend **b, bool *fresh, struct err *e);
/* Whether D may have its files on B: 0, or -1 with what to do. */
int choose_allowed(const struct disk *d, const struct backend *b, struct err *e);

/* What `auto` takes; NULL when nothing fits.  SAY (may be NULL) is told of each that was tried, with WHY it does not fit, or "". */
typedef void choose_fn(void *data, const struct backend *b, const char *why);
const struct backend *choose_auto(const struct place *p, const struct disk *d, choose_fn *say, void *data);

#endif
