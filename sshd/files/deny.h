/* What the admin hides: patterns of `deny` in a server's section, against paths below its top.  Pure.

   A pattern without a slash hides every component it fits, at any depth; one with a slash is held against the first components from the top,
   one by one.  What stands below a hidden directory is hidden as well. */
#ifndef FILES_DENY_H
#define FILES_DENY_H

#include <stddef.h>

struct deny;

struct deny *deny_new(void);   /* no pattern yet */
void deny_free(struct deny *d);
/* TEXT as the configuration allows it; copied. */
void deny_add(struct deny *d, const char *text);
/* PATH below the top, "" the top itself; empty and "." components do not count.  Returns the pattern (D's) that hides it, or NULL.
   Behind a ".." no one can tell by text where a path is: patterns with a slash then say nothing. */
const char *deny_hides(const struct deny *d, const char *path);
/* The pattern that hides something below PATH by the way that leads there: PATH fits its first components, and there are more. */
const char *deny_holds(const struct deny *d, const char *path);

#endif
