/* What became of a viewer's input, told to the viewer, which keeps the record of who typed what: it must not know more of a secret than that there
   was one.  On a terminal the word is given a moment after the bytes were: by then a program shows that it switches the echo off.  Of what came within
   that moment only the first line is known to have been typed before it, so all behind its end counts as hidden. */
#ifndef SHIM_TAKEN_H
#define SHIM_TAKEN_H

#include <stddef.h>
#include <stdint.h>

#include "base/link.h"
#include "sandbox/proto.h"

struct taken;

/* Sends on LINK, which stays its owner's and lives longer. */
struct taken *taken_new(struct link *link);
/* NULL is allowed, and nothing is done then; so below. */
void taken_free(struct taken *t);
/* What could not be told yet is one sum: where parts of it differ, all of it is hidden. */
void taken_add(struct taken *t, const uint8_t *bytes, size_t size, enum shim_taken what);
/* The link may have room again. */
void taken_tell(struct taken *t);

#endif
