/* Programs of e2fsprogs on an image: one at a time, in a cage. */
#ifndef QUOTA_E2FS_H
#define QUOTA_E2FS_H

#include <stddef.h>

#include "base/err.h"

/* The image's path in ARGV. */
#define E2FS_IMAGE ((char[]){ "/proc/self/fd/3" })

/* Runs ARGV[0], of /usr/sbin or /sbin, on the file open at IMAGE.  What it said ends up in TOLD of SIZE bytes, as one line.  Its exit code, or -1
   with E, also when it was killed.

   It reads what may be damaged, on a server's behalf.  So it has no capability, no network, no right to gain any; it can read the machine's
   programs and libraries, write the image, and nothing else (landlock; a kernel without it is an error).  It dies with its caller. */
int e2fs_run(int image, char *const argv[], char *told, size_t size, struct err *e);

#endif
