/* The main process: made, or the reason why not. */
#ifndef INIT_SPAWN_H
#define INIT_SPAWN_H

#include <sys/types.h>

#include "base/attr.h"
#include "sandbox/init/start.h"

/* What the child writes when it cannot become the program; an end without it means that the program runs. */
struct spawn_failure {
    int no;
    char step[160];
};

/* As a shell would say it. */
enum { CODE_CANNOT = 126, CODE_MISSING = 127 };

struct spawned {
    pid_t pid;
    int report;   /* readable when the child has executed (end of file) or failed (a struct spawn_failure) */
};

/* Forks the main process as leader of a session of its own.  It gets descriptors 0, 1 and 2 and nothing else.  Dies when the system has
   no process or pipe to give. */
struct spawned spawn(const struct start *s);
/* The child's part: a session of its own, the terminal, the program.  What goes wrong is written to REPORT. */
NORETURN void become(const struct start *s, int report);

#endif
