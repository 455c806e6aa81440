/* Completion of paths: names in a folder of a server, read by its files worker. */
#ifndef SESSION_COMPLETE_FILES_H
#define SESSION_COMPLETE_FILES_H

#include "sshd/session/complete.h"

struct finding;

/* Fills C (taken over until then) with what its folder holds and calls FN once, from the loop; or never, if finding_free came first.  What cannot be
   read has no names. */
typedef void finding_fn(void *data, struct completions *c);
struct finding *finding_new(struct session *s, struct completions *c, finding_fn *fn, void *data);
void finding_free(struct finding *f);     /* NULL is allowed */

#endif
