/* Names of accounts and servers: 1 to 32 of a-z 0-9 . _ -, the first a letter or digit.  They become file names, host names and
   log words, so nothing else is ever let in. */
#ifndef BASE_NAME_H
#define BASE_NAME_H

#include <stdbool.h>

enum { NAME_MOST = 32 };

bool name_ok(const char *name);
/* Is NAME one of LIST, names with commas between? */
bool name_listed(const char *list, const char *name);

#endif
