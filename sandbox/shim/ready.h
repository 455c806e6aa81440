/* Is the server up?  Told once, by what the configuration says: a line of output, a port that answers, its own word, or its mere start. */
#ifndef SHIM_READY_H
#define SHIM_READY_H

#include <stdint.h>

#include "sandbox/shim/journal.h"

/* KIND is one of enum conf_how_kind (base/conf.h).  ADDRESS is the server's, "" when it has no network.  Dies when they do not go
   together. */
void ready_plan(int kind, int port, const char *text, const char *address);
/* The TCP port that will be tried; 0: none. */
uint16_t ready_port(void);
/* The main process runs. */
void ready_started(void);
void ready_output(enum source from, const uint8_t *bytes, size_t size);
/* It said READY=1 (from notify.c). */
void ready_notified(void);
/* No more waiting: it is up, or it has ended. */
void ready_over(void);

#endif
