/* The sandbox's network: a veth pair with a /30 and a /126, or only loopback, which stays down.  Spoken to the kernel directly (rtnetlink). */
#ifndef SANDBOX_LAUNCH_NET_H
#define SANDBOX_LAUNCH_NET_H

#include "sandbox/launch/plan.h"

/* On the host: makes the pair, its end named and addressed as in the plan and up, the other as eth0 in the network namespace NET.
   An interface that has the name already (left by a sandbox whose namespace the kernel has not finished with) is removed first.
   0, or -1 with E. */
int net_host_up(const struct plan *p, int net, struct err *e);
/* Removes the pair if it is there. */
void net_host_down(const struct plan *p);
/* A socket that speaks for the network namespace it was made in, whoever holds it.  -1 with errno. */
int net_socket(void);
/* By such a socket FD of the sandbox: loopback up; with a private network eth0 too, and the host as the way out.  0, or -1 with E. */
int net_inside_up(const struct plan *p, int fd, struct err *e);

#endif
