/* What a server's disk holds, by whoever knows it there (usage_kind of sshd/proto.h): server_disk_used of server.h, and what has to run for that
   while the disk is up. */
#ifndef SUPERVISOR_USAGE_DISK_H
#define SUPERVISOR_USAGE_DISK_H

#include "sshd/supervisor/server.h"

/* V's disk has come up, its gate is there and V->usage says who knows; and it is about to go down. */
void usage_begin(struct server *v);
void usage_end(struct server *v);

/* What a full count finds and the limits do not count, as V's disk is made; WORDS are static, "" for nothing. */
struct usage_apart { uint64_t bytes, inodes; const char *words; };
struct usage_apart usage_apart(const struct server *v);

#endif
