/* Starts holdfast-copy (quota/copy) on mounted files, and hears it out. */
#ifndef QUOTA_COPIER_H
#define QUOTA_COPIER_H

#include <stdbool.h>
#include <stdint.h>

#include "quota/backend.h"
#include "sandbox/proto.h"

struct copied { uint64_t bytes, inodes, left_out; };

/* Told how far it is, and asked about every 200 ms whether to go on. */
typedef bool copier_fn(void *data, const struct copied *far);

/* A walk over the files mounted at FROM, and those at TO unless MODE is COPY_COUNT; both show D's owner's range.  0 and *C, or -1 with E:
   ECANCELED when FN said so.  Nothing runs any more when it returns. */
int copier_run(const struct disk *d, enum copy_mode mode, int from, int to, struct copied *c, copier_fn *fn, void *data, struct err *e);

#endif
