/* The limits of a server as control group files: one row a file.  Pure: what they are is decided here, cgroup.c writes. */
#ifndef SUPERVISOR_LIMITS_H
#define SUPERVISOR_LIMITS_H

#include "base/buf.h"
#include "base/conf.h"

/* What a text depends on besides the configuration. */
struct limits_place {
    uint64_t page;                          /* sizes are rounded down to it, as the kernel does */
    struct { unsigned major, minor; } disk; /* the device its files are read from and written to; 0:0 if there is none */
    bool swap;                              /* the machine has some */
    struct conf_cpus cpus;                  /* the machine's, online */
};

/* What the absence of a file means. */
enum limit_need {
    NEED_ALWAYS,    /* the limit cannot be held */
    NEED_ASKED,     /* the same, if the configuration asks for one */
    NEED_SWAP,      /* the same, on a machine with swap */
    NEED_NEVER,     /* nothing */
};

struct limit {
    const char *key;         /* of the ini file; NULL: the same for every server */
    const char *file;
    const char *controller;
    enum limit_need need;
    const char *none;        /* what stands in the file when there is no limit */
    void (*put)(const struct limit *l, const struct conf_server *c, const struct limits_place *p, struct buf *b);
    size_t field;            /* of struct conf_server, for `put` */
};

/* In the order in which they are written. */
extern const struct limit limit_rows[];
extern const size_t limit_count;

/* What is to stand in L's file, owned. */
char *limit_text(const struct limit *l, const struct conf_server *c, const struct limits_place *p);
/* Whether C asks for more than the kernel does by itself. */
bool limit_asked(const struct limit *l, const struct conf_server *c, const struct limits_place *p);
/* Whether L must be held for C. */
bool limit_needed(const struct limit *l, const struct conf_server *c, const struct limits_place *p);
/* Why the kernel must not be asked for it, though it would say yes: false, with WHY; true when nothing stands against it. */
bool limit_possible(const struct limit *l, const struct conf_server *c, const struct limits_place *p, char *why, size_t size);
/* The line to write for TEXT, owned: with its end, as the kernel would not hear of no bytes at all. */
char *limit_line(const struct limit *l, const char *text, const struct limits_place *p);
/* Whether TEXT says what the file's CONTENT says already. */
bool limit_in_force(const struct limit *l, const char *text, const char *content, const struct limits_place *p);

#endif
