/* What the kernel holds, out of libnftables' listing of the table: after an earlier life's filter, or an admin.  Pure. */
#ifndef SANDBOX_FILTER_HELD_H
#define SANDBOX_FILTER_HELD_H

#include "base/err.h"
#include "sandbox/filter/state.h"

/* Puts into OUT each set, chain and element, sets and chains as of unknown value: rules are not read.  A set with elements that we never make
   (with a comment, say) is to be flushed, and has no elements in OUT.  One that packets fill has none either, and is to be flushed if an element
   does not end in FILLED.  -1 with E where there is something that cannot be taken out by its name. */
int held_read(const char *listing, const char *filled, struct state *out, struct err *e);

#endif
