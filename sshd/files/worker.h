/* The worker: one server's directory, one session's requests, strictly in their order. */
#ifndef FILES_WORKER_H
#define FILES_WORKER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/place.h"
#include "quota/gate.h"

enum { FAILURE_TEXT = 256 };

/* What a request does with one of its paths (requests.h has them all). */
enum path_use {
    PATH_NONE,
    PATH_TEXT,    /* is written down, not walked */
    PATH_HERE,    /* looked at, changed, or made new where it is */
    PATH_TAKEN,   /* leaves its place */
    PATH_PUT,     /* gets what the request's first path names, or a link */
};

struct worker {
    int root;             /* the one way to any file */
    dev_t root_dev;
    ino_t root_ino;
    uint32_t rights;      /* files.* of the session on this server */
    struct gate *gate;
    unsigned slot;        /* ours in the gate */
    uint32_t usage;       /* kind of USAGE_*: who knows what is used */
    int usage_fd;         /* then, for DISK_COUNT_FILE: the file that says it; else -1 */
    uint64_t settle_at;   /* ms: no usage_settle before */
    struct du *du;        /* under way; NULL */
    uint32_t block;       /* bytes the file system hands out at least */
    uint32_t top;         /* bytes of the root directory when it was empty */
    struct handles *handles;
    struct deny *deny;    /* NULL: nothing is hidden */
    int proc_fds;         /* then: /proc/self/fd, which tells where a descriptor is */
    struct place place;   /* beside the session, while that waits for us */
    bool made_last;       /* by the last OPEN: a file that was not there */
    const char *pattern;  /* behind EHIDDEN and EHELD */
    const enum path_use *use;   /* of the request at hand, two */
    mode_t source;        /* what its first path names, for the second; 0: nothing */
    struct {
        uint32_t status;
        char text[FAILURE_TEXT];
    } failure;            /* of the request at hand; see failure.h */
};

#endif
