/* An error that can cross a process: the step that failed, errno, and words for a person.  Filled by long-lived
   processes and by one-shot helpers, wrapped on the way up; printed as "STEP: TEXT: STRERROR". */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include "base/attr.h"

struct err {
    int no;          /* errno, 0 if none applies */
    char step[64];   /* "mount /proc" */
    char text[256];  /* more words, may be "" */
};

/* Fills E and returns -1, so that a caller can `return err_set(e, errno, "openat2", "%s", path)`.  E may be NULL.
   Over-long texts are cut. */
int err_set(struct err *e, int no, const char *step, const char *fmt, ...) PRINTF(4, 5);
/* Puts "OUTER: " in front of the step.  Returns -1. */
int err_wrap(struct err *e, const char *outer);
/* The whole error as one line, in a buffer of E's own scope: BUF of SIZE bytes.  Returns BUF. */
const char *err_text(const struct err *e, char *buf, size_t size);

#endif
