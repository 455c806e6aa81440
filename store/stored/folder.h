/* The store's folder: who owns it, what lies in it, and the key that hashes are made with. */
#ifndef STORED_FOLDER_H
#define STORED_FOLDER_H

#include <stdint.h>

#include "base/err.h"

enum { HASH_KEY = 32 };

/* Opens the folder at PATH (absolute) and checks it and the files in it: ours, 0700 and 0600, nothing but plain files.
   The fd, or -1 with E naming what is wrong. */
int folder_open(const char *path, struct err *e);
/* The file NAME in the folder FD at PATH, if it is there, is ours, 0600, a plain file with one name: 0, or -1 with E. */
int folder_check(int fd, const char *path, const char *name, struct err *e);
/* The secret key for hashes, from the file hash.key in PATH, made at the first start.  It lives in locked memory for as long as the
   process does.  NULL with E. */
const uint8_t *folder_hash_key(const char *path, int fd, struct err *e);

#endif
