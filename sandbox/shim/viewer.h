/* Those who watch the console.  Each keeps a position in the scroll-back; that is all of its queue: a viewer that does not read falls
   behind and is told how many lines it has missed, and the server never waits for it. */
#ifndef SHIM_VIEWER_H
#define SHIM_VIEWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/link.h"

enum { HISTORY_MOST = 256 * 1024, QUEUE_MOST = 512 * 1024 };

struct viewer;

/* Sends on LINK, which stays its peer's, what VERSION has.  Starts HISTORY bytes back (at most HISTORY_MOST), at a line's beginning. */
struct viewer *viewer_new(struct link *link, uint32_t version, bool may_write, uint64_t history);
void viewer_free(struct viewer *v);   /* NULL is allowed */
void viewer_input(struct viewer *v, const uint8_t *bytes, size_t size);
void viewer_resize(struct viewer *v, uint16_t columns, uint16_t rows);
/* Sends on, as far as its link and its share allow. */
void viewer_serve(struct viewer *v);

void viewers_output(const uint8_t *bytes, size_t size);
/* The server has ended: all get the rest, unthrottled, and SHIM_BYE. */
void viewers_end(void);
/* After viewers_end: true when all of them have got it. */
bool viewers_served(void);

#endif
