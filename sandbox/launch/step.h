/* A launch as a list of steps.  The list is built from the plan without a look at the system (sequence.c), printed by `holdfast-launch -n`, and
   walked by two processes, each taking the steps that are its own.  What is not in the list is not done.

   A new step: a function, a verb with its name, and in the file's `..._steps` a row with its parameters. */
#ifndef SANDBOX_LAUNCH_STEP_H
#define SANDBOX_LAUNCH_STEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct run;
struct child;
struct step;

/* Does step S.  0, or -1 with errno; or with E filled, when the verb's name and what S is about do not say enough. */
typedef int host_fn(struct run *r, const struct step *s, struct err *e);
typedef int child_fn(struct child *c, const struct step *s, struct err *e);

struct bit { uint64_t bits; const char *name; };

/* One of HOST and CHILD says whose step it is: launch's, or that of the sandbox's first process. */
struct verb {
    const char *name;
    host_fn *host;
    child_fn *child;
    const struct bit *bits;   /* of a step's flags, for the reader; the last has no name */
    const char *number;       /* in front of a step's number, for the reader; NULL: it has none */
    bool inside;              /* AT is a path below the new root, without its leading slash */
};

struct step {
    const struct verb *verb;
    const char *at;           /* what it is about: a path, a name */
    const char *from;         /* a source: a kind of file system, a path, what a link says; NULL: none */
    const char *with;         /* how: options as the kernel takes them, contents; NULL: nothing to say */
    uint64_t flags, number;
    int tolerates;            /* an errno with which the launch may go on; 0: none */
};

struct steps {
    struct step *each;
    size_t n, room;
    char **texts;             /* made for a row */
    size_t ntexts;
};

void step_add(struct steps *l, struct step s);
/* TEXT, from malloc, lives as long as the list from now on.  Returns it. */
const char *step_text(struct steps *l, char *text);
void steps_free(struct steps *l);
/* One a line: host or child, verb, what it is about, from=SOURCE, [flags], "how", number, or=ERRNO that it may end with. */
void steps_print(const struct steps *l, struct buf *b);

/* When the function of S has returned -1: 0 if the launch may go on, or -1 with E filled. */
int step_failed(const struct step *s, struct err *e);

#endif
