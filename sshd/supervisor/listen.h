/* The listening sockets and what may come in. */
#ifndef SUPERVISOR_LISTEN_H
#define SUPERVISOR_LISTEN_H

#include "sshd/supervisor/super.h"

/* Opens every address of listen.address.  All or none: -1 with E.  Harmless for those already open; closes those no longer named. */
int listen_open(struct super *s, struct err *e);
/* Accept or leave in the backlog. */
void listen_accept(struct super *s, bool on);
void listen_close(struct super *s);
/* Checks that TEXT is ADDRESS:PORT; fills the address.  0 or -1 with E. */
int listen_parse(const char *text, struct sockaddr_storage *address, socklen_t *size, struct err *e);

#endif
