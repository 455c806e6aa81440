/* What the files of the tool share: the command as it was given, and what each part does with it.  Each function
 * returns an exit code. */
#ifndef TOOL_TOOL_H
#define TOOL_TOOL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/* Exit codes, beside those that the daemon's answer carries. */
enum { TOOL_DONE_WELL = 0, TOOL_FAILED = 1, TOOL_USAGE = 2, TOOL_UNAVAILABLE = 69, TOOL_UNKNOWN = 127 };

struct command {
    const char *folder;   /* of the ini files */
    const char *run;      /* the daemon's run folder; NULL: as the ini file says */
    bool json, force, dry;
    const char *verb;
    int argc;             /* behind the verb */
    char **argv;
    int fd;               /* goes with the request; -1: none */
};

/* Asks the daemon; SECRET goes with it and stays the caller's. */
int request(const struct command *c, const struct buf *secret);
/* Reads a password for WHO into SECRET: twice from a terminal without echo, else one line of standard input. */
int secret_read(const char *who, struct buf *secret);
/* The verb `image`: opens what is to be imported, and asks the daemon. */
int image(const struct command *c);
/* The verb `quota`: the daemon has no options, and gets --dry-run as a word. */
int quota(const struct command *c);
/* The verbs `store` and `key`: a backup is written beside its file and put in place by a rename. */
int store(const struct command *c);
int key(const struct command *c);
/* Prints the host keys' public halves for people, for known_hosts and for DNS. */
int hostkeys(const struct command *c);

#endif
