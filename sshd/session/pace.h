/* How far ahead of its client a channel's output may run.

   A window tells how much a client is ready to keep, not how much it keeps well.  OpenSSH's client allows 2 MiB, and what its sftp has not taken yet
   lies in one buffer there: the fuller it is, the more each byte costs.  Near by, where the client's processor is what bounds a download, sending
   as fast as the window lets out makes the whole slower: 1.7 s of its processor a GiB, and 1.0 s with no more than PACE_AHEAD out at once.

   It is held to only where that costs next to nothing: on a line whose round trip is known and short, and with a client that has shown to give window
   back in steps much smaller than that.  Others may wait until most of a window is used up.  Nobody waits for them: where nothing is given back for
   PACE_MOST_MS it is held to no more, until there are small steps again; after PACE_VAIN times never.

   TCP's round trip ends at the next host that ends the connection, as one that ssh jumps over (-J) or a proxy, and says nothing of what is behind it.
   So it is looked how long a byte takes from here to the client and back as window, until it was PACE_ROUND_US or less once; where it is more
   it counts as in vain. */
#ifndef SESSION_PACE_H
#define SESSION_PACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PACE_AHEAD = 512 * 1024,         /* bytes out, besides what the line itself holds */
    PACE_STEP = PACE_AHEAD / 2,      /* a client that gives back more at once may be one that waits for so much */
    PACE_LINE = 1000,                /* bytes a microsecond on the fastest line */
    PACE_FEW = 4096,                 /* that few are never held back: last words */
    PACE_MOST_MS = 100,
    PACE_VAIN = 3,
    PACE_ROUND_US = 5000,            /* who is held to PACE_AHEAD gets 100 MiB a second then */
};

struct session;

struct pace {
    struct session *session;
    struct session_turn *turn;       /* a look whether holding back was in vain */
    void (*again)(void *data);
    void *data;
    size_t top;                      /* the largest window so far: nothing was out then */
    size_t left;                     /* of it, after the last write */
    size_t step;                     /* the smallest that was given back at once */
    uint64_t most;                   /* that may be out; 0: not known yet */
    uint64_t given, held_at;         /* bytes given back so far, and when holding back began */
    enum { ROUND_NONE, ROUND_NEXT, ROUND_ON, ROUND_SHORT } round;   /* NEXT: begins with the next byte; SHORT: one was */
    uint64_t round_at, round_since;  /* it has come round when so many are given back; now_us of its beginning */
    unsigned vain;
};

/* AGAIN(DATA) is called when what was held back may go although the client said nothing. */
void pace_open(struct pace *p, struct session *s, void (*again)(void *data), void *data);
void pace_close(struct pace *p);
/* Whether SIZE bytes are held back now that the client's window is WINDOW. */
bool pace_holds(struct pace *p, size_t window, size_t size);
/* SIZE bytes of the window have been used. */
void pace_wrote(struct pace *p, size_t size);

#endif
