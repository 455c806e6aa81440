/* One line at a time, edited by libedit on a terminal while messages come in. */
#ifndef PROMPT_EDIT_H
#define PROMPT_EDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "sshd/prompt/words.h"
#include "sshd/proto.h"

/* A message can be read: handle one.  Called while a line is edited. */
typedef void edit_message_fn(void);
/* CR or LF did not end the line. */
typedef void edit_more_fn(void);
/* TAB behind SIZE bytes: asks for completions; edit_completions answers.  Returns the question's number. */
typedef uint32_t edit_complete_fn(const void *line, size_t size);

/* TERM: "" is a dumb one. */
struct edit_terminal { const char *term; unsigned columns, rows; };

/* Sets TTY up for the client's terminal T, and reads all that is read from files: before the lock.  One that is not known is taken for
   one of xterm's kind.  Dies when it cannot. */
void edit_open(int tty, const struct edit_terminal *t, int link, edit_message_fn *message, edit_more_fn *more, edit_complete_fn *complete);

enum edit_end { EDIT_LINE, EDIT_END, EDIT_STOPPED };
/* LINE gets the line without its end, at most PROMPT_LINE_MOST bytes.  When it returns the terminal has had PROMPT_MARK. */
enum edit_end edit_line(enum prompt_kind kind, const char *history, const char *prompt, struct buf *line);

/* From the message function, or while nothing is edited. */
void edit_output(bool own, const uint8_t *bytes, size_t size);
void edit_resize(void);
void edit_stop(uint64_t fed);
/* W is taken over. */
void edit_completions(uint32_t id, size_t from, unsigned more, struct words *w);

#endif
