/* Whether somebody else changed our table: the kernel tells of every change to every table. */
#ifndef SANDBOX_FILTER_WATCH_H
#define SANDBOX_FILTER_WATCH_H

#include <stdbool.h>
#include <stdint.h>

enum { WATCH_BY = 64 };

struct watch_state {
    int fd;
    const char *table;     /* of family inet; borrowed */
    bool begun;            /* another than us is changing it */
    bool changed;          /* and is done; the watcher's owner clears it */
    char by[WATCH_BY];     /* who: "NAME, pid N"; "" if it is not known */
};

/* Opens the socket; before the locks.  Dies when it cannot. */
void watch_open(struct watch_state *w);
/* Reads what has come; OURS is the number of the socket that our own changes are made by. */
void watch_read(struct watch_state *w, uint32_t ours);

#endif
