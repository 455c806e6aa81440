/* The server's life, through its init: started, ready, asked to stop, killed, ended. */
#ifndef SHIM_SERVER_H
#define SHIM_SERVER_H

#include <stdint.h>

#include "base/conf.h"

void server_open(void);
/* It said that it is up (from ready.c). */
void server_ready(void);
/* An output came to its end (from output.c). */
void server_drained(void);
/* Asks it to end by LINE or by SIGNAL, and kills it MS later.  Asked again, the later time-out counts. */
void server_stop(enum conf_how_kind kind, uint32_t signal, const char *line, uint64_t ms);
/* At once, everything of it. */
void server_kill(void);

#endif
