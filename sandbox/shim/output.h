/* The server's stdout and stderr, or its terminal: read whoever watches and however slowly, and given to the log, to the detection of
   readiness and to the viewers.  Only past 256 MiB at once and 64 MiB a second does the server wait. */
#ifndef SHIM_OUTPUT_H
#define SHIM_OUTPUT_H

#include <stdbool.h>

void output_open(void);
/* True when all of it has been read to its end. */
bool output_at_end(void);
/* Reads no more: the server is gone, what still holds its pipes is not the server. */
void output_close(void);
/* A line of our own, for the log and the viewers. */
void output_word(const char *text);

#endif
