/* What the kernel tells about a server's control group: limits in force and use. */
#ifndef SUPERVISOR_USAGE_H
#define SUPERVISOR_USAGE_H

#include "base/buf.h"
#include "sshd/supervisor/server.h"

/* A line each, "limit FILE VALUE" and "use NAME NUMBER"; JSON: two members with an object each, a comma before each. */
void usage_put(const struct server *v, bool json, struct buf *b);

/* Bytes that V has received and sent since it was started: what its end of the network on the host has counted; 0 without one. */
void usage_net(const struct server *v, uint64_t *received, uint64_t *sent);
/* The number NAME of those of usage_put; false when the kernel does not tell it. */
bool usage_value(const struct server *v, const char *name, uint64_t *number);

/* The number behind WORD at the start of one of TEXT's lines, with a space between; at the start of TEXT when WORD is "".  False when there
   is none.  TEXT may be NULL. */
bool usage_number(const char *text, const char *word, uint64_t *number);
/* The number behind WORD, as "rbytes=", in the line of device MAJOR:MINOR. */
bool usage_device(const char *text, unsigned major, unsigned minor, const char *word, uint64_t *number);

#endif
