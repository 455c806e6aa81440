/* Shells beside the main process: children of init as that is, and so with its rights exactly, landlock's domain included. */
#ifndef INIT_SHELL_H
#define INIT_SHELL_H

#include <sys/types.h>

#include "base/msg.h"

/* INIT_SHELL: makes a process that waits, and tells of it, or why there is none. */
void shell_make(struct msg *m);
/* INIT_SHELL_GO: it becomes its program, or ends. */
void shell_go(struct msg *m);
/* PID was reaped with STATUS: told, if it was a shell. */
void shell_ended(pid_t pid, int status);

#endif
