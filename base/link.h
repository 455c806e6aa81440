/* One end of a message socket on a loop: receives whole messages, sends without ever blocking the process. */
#ifndef BASE_LINK_H
#define BASE_LINK_H

#include "base/loop.h"
#include "base/msg.h"

struct link;

/* M is the handler's to read; it is freed afterwards (untaken descriptors are closed). */
typedef void link_msg_fn(void *data, struct link *l, struct msg *m);
/* The peer has gone, or would not read (QUEUE full), or (clients) sent rubbish.  Called once, from the loop; the handler
   calls link_free. */
typedef void link_gone_fn(void *data, struct link *l);

/* Messages had to wait and all of them are sent now: whoever held back may go on.  May call link_free. */
typedef void link_room_fn(void *data, struct link *l);

/* What had come has been given to `msg`, one or more; called before the loop goes on.  May call link_free. */
typedef void link_round_fn(void *data, struct link *l);

struct link_events {
    link_msg_fn *msg;
    link_gone_fn *gone;
    link_room_fn *room; /* NULL: not told */
    link_round_fn *round; /* NULL: not told */
    /* Messages of these types stay in the socket until `round` has returned, so that whoever has the socket after us finds what we had read and not
       yet made last.  NULL: none do.  With `client` only. */
    bool (*keep)(uint16_t type);
    bool client;        /* receive leniently: a bad message ends the link, not us */
    unsigned queue;     /* most unsent messages held; 0: 256 */
};

/* Takes FD over (made non-blocking).  EVENTS is kept by reference. */
struct link *link_new(struct loop *loop, int fd, const struct link_events *events, void *data);
/* Closes the descriptor and forgets unsent messages.  May be called from a handler of the link itself.  NULL is allowed. */
void link_free(struct link *l);
/* Sends M, or queues it; M is freed either way, its descriptors are duplicated when it must wait.  On failure `gone` is
   called from the loop, later.  Returns 0, or -1 when the link is already broken (M is freed as well). */
int link_send(struct link *l, struct msg *m);
/* From `msg`: once all that has come is read, does not look again for MS milliseconds, so that what comes meanwhile is read in one go.  It waits
   in the socket, where our own end does not lose it. */
void link_rest(struct link *l, unsigned ms);
/* Reads what has come, now, resting or not.  Nothing from within `msg` of the link itself. */
void link_wake(struct link *l);
/* Calls `round` for what was kept, and takes it out of the socket: before the socket is read by other ways. */
void link_settle(struct link *l);
/* Messages that wait for the peer to read. */
unsigned link_waiting(const struct link *l);
int link_fd(const struct link *l);
void *link_data(const struct link *l);

#endif
