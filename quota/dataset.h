/* A dataset of ZFS that holds one server's files, as zfs(8) is asked about it.  Names and numbers in, words checked to the last one out. */
#ifndef QUOTA_DATASET_H
#define QUOTA_DATASET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

enum { DATASET_MOST = 255 };

struct dataset { char name[DATASET_MOST + 1]; };

struct dataset_state {
    char server[64];                /* whose it is, by its property holdfast:server; "-" when nobody's */
    char mountpoint[64];
    uint64_t limit;                 /* refquota, 0: none */
    uint64_t used;                  /* referenced */
    uint64_t inodes, used_inodes;   /* of the user, 0: no limit */
};

/* That of the mount point called FOLDER below PARENT: -1 with E when PARENT's name, which is the admin's, is none we pass to a command. */
int dataset_of(struct dataset *s, const char *parent, const char *folder, struct err *e);

/* 1 with STATE, in which inodes are those of USER (an id as on the disk), 0 when there is none of the name, -1 with E. */
int dataset_get(const struct dataset *s, uid_t user, struct dataset_state *state, struct err *e);
/* Makes it, mounted by nobody, limited to BYTES from its first moment. */
int dataset_make(const struct dataset *s, const char *server, uint64_t bytes, struct err *e);
/* Bytes cannot be limited below what is used: *BYTES is then what is used. */
int dataset_limit(const struct dataset *s, uint64_t *bytes, struct err *e);
/* Limits the inodes that belong to USER. */
int dataset_objects(const struct dataset *s, uid_t user, uint64_t inodes, struct err *e);
/* Deletes it with all that is in it; refused when it has snapshots or children, or is mounted. */
int dataset_destroy(const struct dataset *s, struct err *e);

/* Refused when there is one called TO. */
int dataset_rename(const struct dataset *s, const struct dataset *to, struct err *e);

/* What mount number ID shows, out of the text of /proc/self/mountinfo: the file system's TYPE and SOURCE, of SIZE bytes each; "" when that does not fit or
   has escapes.  Whether there is such a mount. */
bool dataset_mount(const char *mountinfo, uint64_t id, char *type, char *source, size_t size);

#endif
