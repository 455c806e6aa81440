/* A QR code as text: two rows of it to a line, half blocks of UTF-8. */
#ifndef SESSION_QR_H
#define SESSION_QR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct qr {
    const uint8_t *modules;   /* row by row, 1 for dark; the caller's */
    size_t side;              /* of them */
};

/* Adds Q to OUT, which the caller wipes.  COLOUR: for a terminal, black on white whatever its own colours are; without, light is what is drawn, as
   on a dark one.  False: there is none, or OUT is full. */
bool qr_put(struct buf *out, const struct qr *q, bool colour);

#endif
