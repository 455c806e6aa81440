/* A packaged tool, run as root: no shell, a fixed environment, a bound in time and in what it may say. */
#ifndef QUOTA_COMMAND_H
#define QUOTA_COMMAND_H

#include "base/err.h"

struct command {
    const char *const *folders;     /* where ARGV[0] is looked for, NULL at the end */
    const char *const *argv;        /* NULL at the end */
    const char *package;            /* what to install when it is in none of them */
    unsigned seconds;               /* then it is killed */
};

enum { COMMAND_OUT = 4096 };

struct said {
    int code;                       /* exit code */
    char out[COMMAND_OUT];          /* what it wrote to stdout */
    char why[256];                  /* the beginning of its stderr, on one line, of printable characters */
};

/* Runs it to its end; stdin is /dev/null, and it has no other descriptor of ours.  0 with S, whatever its exit code; or -1 with E: not found (ENOENT), not done in
   time (ETIME), killed, or it said more than fits, or a NUL (EOVERFLOW).  Kill the caller and it is killed too. */
int command_run(const struct command *c, struct said *s, struct err *e);

#endif
