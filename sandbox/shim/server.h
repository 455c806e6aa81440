/* The server's life, through its init: started, ready, asked to stop, killed, ended. */
#ifndef SHIM_SERVER_H
#define SHIM_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/conf.h"

void server_open(void);
/* It said that it is up (from ready.c). */
void server_ready(void);
/* An output came to its end (from output.c). */
void server_drained(void);
/* Asks it to end by LINE or by SIGNAL, and kills it MS later.  Asked again, the later time-out counts.  BY: who wants it, "" unknown. */
void server_stop(enum conf_how_kind kind, uint32_t signal, const char *line, uint64_t ms, const char *by);
/* At once, everything of it. */
void server_kill(const char *by);
/* M goes to init, and is freed.  False: there is none any more, or the main process has ended. */
struct msg;
bool server_tell(struct msg *m);
/* A sign of life (from notify.c); and whether the watchdog counts. */
void server_lives(void);
void server_watch(bool on);

#endif
