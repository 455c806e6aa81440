/* One errand, as the files that make them run share it: errand.c has their list, their limits and their end; errand_start.c starts one in a sandbox of
   its own; shell.c one in the sandbox of a server that runs. */
#ifndef SUPERVISOR_ERRAND_RUN_H
#define SUPERVISOR_ERRAND_RUN_H

#include "sshd/supervisor/errand.h"

enum { ERRAND_PIPE_BYTES = 256 * 1024 };

struct errand;

/* What there are errands for. */
struct errand_kind {
    const char *program;
    uint32_t seconds;                           /* it may run */
    const char *(*refusal)(const struct conf_server *c);   /* why there is none on C's server at all, whoever asks; NULL: there is */
};

/* All the session has of it; the rest of the pipes is the program's.  -1: not there. */
struct ends { int in, out, err, status; };

struct errand {
    struct errand *next;
    struct super *super;
    struct server *server;
    const struct errand_kind *kind;
    char account[NAME_MOST + 1];
    char address[64];           /* of the session's client */
    uint64_t session;
    uint32_t order, number;
    uint32_t needs;             /* rights without which it ends */
    struct link *shim;          /* its launch's first; NULL until the disk is up */
    struct link *status;        /* the session's; NULL when it has let go */
    char why[100];              /* it was ended by us */

    /* Of a shell. */
    char *words;                /* of the order: TERM and the command; owned; NULL: it is none */
    bool terminal;
    uint32_t columns, rows;
    bool joined;                /* in the server's own sandbox, in a group of its own there */
    bool answered;              /* the session has it */
    struct ends ends;           /* until then */
    int stdio[3];               /* the program's, until it has them */
    struct link *job;           /* launch, while it makes the terminal */
    struct timer *wall;
};

/* What its shim may say. */
struct errand_word {
    uint16_t type;
    void (*take)(struct errand *r, struct msg *m);
};
void errand_word(struct errand *r, const struct errand_word *table, size_t n, struct msg *m);
/* It is over, and nothing of it is left: tells the session, or answers the order, and forgets it. */
void errand_finish(struct errand *r, uint32_t code, uint32_t sig);
/* Ends it, for the first reason given.  Its end is told later, by its shim. */
void errand_end(struct errand *r, const char *why);
/* The reason that its time is over, unless there is one already. */
void errand_too_long(struct errand *r);
/* The order is answered with CODE, and R forgotten. */
void errand_refuse(struct errand *r, int code, const char *why);
/* The order is answered with what R->ends has. */
void errand_answer(struct errand *r);
/* Why R may not go on: asked again when the disk is there, and after each change of the configuration; NULL: it may. */
const char *errand_unfit(const struct errand *r);
/* Fills R->ends and R->stdio (without a terminal, the link's ends only: its stdio stays -1).  0, or -1 with E. */
int errand_pipes(struct errand *r, struct err *e);
void errand_close(struct errand *r);   /* R->ends and R->stdio */

/* errand_start.c: in a sandbox of its own.  Answers the order. */
void errand_start(struct errand *r);
void errand_change_limits(const struct errand *r);
/* shell.c: in the server's. */
void shell_join(struct errand *r);
void shell_kill(struct errand *r);
void shell_gone(struct errand *r);      /* its group goes */
void shell_change_limits(const struct errand *r);

#endif
