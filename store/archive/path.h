/* Names as an archive gives them, made into what may be used below one folder.  Pure. */
#ifndef ARCHIVE_PATH_H
#define ARCHIVE_PATH_H

enum { PATH_DEPTH = 128, PATH_BYTES = 4095, PART_BYTES = 255 };

/* RAW without slashes in front, behind and twice, and without "." components, in OUT (PATH_BYTES + 1); "" is the root itself.  NULL, or why it is
   refused (static text): "..", too long, too deep. */
const char *path_clean(const char *raw, char *out);

/* Of a cleaned path: what stands behind its last slash. */
const char *path_name(const char *path);

#endif
