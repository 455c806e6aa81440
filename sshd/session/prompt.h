/* A line editor on a channel's terminal: holdfast-prompt, a process of its own on a pty.  Between prompt_read and `line` or `stopped` the terminal is the
   editor's, and what is to be shown goes through prompt_output; else it is the channel's owner who writes there. */
#ifndef SESSION_PROMPT_H
#define SESSION_PROMPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sshd/proto.h"

struct channel;
struct prompt;

/* Called from the loop; each may free the prompt, or read anew. */
struct prompt_events {
    void (*ready)(void *data);                                  /* once: it runs */
    void (*line)(void *data, const char *line, bool end);       /* END: ctrl-D, LINE is "" */
    void (*stopped)(void *data);
    void (*complete)(void *data, uint32_t id, const char *left);/* answered by prompt_completions; may be NULL */
    void (*hungry)(void *data);                                 /* prompt_feed took less than all, and would take more now */
    void (*room)(void *data);                                   /* prompt_output was false: go on; may be NULL */
    void (*gone)(void *data, int code, const char *why);        /* it could not be started (before `ready`), or has ended; the last call */
};

/* Starts one on C, which has a terminal.  EVENTS is kept by reference. */
struct prompt *prompt_new(struct channel *c, const struct prompt_events *events, void *data);
/* From here on others are told. */
void prompt_use(struct prompt *p, const struct prompt_events *events, void *data);
void prompt_free(struct prompt *p);          /* NULL is allowed */
bool prompt_alive(const struct prompt *p);   /* it runs */

/* Edits a line; not while one is edited.  Names of histories and prompts are at most 255 bytes. */
void prompt_read(struct prompt *p, enum prompt_kind kind, const char *history, const char *text);
/* Keys.  Returns how many were taken: no more than one line's before its `line`. */
size_t prompt_feed(struct prompt *p, const void *bytes, size_t size);
bool prompt_fed(const struct prompt *p);     /* what was fed is a line's beginning: its end is waited for */
/* Gives the line up; `stopped` follows, or `line` if that was on its way. */
void prompt_stop(struct prompt *p);
/* Shows SIZE bytes above the line, OWN: as lines of their own.  False: there is much that it has not taken, wait for `room`. */
bool prompt_output(struct prompt *p, bool own, const void *bytes, size_t size);
void prompt_resize(struct prompt *p, unsigned columns, unsigned rows);
/* The channel's queue has room again. */
void prompt_room(struct prompt *p);

/* The answer to `complete`: N words (at most COMPLETIONS_MOST) in the place of what begins at FROM. */
void prompt_completions(struct prompt *p, uint32_t id, size_t from, size_t left_out, char *const *words, size_t n);

#endif
