/* What a server writes, made fit for a person's terminal: the server is a stranger's program, and a terminal obeys what it is shown.  t/unit/display.c
   has a table of what such programs try. */
#ifndef SESSION_DISPLAY_H
#define SESSION_DISPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DISPLAY_HELD = 64 };

/* Zeroed at the start; keeps what a piece ended within. */
struct display {
    unsigned state;
    uint8_t held[DISPLAY_HELD];
    size_t size;
    bool coloured;
};

/* Copies SIZE bytes to OUT, which has room for SIZE + DISPLAY_HELD; returns how many it has now.  Text in UTF-8, tabs, line ends, backspace and bell
   pass, of control sequences colours (SGR) and "erase in line".  All other sequences (titles, clipboard, queries, cursor, modes, device strings),
   control characters (C0, C1) and characters that turn the direction of writing vanish; a byte that is no UTF-8 becomes '?'.  A string sequence ends with the line at the latest. */
size_t display(struct display *d, const uint8_t *bytes, size_t size, uint8_t *out);

/* It ends, or somebody else writes now: what it began is forgotten, its colours are switched off.  OUT has room for DISPLAY_HELD. */
size_t display_end(struct display *d, uint8_t *out);

#endif
