/* A terminal of a sandbox's own devpts, so that its name there and its number are the sandbox's. */
#ifndef SANDBOX_LAUNCH_TERMINAL_H
#define SANDBOX_LAUNCH_TERMINAL_H

#include <stdint.h>

/* In the sandbox's mount namespace, as root of its user namespace: a new one of that size (0: none is said), its slave the server's.  Returns the master and sets *SLAVE, both owned by the caller and
   close-on-exec; or -1 with errno (ENOSPC: all that there may be are in use). */
int terminal_open(uint16_t columns, uint16_t rows, int *slave);

#endif
