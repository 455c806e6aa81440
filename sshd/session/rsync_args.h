/* What the rsync of a client asks its far end to be run with, held against the one list of what it may ask.  Pure. */
#ifndef SESSION_RSYNC_ARGS_H
#define SESSION_RSYNC_ARGS_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/name.h"

enum { RSYNC_LIST_MOST = 128 * 1024 };

struct rsync_args {
    const char *home;                   /* the server of ACCOUNT+SERVER, or NULL; borrowed */
    char server[NAME_MOST + 2];         /* that the paths are in; "" until one was seen */
    bool sender;                        /* files go to the client */
    bool writes;                        /* the server's files may change */
    bool secluded;                      /* -s: the rest of the arguments comes over stdin */
    bool dot;                           /* options are over */
    unsigned npaths;
    struct buf options, paths;
    char *why;                          /* what was wrong; owned, NULL while all is well */
};

void rsync_args_init(struct rsync_args *a, const char *home);
void rsync_args_free(struct rsync_args *a);
/* Takes WORDS (NULL-terminated, behind the word "rsync").  MARKED: as conf_words_marked has them; else as they are.  A secluded client's come
   in two calls: what stood on the command line, then what came over stdin.  False with `why`. */
bool rsync_args_add(struct rsync_args *a, char *const *words, bool marked);
/* When all were taken: what `rsync --server -s` in /home is to read on its stdin, in LIST.  False with `why`. */
bool rsync_args_end(struct rsync_args *a, struct buf *list);

#endif
