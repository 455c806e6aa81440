/* The host's ends of servers' links: taken away with the rules of a server that has ended. */
#ifndef SANDBOX_FILTER_IFACE_H
#define SANDBOX_FILTER_IFACE_H

#include "base/err.h"

/* A socket for iface_remove; before the locks.  Dies when there is none. */
int iface_open(void);
/* The kernel removes it by itself when the server's network namespace ends; but a connection that was not finished when the server was killed
   keeps that alive for minutes, and the interface with its addresses.  Harmless when it is gone.  0, or -1 with E. */
int iface_remove(int fd, const char *name, struct err *e);

#endif
