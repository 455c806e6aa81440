/* Sources in the database: read page by page at the start, written behind in batches, one under way at a time, so that what a flood changes while
   one is being written is the next one.  A ban is written at once, other changes within SOURCE_KEEP_MS, all at an orderly end.

   Clocks: memory counts in monotonic time; a row says when it was written (wall clock) and how much was left then.  A clock that was set back in
   between makes a term begin anew, once: the row is written again with the time that it is now. */
#ifndef SUPERVISOR_SOURCE_KEEP_H
#define SUPERVISOR_SOURCE_KEEP_H

#include "base/msg.h"
#include "sshd/supervisor/source_table.h"

enum { SOURCE_KEEP_MS = 2000 };

/* SRC of the table as a row: what is left of it at NOW. */
struct source_row {
    bool v6;
    uint64_t key;
    int64_t saved, since;               /* wall ms */
    uint64_t penalty, cool, tries;      /* ms left */
    bool in_force;
    uint32_t keys, passwords, why, refused;
};
void source_row_of(const struct source *src, uint64_t now, int64_t wall, struct source_row *row);
/* Puts ROW into the table, unless nothing is left of it at WALL; no term is longer than MOST (penalties) and COOLDOWN. */
void source_row_take(struct sources *t, const struct source_row *row, uint64_t now, int64_t wall, uint64_t most, uint64_t cooldown);

/* The list of changed ones has grown; BANNED: at once. */
void source_keep(struct super *s, bool banned);
/* The store runs.  THEN is called when the table is as the database has it; at once but for the first time. */
void source_load(struct super *s, void (*then)(struct super *s));
/* Its answers, and its death. */
void source_take_rows(struct super *s, struct msg *m);
void source_take_saved(struct super *s, struct msg *m);
void source_keeper_lost(struct super *s);
/* The daemon ends: writes what is left, within a bound of time. */
void source_keep_all(struct super *s);

#endif
