/* A program of the supervisor's that runs for one command: its stdio, and the link that tells of its end and is its life. */
#ifndef SESSION_ERRAND_H
#define SESSION_ERRAND_H

#include "sshd/session/exec.h"

struct errand;

struct errand_end {
    uint32_t code, signal;    /* of the program; code 126 or 127: it may not have run */
    const char *why;          /* the supervisor ended it; "" it did not */
};

struct errand_kind {
    const char *name;         /* of the program, for the person */
    uint64_t idle_ms;         /* without a byte either way; then it is ended */
    /* Its end, after all it said: ends the command. */
    void (*ended)(struct exec *x, const struct errand_end *end);
};

/* Takes the descriptors of M, an answer to OP_RSYNC or OP_SHELL: of a program on a TERMINAL its master and the link, else stdin, stdout, stderr and the link; msg_end's M.
   FIRST as of relay_new.  KIND is kept by reference.  From then on X's input, input_end, room and resize are the errand's; errand_free before the end of X. */
struct errand *errand_new(struct exec *x, struct msg *m, bool terminal, const struct buf *first, const struct errand_kind *kind);
void errand_free(struct errand *r);   /* NULL is allowed */

size_t errand_input(struct errand *r, const uint8_t *bytes, size_t size);
void errand_input_end(struct errand *r);
void errand_room(struct errand *r);
void errand_resize(struct errand *r, unsigned columns, unsigned rows);

#endif
