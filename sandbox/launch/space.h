/* The server's network namespace, made by launch while the server's first process makes its tree: for the kernel it is as much work as all
   other namespaces and half of the mounts. */
#ifndef SANDBOX_LAUNCH_SPACE_H
#define SANDBOX_LAUNCH_SPACE_H

#include <stdint.h>

#include "base/err.h"

/* Makes one that belongs to the user namespace USERS and has nothing in it but a loopback that is down.  FLAGS: CLONE_NEWUSER |
   CLONE_NEWNET.  0 with an rtnetlink socket in it in *ROUTE and the namespace in *NET, both close-on-exec and the caller's; or -1 with E filled. */
int space_make(int users, uint64_t flags, int *route, int *net, struct err *e);

#endif
