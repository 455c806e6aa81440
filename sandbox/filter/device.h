/* The host's end of a server that has ended.  The kernel removes it with the server's network namespace; but that lives on while a connection
   waits for a client that is silent, for minutes, and one that means harm is. */
#ifndef SANDBOX_FILTER_DEVICE_H
#define SANDBOX_FILTER_DEVICE_H

/* Opens the socket; before the locks.  Dies when it cannot. */
int device_open(void);
/* Harmless when there is none. */
void device_remove(int fd, const char *name);

#endif
