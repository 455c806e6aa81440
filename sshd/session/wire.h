/* The client's socket as libssh sees it: memory.  This program defines recv, send and poll itself (the dynamic linker gives them to libssh as
   well, see wire.c); on the one descriptor named here they are answered from two buffers, and the main loop alone moves bytes between the
   buffers and the socket.  So libssh never waits, reads ahead of it are as large as the traffic deserves, and small answers leave together.

   One connection a process, so the state is one static. */
#ifndef SESSION_WIRE_H
#define SESSION_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    WIRE_AHEAD = 128 * 1024,         /* read ahead under heavy traffic; an idle connection has WIRE_SMALL */
    WIRE_SMALL = 4096,
    WIRE_FULL = 256 * 1024,          /* unsent bytes at which neither input nor output is taken on any more */
    WIRE_MOST = 8 * 1024 * 1024,     /* unsent bytes at which the client is told off: it asks and never reads */
};

/* Takes over nothing: SEEN is the number libssh knows, REAL the descriptor used (made non-blocking; SEEN may be closed by libssh, REAL not). */
void wire_open(int seen, int real);
/* Reads what is there, if all that was read before is eaten. */
void wire_fill(void);
/* Sends what the socket takes now. */
void wire_flush(void);
/* Sends what is left and waits, MS milliseconds at most, until the client has ended its side. */
void wire_wait_end(int ms);
size_t wire_buffered(void);   /* read, not yet eaten */
size_t wire_unsent(void);
bool wire_ended(void);        /* the client has ended its side, or the socket is broken, and libssh has eaten all there was */
bool wire_broken(void);       /* nothing can be sent any more */
uint64_t wire_received(void); /* bytes, ever */
uint64_t wire_total(void);    /* bytes for the client, ever */
uint64_t wire_taken(void);    /* of these, what its kernel has confirmed */
uint32_t wire_round_trip(void);   /* microseconds, the shortest of late; UINT32_MAX: not known */
/* When the socket is closed, what is on its way is thrown away instead of being sent for as long as the client takes. */
void wire_throw(bool away);
/* While held, libssh's poll sees no input: for calls that write and must not start to read. */
void wire_hold(bool hold);
/* Gives the large buffers back when they have not been needed since the last call. */
void wire_rest(void);

#endif
