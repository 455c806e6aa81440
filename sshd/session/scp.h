/* scp as OpenSSH's `scp -O`, PuTTY's `pscp -scp` and older clients speak it: the far end of a copy, which is us.  verb_scp.c reads the command
   and holds what both directions share, scp_sink.c takes files, scp_source.c gives them and scp_walk.c finds them, scp_line.c and scp_glob.c
   are pure.

   Both sides send lines and wait for an answer to each: a NUL byte, or \1 (a warning: this one not, go on) or \2 (the end) and a line of words.
       Tmtime 0 atime 0      the times of the next
       Cmode size name       a file, then its bytes and an answer of the sender's own
       Dmode 0 name          a directory begins
       E                     it ends */
#ifndef SESSION_SCP_H
#define SESSION_SCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sshd/session/exec_files.h"

enum {
    SCP_NAME_MOST = 255,
    SCP_DEPTH_MOST = 64,                                       /* directories in each other */
    SCP_LINE_MOST = 4096,
    SCP_PATH_SPACE = SFTP_PATH_MOST + SCP_NAME_MOST + 3,       /* a path, one more name, and a NUL */
};

/* First in the state of either direction. */
struct scp {
    struct exec *x;
    bool recursive, times, directory;   /* -r -p -d */
    bool failed;                        /* a warning was given or taken: exit 1 */
    unsigned inside;                    /* our functions on the stack: what they work with is not freed under them */
    bool over;                          /* to be freed when they have returned */
    void (*free)(struct scp *s);
};
/* Around what may end the command and goes on to use S; the drop function of both directions. */
void scp_enter(struct scp *s);
void scp_leave(struct scp *s);
void scp_drop(struct exec *x);
void scp_sink(struct exec *x, const struct scp *options, const char *target);
/* WORDS (taken over, conf_words_free) from the one at AT on, as conf_words_marked gives them. */
void scp_source(struct exec *x, const struct scp *options, char **words, size_t at);

/* Answers.  A warning names PATH, escaped. */
void scp_ok(struct scp *s);
void scp_warn(struct scp *s, const char *path, const char *why);
/* The end of the command, with \2. */
void scp_fatal(struct scp *s, const char *why);
/* A request to the worker of PATH's server is put into M up to its first field, the path with SUFFIX behind it.  NULL, or why PATH leads nowhere;
   M is nothing then. */
const char *scp_begin(struct scp *s, const char *path, const char *suffix, uint16_t type, struct msg *m, struct sftp_spot *spot);
/* The next field of an answer. */
void scp_get_attrs(struct msg *answer, struct attrs *a);

/* What the other side answers, byte by byte. */
enum scp_said { SAID_MORE, SAID_OK, SAID_WARNING, SAID_FATAL };
struct scp_peer {
    uint8_t kind;      /* of a line that has begun */
    size_t size;
};
/* Takes bytes up to the end of one answer; returns how many in *USED. */
enum scp_said scp_listen(struct scp_peer *p, const uint8_t *bytes, size_t size, size_t *used);

/* scp_line.c: one line without its newline. */
struct scp_line {
    char kind;                 /* T C D E */
    uint32_t mode;
    uint64_t size;             /* at most INT64_MAX */
    const uint8_t *name;       /* into the line; any bytes, see scp_name_why */
    size_t name_size;
    uint64_t mtime, atime;
};
/* NULL, or what is wrong (static). */
const char *scp_line(const uint8_t *bytes, size_t size, struct scp_line *l);
/* NULL when a file may be made under this name, or what is wrong (static). */
const char *scp_name_why(const uint8_t *name, size_t size);

/* scp_glob.c: patterns with * ? [...], in which a backslash takes the meaning from what follows. */
bool scp_glob_is(const char *pattern, size_t size);
/* A period in front is matched by a period only. */
bool scp_glob_match(const char *pattern, size_t size, const char *name);
char *scp_glob_plain(const char *pattern, size_t size);   /* without the backslashes; owned by the caller */

#endif
