/* Conversations that the kernel keeps from before the rules changed.  Where a packet goes is decided once for each; a client that kept asking
   (over UDP it may) while a port was another's or nobody's would be sent there for as long as it asks. */
#ifndef SANDBOX_FILTER_TRACK_H
#define SANDBOX_FILTER_TRACK_H

#include <stdint.h>

#include "base/net.h"

/* Whose UDP port it is now: its addresses, of both families (0 bits: none), or NULL. */
typedef const struct net *track_fn(const void *data, uint16_t port);

/* Opens the socket; before the locks.  Dies when it cannot. */
int track_open(void);
/* Forgets UDP conversations with PORT (0: any that has an owner) that were led elsewhere: to another server, or to the host itself, which did
   not answer.  POOLS: two, of the servers' addresses. */
void track_forget(int fd, uint16_t port, const struct net *pools, track_fn *owner, const void *data);

#endif
