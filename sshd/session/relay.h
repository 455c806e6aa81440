/* Bytes between a channel and a program elsewhere: by its pipes, or by the master of its terminal.  Never blocks; who does not read is waited for,
   on either side. */
#ifndef SESSION_RELAY_H
#define SESSION_RELAY_H

#include "sshd/session/exec.h"

struct relay;

/* Everything the program had to say has been passed on.  Called once; may call relay_free. */
typedef void relay_over_fn(void *data);

/* Between X's channel and the program's stdin, stdout and stderr, which are taken over; of a terminal IN is its master, and OUT and ERR are -1.  The
   first bytes it gets are those of FIRST, of which nothing is left then (NULL: none).  Dies when the system refuses. */
struct relay *relay_new(struct exec *x, bool terminal, int in, int out, int err, const struct buf *first, relay_over_fn *over, void *data);
void relay_free(struct relay *r);   /* NULL is allowed */

/* For struct exec's input (bytes that were taken), input_end and room. */
size_t relay_input(struct relay *r, const uint8_t *bytes, size_t size);
void relay_input_end(struct relay *r);
void relay_room(struct relay *r);
/* The size of the terminal; nothing without one. */
void relay_resize(struct relay *r, unsigned columns, unsigned rows);

/* The program has gone: more input is dropped, what it said is passed on still. */
void relay_stop(struct relay *r);
bool relay_is_over(const struct relay *r);
/* ms, as now_ms, of the last byte either way. */
uint64_t relay_moved(const struct relay *r);

#endif
