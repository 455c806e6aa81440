/* Sources in memory: found by hash, forgotten by heap, never more than SOURCES_MOST of IPv4 and as many of IPv6; so that who owns a large network of
   IPv6 cannot push out those of IPv4.  For source*.c and tests.

   When a family is full, the one goes that is not refused, has no connection, and would be forgotten first.  Those that are refused stay: filling
   the table ends nobody's penalty.  When only such are left, and those with connections, the new ones share one entry of the family, which counts
   and is refused as any other. */
#ifndef SUPERVISOR_SOURCE_TABLE_H
#define SUPERVISOR_SOURCE_TABLE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "sshd/supervisor/source.h"

enum { SOURCES_MOST = 65536, SOURCE_CHAINS = 32768 };

/* Times are of the monotonic clock, in ms; `since` alone is wall clock. */
struct source {
    struct source *next;        /* of its chain */
    uint64_t key;               /* IPv4: the address; IPv6: its first half */
    uint64_t until;             /* the penalties' end */
    uint64_t cool;              /* refused until then, for too many tries */
    uint64_t forget;            /* the tries are forgotten then */
    uint64_t end;               /* what its heap goes by */
    int64_t since;              /* when it was refused for `why` */
    uint32_t place;             /* in its heap */
    uint32_t changed_at;        /* in the list of those to be saved, from 1; 0: as saved */
    uint32_t refused;           /* connections turned away since */
    uint16_t pending;           /* connections not logged in */
    uint16_t held;              /* connections: each may still have to be punished at its end */
    uint16_t tries[TRY_KINDS];
    uint8_t why;                /* enum penalty */
    bool v6;
    bool in_force;              /* the penalties: more than penalty_min was accrued */
    bool shared;                /* of those that found no place; in no chain */
    bool exempt;
    struct heap *heap;          /* NULL: it may not be forgotten now */
};

struct heap { struct source **v; uint32_t n; };

struct family {
    struct source **chains;
    uint32_t n;
    struct heap counted, banned;
    struct source shared;
};

struct sources {
    struct family families[2];  /* IPv4, IPv6 */
    uint64_t salt[3];
    uint32_t most;              /* there were at once since memory was last given back */
    struct source exempt;       /* all connections of exempt networks */
    struct source **changed;    /* owned */
    uint32_t nchanged, most_changed;
};

struct sources *sources_new(void);
void sources_free(struct sources *t);
/* Forgets who has served by NOW. */
void sources_settle(struct sources *t, uint64_t now);
/* NULL: nothing is known.  While the family has no place for another, unknown ones are found in the shared entry. */
struct source *sources_find(struct sources *t, bool v6, uint64_t key, uint64_t now);
/* The same, made if it is not there; it may be forgotten at once unless it has a connection or something to remember. */
struct source *sources_need(struct sources *t, bool v6, uint64_t key, uint64_t now);
/* After a change of SRC: it goes where its times and counts put it, or away. */
void sources_place(struct sources *t, struct source *src, uint64_t now);
bool source_banned(const struct source *src, uint64_t now);
uint64_t source_ban_end(const struct source *src);
/* In the list of those to be saved; it stays until sources_saved. */
void sources_change(struct sources *t, struct source *src);
void sources_saved(struct sources *t, struct source *src, uint64_t now);
/* All there are, for lists; FN must not change any. */
void sources_each(struct sources *t, void (*fn)(void *data, struct source *src), void *data);

#endif
