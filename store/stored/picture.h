/* A QR code as its modules: the store draws it, as the library would cost each session memory for what few ever ask. */
#ifndef STORED_PICTURE_H
#define STORED_PICTURE_H

#include "base/msg.h"

/* Adds the code of TEXT to M: u32 modules a side, bytes of as many squared, row by row, 1 for dark.  What is too long for one (2953 bytes), or finds
   no memory, is 0 modules and no bytes.  Nothing of it is kept. */
void picture_put(struct msg *m, const char *text);

#endif
