/* What can be typed where the cursor stands: from the tables of verbs and options, and the servers that the account may see.  Pure. */
#ifndef SESSION_COMPLETE_H
#define SESSION_COMPLETE_H

#include <stddef.h>

#include "sshd/session/session.h"

struct completions {
    size_t from;            /* where the word begins in the line */
    char **words;           /* owned; quoted as a line wants it, with the space or slash that goes behind */
    size_t n;
    char *folder, *prefix;  /* owned; not NULL: names in FOLDER that begin with PREFIX are wanted, to be added with completions_name */
};

/* LEFT: the line up to the cursor.  SERVERS: N of them.  C is overwritten. */
void complete(const char *left, const struct server_right *servers, size_t n, struct completions *c);
/* The name of a file in C's folder, DIRECTORY or not, if it is one that is wanted and can be typed. */
void completions_name(struct completions *c, const char *name, bool directory);
void completions_sort(struct completions *c);    /* and each once */
void completions_free(struct completions *c);

#endif
