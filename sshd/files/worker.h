/* The worker: one server's directory, one session's requests, strictly in their order. */
#ifndef FILES_WORKER_H
#define FILES_WORKER_H

#include <stdint.h>
#include <sys/types.h>

#include "quota/gate.h"

enum { FAILURE_TEXT = 256 };

struct worker {
    int root;             /* the one way to any file */
    dev_t root_dev;
    ino_t root_ino;
    uint32_t rights;      /* files.read, files.write, files.delete of the account on this server */
    struct gate *gate;
    unsigned slot;        /* ours in the gate */
    uint32_t block;       /* bytes the file system hands out at least */
    struct handles *handles;
    struct {
        uint32_t status;
        char text[FAILURE_TEXT];
    } failure;            /* of the request at hand; see failure.h */
};

#endif
