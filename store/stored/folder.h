/* The store's folder: who owns it, what lies in it. */
#ifndef STORED_FOLDER_H
#define STORED_FOLDER_H

#include <stdbool.h>

#include "base/err.h"

/* Opens the folder at PATH (absolute) and checks it and the files in it: ours, 0700 and 0600, nothing but plain files.
   The fd, or -1 with E naming what is wrong. */
int folder_open(const char *path, struct err *e);
/* The file NAME in the folder FD at PATH, if it is there, is ours, 0600, a plain file with one name: 0, or -1 with E. */
int folder_check(int fd, const char *path, const char *name, struct err *e);
/* Removes what an earlier store left in the folder FD and nobody needs: a copy that was cut off; with OLD_KEY the file hash.key too, which hashes were
   made with before they came from the secret key. */
void folder_tidy(int fd, bool old_key);

#endif
