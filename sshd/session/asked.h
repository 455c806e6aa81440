/* What a client asks of a channel before anything runs on it: a terminal, an environment, and then one thing to run.  channel.c's own. */
#ifndef SESSION_ASKED_H
#define SESSION_ASKED_H

#include <stdbool.h>

#include "sshd/proto.h"
#include "sshd/session/conn.h"

struct channel;

enum asked_what { ASKED_NOTHING, ASKED_SFTP, ASKED_EXEC, ASKED_REFUSED, ASKED_STARTED };

struct asked {
    struct session *s;
    enum asked_what what;
    char *command;                     /* owned */
    bool terminal;
    unsigned columns, rows;
    char term[TERM_MOST + 1];          /* "": none that we pass on */
};

/* Fills in the requests of K, whose userdata is the channel. */
void asked_callbacks(struct ssh_channel_callbacks_struct *k);
/* As the client says it; what is out of bounds is made to fit. */
void asked_size(struct asked *a, int columns, int rows);
/* There is something to be started that was not. */
bool asked_waits(const struct asked *a);
/* Starts it on C, which is A's.  Once. */
void asked_start(struct asked *a, struct channel *c);
void asked_free(struct asked *a);

/* channel.c */
struct asked *channel_asked(struct channel *c);
bool channel_closed(const struct channel *c);       /* by the client */

#endif
