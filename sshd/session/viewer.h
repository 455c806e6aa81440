/* A link to a server's shim, as a viewer of its console: output comes, input goes (where it may). */
#ifndef SESSION_VIEWER_H
#define SESSION_VIEWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sshd/session/session.h"

struct viewer;

struct viewer_events {
    void (*output)(void *data, const uint8_t *bytes, size_t size);
    void (*notice)(void *data, const char *text);                    /* may be NULL */
    void (*writable)(void *data);                                    /* viewer_input took less than all; may be NULL */
    /* The last call.  BYE: the server has ended, with CODE or SIGNAL; else the link broke. */
    void (*end)(void *data, bool bye, unsigned code, unsigned signal);
};

/* Takes FD over.  EVENTS is kept by reference.  Handlers may free the viewer. */
struct viewer *viewer_new(struct session *s, int fd, const struct viewer_events *events, void *data);
void viewer_free(struct viewer *v);      /* NULL is allowed */
/* What is typed from here on is recorded as typed into SERVER's console. */
void viewer_record(struct viewer *v, const char *server);
/* Returns how many bytes were taken. */
size_t viewer_input(struct viewer *v, const uint8_t *bytes, size_t size);
void viewer_resize(struct viewer *v, unsigned columns, unsigned rows);
/* While paused no output comes, and the shim sees that we do not read. */
void viewer_pause(struct viewer *v, bool pause);
/* No more input follows; the shim closes the link when it has used what was sent.  Where it is recorded, the shim's word on it is waited for, a second at
   most. */
void viewer_finish(struct viewer *v);

#endif
