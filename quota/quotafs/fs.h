/* The file system of one process: what all its threads share. */
#ifndef QUOTAFS_FS_H
#define QUOTAFS_FS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "quota/quotafs/ledger.h"
#include "quota/quotafs/node.h"

enum {
    FS_IDS = 65536,
    /* A folder may grow by that many blocks for one more name: the leaf that is split and the index above it. */
    FS_FOLDER_BLOCKS = 3,
};

struct fs {
    struct ledger ledger;
    struct nodes nodes;
    /* Who looks names up on the disk or makes new ones reads; who takes names away or changes them writes. */
    pthread_rwlock_t names;
    int root;            /* O_PATH */
    int real;            /* the same folder, for reading: statfs, sync */
    dev_t dev;
    uint64_t unit;       /* of allocation, in bytes */
    bool xattrs;         /* the disk's blocks tell their size as well */
    uint32_t base;       /* the machine's id of id 0 */
    uid_t strangers;     /* as whom we see ids that are not the server's */
};

#endif
