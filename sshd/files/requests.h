/* Requests of the session: each handler gets its fields, calls msg_end, acts, and puts the answer's fields; or returns -1 with w->failure
   set (failure.h), and what it put is dropped. */
#ifndef FILES_REQUESTS_H
#define FILES_REQUESTS_H

#include "base/msg.h"
#include "sshd/attrs.h"
#include "sshd/files/worker.h"

/* setuid and setgid would make a program run with the server's rights for whoever finds it. */
enum { MODE_MASK = 01777 };

typedef int request_fn(struct worker *w, struct msg *m, struct msg *answer);

/* Checks the right, does it, answers on LINK.  Dies when the session broke a rule or has gone. */
void request(struct worker *w, int link, struct msg *m);

/* Field `attrs`. */
void request_attrs(struct msg *m, struct attrs *a);
void answer_attrs(struct msg *answer, const struct stat *st);

request_fn files_open, files_close, files_lease, files_fsync;                       /* open.c */
request_fn files_copy;                                                              /* copy.c */
request_fn files_opendir, files_readdir;                                            /* list.c */
request_fn files_stat, files_lstat, files_fstat, files_readlink, files_statvfs;     /* look.c */
request_fn files_setstat, files_lsetstat, files_fsetstat;                           /* setstat.c */
request_fn files_mkdir, files_rmdir, files_remove, files_rename, files_link, files_symlink;   /* tree.c */

#endif
