/* What holds a server to its disk limit.  A backend keeps a server's files below STATE/servers under names of its own and shows them, mounted, at
   STATE/servers/NAME: nosuid, nodev, noatime, with the owner's range of ids, whatever ids they have on the disk.  What the mount shows can never
   exceed the limits, by any route: the backend's kernel side refuses with ENOSPC or EDQUOT, which both mean "quota full".

   Which backend has a server's files is written down beside them when they are made, so that a change of the configuration never makes
   them anew elsewhere.  Files move by a migration alone.

   For root, in one-shot processes: calls block, on a lock of the name, on a program, on the disk. */
#ifndef QUOTA_BACKEND_H
#define QUOTA_BACKEND_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct place;

/* How the bytes and inodes in use are known to whoever stands on the mount. */
enum disk_count {
    DISK_COUNT_STATFS,      /* statfs of the mount shows the limits and what is left of them */
    DISK_COUNT_LEDGER,      /* nobody in the kernel counts: the gate's page does */
    DISK_COUNT_FILE,        /* the kernel counts; a file of its tells the bytes, in decimal */
};

struct disk {
    const char *state;      /* folder; its `servers` is made when missing */
    const char *run;        /* folder of sockets; only fuse uses it */
    const char *libexec;    /* folder of the role programs; only fuse uses it */
    const char *name;       /* the server's; must be name_ok */
    uint64_t bytes, inodes; /* limits: wanted; afterwards those in force, which are at most those wanted, or, where a limit cannot be
                               reached while the disk is up, what it is held to until it was down */
    uid_t owner;            /* of the files on this machine, uid and gid: DISK_UID above the range's first */
    uint32_t project;       /* the server's own number + 1, from the store: unique on this node, never given to another */
    uint64_t used, used_inodes;   /* answered by `up`, `resize` and `use` */
    char count[128];        /* answered: path of the file of DISK_COUNT_FILE, else "" */
};

enum { DISK_UID = 1000 };   /* their owner on the disk, uid and gid */

struct backend {
    const char *word;       /* as in the ini files */
    enum disk_count count;
    /* Whether it can serve STATE/servers on this machine at all: 0, or -1 with the reason a person can act on.  Changes nothing. */
    int (*fit)(const struct place *p, const struct disk *d, struct err *e);
    /* Whether it has files of that name. */
    bool (*has)(const struct place *p);
    /* Makes the files' place when missing (whole or not at all), sets the limits, mounts.  Harmless when it is mounted for that owner; mounted for
       another one it is mounted anew.  0, or -1 with E and nothing mounted. */
    int (*up)(const struct place *p, struct disk *d, struct err *e);
    /* New limits for one that is up; at once for whoever writes next, also below what is used (then nothing more can be written).  NULL: as `up`. */
    int (*resize)(const struct place *p, struct disk *d, struct err *e);
    /* Gives space back to the host, unmounts.  Harmless when not mounted; EBUSY names a process that holds it. */
    int (*down)(const struct place *p, const struct disk *d, struct err *e);
    /* Bytes and inodes in use, as the kernel counts them. */
    int (*use)(const struct place *p, struct disk *d, struct err *e);
    /* Deletes the files and all that belongs to them; it is not mounted. */
    int (*drop)(const struct place *p, const struct disk *d, struct err *e);
    /* Renames the files of FROM to be those of TO, which has none; both are not mounted.  Done already: 0.  NULL: nothing can be migrated to it. */
    int (*move)(const struct place *from, const struct place *to, struct err *e);
};

/* All of them, NULL at the end; the strongest first, as `auto` tries them. */
extern const struct backend *const backends[];
const struct backend *backend_find(const char *word);

/* The calls of launch: the name's lock is taken, and the backend found, before the backend's own function. */
int disk_up(struct disk *d, struct err *e);
int disk_down(const struct disk *d, struct err *e);

#endif
