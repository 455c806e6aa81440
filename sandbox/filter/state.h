/* What a table of the packet filter holds, as entries that can be compared; and the way from one such state to another as text for libnftables.
   Pure.

   Why not simply a new table in place of the old, in one transaction?  Because packets do not see it as one.  A packet takes the list of hooks
   when it enters; each base chain asks for the generation by itself, and so does each look-up in a set.  So one packet may run the new chain in
   the old generation, where it is empty yet, then the old chain in the new one, where it is empty already; or an old rule finds no element where
   all were deleted under it: it passes though both tables forbid it.  Hence:
   - What stays is not touched: no chain that is in both states is deleted, no element that is in both is deleted or flushed.
   - A chain's rules are flushed and added in the one transaction.  Which of both a packet sees is settled when it enters the base chain, for
     all chains that it comes to from there; either are whole.
   - A set of a rule's own ("{ 53, 853 }") keeps its elements while the rule ends, a map of a rule's own does not: rules use maps by name.
   What is in one state only may be seen or not by a packet on its way, and either is right. */
#ifndef SANDBOX_FILTER_STATE_H
#define SANDBOX_FILTER_STATE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/buf.h"

/* In the order in which they come to be. */
enum entry_kind { ENTRY_SET, ENTRY_CHAIN, ENTRY_ELEMENT };

struct entry {
    enum entry_kind kind;
    char *in;      /* "set" or "map" (or another thing with a name, to be deleted); "chain"; the set's name */
    char *key;     /* its name; its name; the element as the kernel lists it */
    char *value;   /* what it is declared as; "HEAD\nRULE\n...", the head "" but for a base chain; what a map has there, or "".
                      NULL: it is there, as what is not known */
    bool flush;    /* of a set: it holds what is no entry */
};

struct state { struct entry *v; size_t n, room; };

#define STATE_FREE __attribute__((cleanup(state_free)))

void state_free(struct state *s);
/* Copies all; FMT NULL: of unknown value.  Returns the entry, valid until the next. */
struct entry *state_put(struct state *s, enum entry_kind kind, const char *in, const char *key, const char *fmt, ...) PRINTF(5, 6);
/* Takes the last ones back, down to N. */
void state_cut(struct state *s, size_t n);
/* The commands that turn BEFORE into AFTER, none for what is the same in both.  Sorts both.  Of two entries for the same, both are put: the
   kernel judges. */
void state_change(const char *table, struct state *before, struct state *after, struct buf *out);

#endif
