/* The sums of a tree, kept while it changes: each directory known with what stands in it, watched by inotify, and looked at again when something
   there changed.

   Bounded: at most `watches` directories are known; what is beneath further ones belongs to the nearest known above and is looked at at each
   reconcile.  A watch tells once and is then gone until its directory was looked at, so a storm of writes is one event a directory.  Where the
   queue overflowed, or inodes with several names are involved, all is counted anew.  What is written through a mapping makes no event: the
   full count finds it. */
#ifndef COUNT_KEEP_H
#define COUNT_KEEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct keep_sums { uint64_t bytes, inodes, unseen, twice; };

struct keep;

/* ROOT stays the caller's.  Counts nothing yet. */
struct keep *keep_new(int root, unsigned watches);
void keep_free(struct keep *k);
/* Readable when something has changed; another one after keep_look. */
int keep_fd(const struct keep *k);
/* Takes what inotify has to say.  Never blocks. */
void keep_drain(struct keep *k);
/* Whether keep_look would find anything to do. */
bool keep_dirty(const struct keep *k);
/* A reconcile: what is beneath directories without a watch is dirty now, or, ALL, everything. */
void keep_doubt(struct keep *k, bool all);
/* Looks at what is dirty.  0, or the errno of the root: it cannot be read. */
int keep_look(struct keep *k, struct keep_sums *s);

#endif
