/* Backend `none`: a server's files lie in STATE/servers/NAME.files/tree, and nothing holds the server to its limits; the gate counts what goes through
   it, nobody what the server writes itself.  Only had by asking for it: `quota = none, unsafe`.

   NAME.files is root's, 0700: its files have the ids 0 to 65535 of the machine's own users, set-id bits included, and nobody may come to
   them but by the mount. */
#ifndef QUOTA_NONE_H
#define QUOTA_NONE_H

#include "quota/backend.h"

extern const struct backend backend_none;

#endif
