/* Reads an installation's ini files into a struct conf: FOLDER/holdfast.ini, FOLDER/accounts.ini, FOLDER/accounts.d and
   servers.d (their *.ini, sorted by name; either folder may be missing).

   Every file, keys_file and folder must belong to root; the ini files must be closed to everybody else (0600 or 0400),
   folders and keys_files must not be writable by others.  Lines hold at most 198 bytes, files 1 MiB.  In a value " ;"
   starts a comment unless it stands in '...' or "..." that begin at the start of a word.  The lines of a keys_file are
   added to its account's `key` list.

   C is initialised here and must be freed with conf_free in either case; ERRORS must be { 0 } or hold earlier ones.
   Returns 0, or -1 with every error found added to ERRORS (C is then not to be used). */
#ifndef SUPERVISOR_INI_H
#define SUPERVISOR_INI_H

#include "base/conf.h"

int ini_read(const char *folder, struct conf *c, struct conf_errors *errors);

#endif
