/* The files of the store, put right before it starts: whatever root did to them, they are the store's own, 0600, in a folder of 0700. */
#ifndef SUPERVISOR_STORE_FILES_H
#define SUPERVISOR_STORE_FILES_H

#include <sys/types.h>

#include "base/err.h"

/* Mends owner and mode of the folder PATH and of the databases in it for the store's UID, on descriptors that follow no link, and says in the log what it
   did.  0, or -1 with E naming what is not safe to mend: no plain file, one with more than one name, or one that somebody else may have written. */
int store_files_mend(const char *path, uid_t uid, struct err *e);

#endif
