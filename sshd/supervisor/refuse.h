/* How a connection is turned away: with one send, in words that SSH clients show.  Nothing of the client's is read. */
#ifndef SUPERVISOR_REFUSE_H
#define SUPERVISOR_REFUSE_H

#include <sys/socket.h>

#include "sshd/supervisor/super.h"

struct source;

enum refusal {
    REFUSE_NOT,
    REFUSE_PENALTY,         /* its source is refused */
    REFUSE_PER_SOURCE,      /* too many of its source are not logged in */
    REFUSE_EARLY,           /* too many at all are not logged in */
    REFUSE_FULL,            /* no slot is left */
    REFUSALS
};

/* Takes CLIENT over.  SRC may be NULL; MS is how long a penalty lasts still. */
void refuse(struct super *s, int client, const struct sockaddr_storage *from, struct source *src, enum refusal why, uint64_t ms);

#endif
