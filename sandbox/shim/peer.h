/* Who is connected: the supervisor, viewers, and those who have not said yet.  All are received leniently: a viewer's link is in the hands
   of a session, and no bad message may end the shim, since the server would end with it. */
#ifndef SHIM_PEER_H
#define SHIM_PEER_H

/* Takes over the supervisor's link and opens the door for others. */
void peers_open(void);

void supervisor_ready(void);
void supervisor_ended(void);
/* What the server says of itself has changed. */
void supervisor_status(void);

#endif
