/* scp -f: what scp_source.c, which sends what is at hand, and scp_walk.c, which finds it, share. */
#ifndef SESSION_SCP_SOURCE_H
#define SESSION_SCP_SOURCE_H

#include "sshd/session/scp.h"

/* A directory that is being sent, or one in which names are looked for that a pattern fits. */
struct level {
    bool glob;
    bool open;              /* in the worker, as `number` */
    uint32_t number;
    size_t size;            /* of its path; 0 for "/" */
    struct buf names;       /* read and not yet looked at: u32 mode, atime, mtime, str name */
    char *pattern;          /* glob: owned */
    const char *rest;       /* glob: the components behind it, into the words */
};

struct source;
typedef void source_then_fn(struct source *s, bool ok);

/* A line that waits for the one with the times to be taken. */
struct header {
    char kind;
    uint64_t size;
    source_then_fn *then;
};

/* BUSY: the worker is asked.  SAID: the client is to answer. */
enum source_state { SOURCE_BUSY, SOURCE_NEXT, SOURCE_SAID, SOURCE_DATA };

struct source {
    struct scp scp;
    enum source_state state;
    bool eof;
    char **words;           /* owned */
    size_t word;            /* the next */
    char *pattern;          /* the word at hand, normal; owned */
    bool matched;
    char path[SCP_PATH_SPACE];
    struct level *levels;   /* owned */
    size_t nlevels;
    struct attrs attrs;     /* of what is at `path` */
    bool quiet;             /* it may well not be there: a pattern led to it */
    source_then_fn *then;
    struct header header;
    struct scp_peer peer;
    /* The file that is being sent. */
    int fd;
    uint64_t at, size;
    const char *broken;     /* why its bytes are NULs from somewhere on */
};

/* scp_source.c */
void source_next(struct source *s);
/* Words about path: it is passed over. */
void source_skip(struct source *s, const char *why);
/* Sends a line, as a client takes it, then waits for the answer to it. */
void source_line(struct source *s, struct buf *line, source_then_fn *then);
/* Times, mode and name of what is at path, and waits. */
void source_header(struct source *s, char kind, uint64_t size, source_then_fn *then);
/* What attrs say is at path is sent; a link is looked through first. */
void source_item(struct source *s);
void source_look(struct source *s);
/* NULL, or why it was not asked; else FN is called later. */
const char *source_ask(struct source *s, uint16_t type, exec_files_fn *fn);

/* scp_walk.c */
/* The directory at path, its header not yet sent. */
void source_dir(struct source *s);
/* One step; something has been asked or sent then, or a step more may be made at once. */
void source_walk(struct source *s);
void source_walk_free(struct source *s);

#endif
