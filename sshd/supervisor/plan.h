/* The plan of a sandbox, written as the message launch reads (sandbox/proto.h). */
#ifndef SUPERVISOR_PLAN_H
#define SUPERVISOR_PLAN_H

#include "sshd/supervisor/server.h"

/* Fills M; FDS (root of the files, log folder, listening socket, root of the image or -1, cgroup folder or -1, filter or -1) are borrowed.  0 or -1 with E. */
int plan_write(const struct server *v, const struct conf_server *c, struct msg *m, const int fds[6], struct err *e);
/* The same without descriptors, for launch -n: to be printed, not run. */
int plan_write_dry(const struct server *v, const struct conf_server *c, struct msg *m, struct err *e);
/* An errand that runs by C's limits, and its command unless it is a shell. */
struct plan_errand {
    bool writes;
    uint32_t seconds;                      /* it may run */
    const char *words;                     /* of a shell, as of OP_SHELL; NULL: it is none */
    uint32_t columns, rows;                /* of its terminal */
    int root, image, group, filter;        /* borrowed; all but the first may be -1 */
    const int *stdio;                      /* three; -1 with a terminal */
};
int plan_write_errand(const struct server *v, const struct conf_server *c, const struct plan_errand *r, struct msg *m, struct err *e);
/* What a shell is to be, as the fields of INIT_START: WORDS as of OP_SHELL. */
void plan_put_shell(const struct server *v, const struct conf_server *c, const char *words, bool terminal, struct msg *m);

#endif
