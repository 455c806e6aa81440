/* The server's word on itself: datagrams as sd_notify(3) sends them, to a socket that lies in its sandbox.  READY=1, STATUS=, STOPPING=1 and
   WATCHDOG=1 are heard; whatever else they say is passed over, and descriptors that come with them are closed by the kernel. */
#ifndef SHIM_NOTIFY_H
#define SHIM_NOTIFY_H

#include <stddef.h>

enum {
    NOTIFY_MESSAGE = 4096,               /* bytes; a longer one is dropped */
    NOTIFY_BURST = 64, NOTIFY_RATE = 20, /* messages at once, and a second; whoever sends more waits */
    NOTIFY_TELL = 1000,                  /* ms between two status texts that are passed on */
};

/* Hears NOTIFY_FD, if it is a socket. */
void notify_open(void);
void notify_close(void);
/* One message; SIZE bytes of whatever the server liked to send. */
void notify_take(const char *bytes, size_t size);

#endif
