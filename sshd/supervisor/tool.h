/* The admin's socket, RUN/holdfast.sock: root only, a verb a connection. */
#ifndef SUPERVISOR_TOOL_H
#define SUPERVISOR_TOOL_H

#include "sshd/supervisor/super.h"

int tool_open(struct super *s, struct err *e);
void tool_close(struct super *s);

#endif
