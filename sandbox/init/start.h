/* What the main process is to be: the fields of INIT_START. */
#ifndef INIT_START_H
#define INIT_START_H

#include <stdbool.h>

#include "base/msg.h"

struct start {
    char **argv, **env;   /* NULL-terminated, owned */
    char *directory;
    bool tty, tells;      /* enum init_how */
};

/* Receives INIT_START on LINK; dies when it is anything else, argv is empty, or a list is longer than the message could hold. */
void start_receive(int link, struct start *s);
/* The same fields, of M, which has no others. */
void start_get(struct msg *m, struct start *s);
void start_free(struct start *s);

#endif
