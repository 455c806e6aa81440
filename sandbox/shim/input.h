/* The server's stdin: what was typed waits here, bounded, until the server reads it. */
#ifndef SHIM_INPUT_H
#define SHIM_INPUT_H

#include <stdbool.h>
#include <stddef.h>

enum input_result { INPUT_TAKEN, INPUT_FULL, INPUT_CLOSED };
enum { INPUT_MOST = 64 * 1024 };

/* FD is the pipe or the terminal's master, made non-blocking; not owned. */
void input_open(int fd);
/* All of SIZE bytes or none. */
enum input_result input_add(const void *bytes, size_t size);
/* Whether what is typed now is, or may be, kept off the screen: the server's terminal does not echo, or typed bytes still wait for it. */
bool input_hidden(void);
/* A line of ours: never refused for want of room, what viewers typed and the server has not read gives way. */
void input_line(const char *text);
/* The server has ended. */
void input_close(void);

#endif
