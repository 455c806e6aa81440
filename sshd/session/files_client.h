/* The session's side of a files worker (sshd/proto.h, FILES_*): requests go out without waiting, answers come to a function. */
#ifndef SESSION_FILES_CLIENT_H
#define SESSION_FILES_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/msg.h"

struct attrs;
struct session;
struct files;

/* Called exactly once a request.  Status 0: ANSWER stands at the request's own fields.  Else ANSWER is NULL and TEXT says why; that
   is also what happens when the worker ends or files_end comes first. */
typedef void files_fn(void *data, uint32_t status, const char *text, struct msg *answer);
/* The worker has gone (its requests were answered before): the owner calls files_end.  ENDED is the supervisor's word on why it ended it,
   or NULL when the worker ended by itself. */
typedef void files_gone_fn(void *data, struct files *f, const char *ended);

/* Takes FD over. */
struct files *files_new(struct session *s, int fd, files_gone_fn *gone, void *data);
/* Answers what is left with STATUS and TEXT, closes and frees.  May be called from any function of F's own. */
void files_end(struct files *f, uint32_t status, const char *text);

/* Starts the request TYPE: put its fields, then files_ask, which sends or queues M and frees it.  Returns the request's number. */
void files_begin(struct msg *m, uint16_t type);
void files_put_attrs(struct msg *m, const struct attrs *a);   /* the field `attrs` */
uint32_t files_ask(struct files *f, struct msg *m, files_fn *fn, void *data);
/* A message that has no answer: it goes with the next request, or in some milliseconds. */
void files_tell(struct files *f, struct msg *m);
/* As files_ask, and waits until it is answered; other answers are handed out meanwhile.  False when the worker has gone first. */
bool files_ask_now(struct files *f, struct msg *m, files_fn *fn, void *data);
/* The answer to request ID is not called for: FN is not called any more, and a file that it opens for reading is closed.  One that has its answer is let be. */
void files_forget(struct files *f, uint32_t id);
/* Of the answer to a FILES_OPEN for reading, eaten whole: the descriptor, owned by the caller.  The worker closes its own. */
int files_take(struct files *f, struct msg *answer);
/* Waits until request ID of before is answered; other answers are handed out meanwhile.  False: the worker went first. */
bool files_wait(struct files *f, uint32_t id);

/* From now on others on this connection may put single questions to F, whose worker has RIGHTS on SERVER. */
void files_lend(struct files *f, const char *server, uint32_t rights);
/* Takes F over, which nobody needs any more, and lends it for a second: clients that ask for one file's digest ask for the next one's.  A connection
   keeps one, the last, and none beside one that is lent already and has nothing to do. */
void files_keep(struct files *f, const char *server, uint32_t rights);
/* One that was lent, whose worker has nothing to do and RIGHT, all of it, on SERVER; NULL: none.  It stays its owner's, who may end it before the answer:
   files_over says so from then on, in the function that is called as well. */
struct files *files_lent(struct session *s, const char *server, uint32_t right);
bool files_over(const struct files *f);

#endif
