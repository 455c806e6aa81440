/* A QR code as text: two rows of it to a line, half blocks of UTF-8. */
#ifndef SESSION_QR_H
#define SESSION_QR_H

#include <stdbool.h>

#include "base/buf.h"

/* Adds the code of TEXT to OUT, which the caller wipes.  COLOUR: for a terminal, black on white whatever its own colours are; without, light is what
   is drawn, as on a dark one.  False: TEXT is too long, or OUT. */
bool qr_put(struct buf *out, const char *text, bool colour);

#endif
