/* Requests of the session: each handler gets its fields, calls msg_end, acts, and puts the answer's fields; or returns -1 with w->failure
   set (failure.h), and what it put is dropped. */
#ifndef FILES_REQUESTS_H
#define FILES_REQUESTS_H

#include "base/msg.h"
#include "base/rights.h"
#include "sshd/attrs.h"
#include "sshd/files/worker.h"

/* setuid and setgid would make a program run with the server's rights for whoever finds it. */
enum { MODE_MASK = 01777 };

/* Descriptors of a du, beside those of the handles: with fewer a deep tree is gone down again and again. */
enum { DU_FDS = 64 };

typedef int request_fn(struct worker *w, struct msg *m, struct msg *answer);

enum { FILES_ANY = RIGHT_FILES, FILES_MAKE = RIGHT_FILES_WRITE | RIGHT_FILES_CREATE };

/* Every request, once.  One of the rights is enough; OPEN's depends on its flags: ANY here, the rest in open.c.  With files.create alone a file is
   opened for writing only while it is made, so that what is done by a handle is done to a new file: FSETSTAT looks at that itself.  What the paths are used for
   decides, behind beneath.c's own care, whether one may leave its place or something may come there.

     type            rights              changes? answered? first path  second     handler */
#define FILES_REQUESTS(R) \
    R(FILES_OPEN,     FILES_ANY,          false,  true,     PATH_HERE,  PATH_NONE, files_open) \
    R(FILES_CLOSE,    FILES_ANY,          false,  false,    PATH_NONE,  PATH_NONE, files_close) \
    R(FILES_LEASE,    FILES_MAKE,         true,   true,     PATH_NONE,  PATH_NONE, files_lease) \
    R(FILES_OPENDIR,  RIGHT_FILES_READ,   false,  true,     PATH_HERE,  PATH_NONE, files_opendir) \
    R(FILES_READDIR,  RIGHT_FILES_READ,   false,  true,     PATH_NONE,  PATH_NONE, files_readdir) \
    R(FILES_STAT,     RIGHT_FILES_READ,   false,  true,     PATH_HERE,  PATH_NONE, files_stat) \
    R(FILES_LSTAT,    RIGHT_FILES_READ,   false,  true,     PATH_HERE,  PATH_NONE, files_lstat) \
    R(FILES_FSTAT,    FILES_ANY,          false,  true,     PATH_NONE,  PATH_NONE, files_fstat) \
    R(FILES_SETSTAT,  RIGHT_FILES_WRITE,  true,   true,     PATH_HERE,  PATH_NONE, files_setstat) \
    R(FILES_LSETSTAT, RIGHT_FILES_WRITE,  true,   true,     PATH_HERE,  PATH_NONE, files_lsetstat) \
    R(FILES_FSETSTAT, FILES_MAKE,         true,   true,     PATH_NONE,  PATH_NONE, files_fsetstat) \
    R(FILES_MKDIR,    FILES_MAKE,         true,   true,     PATH_HERE,  PATH_NONE, files_mkdir) \
    R(FILES_RMDIR,    RIGHT_FILES_DELETE, true,   true,     PATH_TAKEN, PATH_NONE, files_rmdir) \
    R(FILES_REMOVE,   RIGHT_FILES_DELETE, true,   true,     PATH_TAKEN, PATH_NONE, files_remove) \
    R(FILES_RENAME,   RIGHT_FILES_DELETE, true,   true,     PATH_TAKEN, PATH_PUT,  files_rename) \
    R(FILES_LINK,     RIGHT_FILES_WRITE,  true,   true,     PATH_HERE,  PATH_PUT,  files_link) \
    R(FILES_SYMLINK,  RIGHT_FILES_WRITE,  true,   true,     PATH_TEXT,  PATH_PUT,  files_symlink) \
    R(FILES_READLINK, RIGHT_FILES_READ,   false,  true,     PATH_HERE,  PATH_NONE, files_readlink) \
    R(FILES_STATVFS,  FILES_ANY,          false,  true,     PATH_HERE,  PATH_NONE, files_statvfs) \
    R(FILES_FSYNC,    FILES_MAKE,         true,   true,     PATH_NONE,  PATH_NONE, files_fsync) \
    R(FILES_COPY,     FILES_MAKE,         true,   true,     PATH_NONE,  PATH_NONE, files_copy) \
    R(FILES_GIVE,     FILES_MAKE,         true,   false,    PATH_NONE,  PATH_NONE, files_give) \
    R(FILES_DU,       RIGHT_FILES_READ,   false,  true,     PATH_HERE,  PATH_NONE, files_du)

/* Each that is in M: checks the right, does it, answers on LINK.  Dies when the session broke a rule or has gone. */
void request(struct worker *w, int link, struct msg *m);

/* A du that nobody goes on with. */
void du_drop(struct worker *w);

/* Field `attrs`. */
void request_attrs(struct msg *m, struct attrs *a);
void answer_attrs(struct msg *answer, const struct stat *st);

request_fn files_open, files_close, files_lease, files_give, files_fsync;           /* open.c */
request_fn files_copy;                                                              /* copy.c */
request_fn files_du;                                                                /* du.c */
request_fn files_opendir, files_readdir;                                            /* list.c */
request_fn files_stat, files_lstat, files_fstat, files_readlink, files_statvfs;     /* look.c */
request_fn files_setstat, files_lsetstat, files_fsetstat;                           /* setstat.c */
request_fn files_mkdir, files_rmdir, files_remove, files_rename, files_link, files_symlink;   /* tree.c */

#endif
