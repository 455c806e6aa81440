/* Where things are on the screen, and what stands on the last line of it. */
#ifndef PROMPT_SCREEN_H
#define PROMPT_SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <wchar.h>

#include "base/buf.h"

struct place { unsigned row, column; };

/* Where the cursor is behind N characters that begin at P, on a screen of COLUMNS (at least 2), as the editor's library breaks lines: at once when
   the last column is full, a wide character never in two. */
struct place screen_after(struct place p, const wchar_t *text, size_t n, unsigned columns);

/* Output whose line has not ended yet: it stands in front of what is typed. */
enum { TAIL_MOST = 1024 };
struct tail { struct buf bytes; };

/* Takes SIZE bytes of output.  What can be shown for good goes to LINES, each line with its end; the rest is kept.  OWN: they begin a line of their
   own, so what is kept ends here.  Of a line without end TAIL_MOST bytes at most are kept: then it is broken. */
void tail_take(struct tail *t, bool own, const uint8_t *bytes, size_t size, struct buf *lines);
/* What of it is seen: without colours, and from the last return on.  Returns the number of characters, at most MOST; OUT is not terminated. */
size_t tail_text(const struct tail *t, wchar_t *out, size_t most);
void tail_end(struct tail *t, struct buf *lines);    /* as if its line had ended */

#endif
