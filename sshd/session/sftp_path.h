/* Names as clients give them: which server, and where in it.  Pure but for what the session's login said. */
#ifndef SESSION_SFTP_PATH_H
#define SESSION_SFTP_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/name.h"

struct session;

enum { SFTP_PATH_MOST = 4096 };
enum sftp_path_error { PATH_OK, PATH_NUL, PATH_LONG };
/* Words for the client. */
const char *sftp_path_why(enum sftp_path_error why);
/* Absolute, without ".", "..", or double slashes; "" is "/", "/.." is "/".  Owned by the caller; NULL with *WHY. */
char *sftp_path_normal(const uint8_t *bytes, size_t size, enum sftp_path_error *why);
/* The first component of a normal path, copied ("" for "/"; cut if longer than a name may be, which then is none), and the rest
   without a slash in front (points into PATH). */
const char *sftp_path_split(const char *path, char server[NAME_MOST + 2]);

/* What a path of the client means. */
struct sftp_spot {
    char *path;                   /* normal; owned */
    char name[NAME_MOST + 2];     /* "": the top, which lists the servers */
    const char *rest;             /* in the server's directory */
};
#define SPOT_FREE __attribute__((cleanup(sftp_spot_free)))
void sftp_spot_free(struct sftp_spot *s);
/* False with *WHY. */
bool sftp_spot_of(const struct session *s, const uint8_t *bytes, size_t size, struct sftp_spot *spot, enum sftp_path_error *why);
bool sftp_is_top(const struct sftp_spot *s);

#endif
