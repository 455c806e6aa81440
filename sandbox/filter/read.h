/* The supervisor's messages as settings and servers.  It is trusted to mean well, not to be free of mistakes: nothing that is not what it
   should be gets into the text of the rules. */
#ifndef SANDBOX_FILTER_READ_H
#define SANDBOX_FILTER_READ_H

#include "base/err.h"
#include "base/msg.h"
#include "sandbox/filter/rules.h"

struct start {
    uint32_t level;      /* of the log */
    uint32_t servers;    /* that follow */
};

/* FILTER_START.  0, or -1 with E; free either way. */
int read_settings(struct msg *m, struct settings *s, struct start *start, struct err *e);
void settings_free(struct settings *s);
/* FILTER_SET.  The server, or NULL with E. */
struct server *read_server(struct msg *m, struct err *e);
void server_free(struct server *v);

#endif
