/* The place of one server's disk below STATE/servers: its lock, the names of what lies there, and what is mounted.  Names are used relative to
   the folder's descriptor. */
#ifndef QUOTA_PLACE_H
#define QUOTA_PLACE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/name.h"

struct place {
    const char *folder;     /* the mount point: the server's name, or ".NAME.new" of a migration; the caller's */
    char lock[NAME_MOST + 16];
    int servers;            /* descriptor of STATE/servers */
    int locked;
};

void place_close(struct place *p);
#define PLACE __attribute__((cleanup(place_close))) struct place
#define PLACE_NONE { .servers = -1, .locked = -1 }

/* Opens STATE/servers (made when missing) and takes the name's lock: whoever works on the disk of one server never meets another.  FOLDER must be
   name_ok, or that between "." and ".new".  0, or -1 with E: ETIME-like EWOULDBLOCK after 30 s. */
int place_open(struct place *p, const char *state, const char *folder, struct err *e);

/* Opens STATE/servers, or what of its path there is as long as it is missing, to look; nothing is made or locked.  0, or -1 with E. */
int place_look(struct place *p, const char *state, const char *folder, struct err *e);

/* For backends whose files have one name, FOLDER and ENDING: their `move`. */
int place_rename(const struct place *from, const struct place *to, const char *ending, struct err *e);

/* What lies at the mount point now: 1 a mount (its id in *MOUNT, its device in *DEV), 0 none, -1 with E. */
int place_mounted(const struct place *p, uint64_t *mount, dev_t *dev, struct err *e);
/* For backends whose files are a folder: whether that, open at FILES (-1: there is none), is what the mount point shows: 1 (the mount's id in
   *MOUNT), 0 nothing is mounted, -1 with E: also something else is. */
int place_shows(const struct place *p, int files, uint64_t *mount, struct err *e);
/* Opens the folder NAME, which must be root's, 0700: files in it have ids that the machine's users have too.  -1 with E. */
int place_guard(const struct place *p, const char *name, struct err *e);
/* For what is mounted there but is not ours: -1 with EEXIST. */
int place_foreign(const struct place *p, struct err *e);
/* Whether what is mounted there shows the files as OWNER's. */
bool place_shown_for(const struct place *p, uid_t owner);
/* Moves the detached mount TREE to the mount point, which is made when missing. */
int place_attach(const struct place *p, int tree, struct err *e);
/* Unmounts: 0, or -1 with E; EBUSY after half a second names a process that holds mount MOUNT. */
int place_unmount(const struct place *p, uint64_t mount, struct err *e);

#endif
