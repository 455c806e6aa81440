/* The life of a server: what is done about each event (states.h), who wanted it, and what keeps it from being started. */
#ifndef SUPERVISOR_LIFE_H
#define SUPERVISOR_LIFE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/loop.h"
#include "base/name.h"
#include "sandbox/proto.h"
#include "sshd/supervisor/states.h"
#include "store/proto.h"

struct server;

enum { LOCK_MOST = WISH_LOCK_MOST, TRIES_MOST = 100 };

/* A part of struct server. */
struct life {
    enum server_wish wish;
    bool unsaved;                   /* the store has not got it as it is */
    bool known;                     /* what an earlier daemon kept was read, or does not matter any more */
    char locked[LOCK_MOST + 1];     /* by the admin: why; "" it is not */
    char held[LOCK_MOST + 1];       /* by work of ours, the same */
    enum state rest;                /* what it returns to when it is unlocked */
    bool queued;                    /* starting, and waits for its turn (turn.h) */
    bool beginning;                 /* disk, filter or policy are being asked for on its behalf (launch.c) */
    bool late;                      /* stops as it was not up in time */
    char by[SHIM_BY_MOST + 1];      /* who had it stopped or killed; "" nobody */
    enum shim_killed how;
    int64_t began;                  /* ms: this start */
    unsigned starts, failing;       /* counted; the one that launch.c has found to fail */
    uint64_t crashes[TRIES_MOST];   /* ms of the last ones, oldest first */
    unsigned streak;                /* failures without a good run between */
    struct timer *start_timer;
    char status[SHIM_STATUS_MOST + 1];   /* its own words */
    bool says_stopping;
    /* Its shim (adopt.h). */
    uint32_t version;               /* spoken; 0: not known yet */
    char foreign[160];              /* why it is left alone; "" it is ours */
    char lost[48];                  /* why nobody can tell how it ended; "" somebody can */
    int pidfd, shim_pidfd;          /* init's, and that of a foreign shim; -1 */
    struct watch *pidfd_watch;      /* of a foreign one: its end is seen by this alone */
};

/* Feeds an event; NULL, or for orders why it was refused. */
const char *server_event(struct server *v, enum event ev);
/* An order of BY (an account's name, or "the admin"): as server_event, and what is wanted from here on is kept for later daemons. */
const char *server_order(struct server *v, enum event ev, const char *by);

/* Work on V's files that must find it at rest, and keep it so: until server_unlock it is `locked` and nobody can start it.  NULL, or why not: it
   runs, or other work has it.  WHY ("restore") is copied, cut at LOCK_MOST bytes, and shown to users.  It does not outlive the daemon.
   server_unlock starts V if it is wanted to run; harmless when it is not locked. */
const char *server_lock(struct server *v, const char *why);
void server_unlock(struct server *v);
/* The admin's own: kept for later daemons, and put on a running server as well, for when it has ended. */
const char *server_lock_by_admin(struct server *v, const char *why);
const char *server_unlock_by_admin(struct server *v);
bool server_locked(const struct server *v);
/* Why V is as it is, for people: "" when there is nothing to say.  BUF is returned. */
const char *server_reason(const struct server *v, char *buf, size_t size);

/* An event that no person ordered, BY whom it will be said to be; nothing changes about what is wanted. */
void server_force(struct server *v, enum event ev, const char *by);

/* Starts V as its wish has it, whoever asks: where it may not, nothing happens. */
void life_start(struct server *v);
/* Whether V is to run, by its wish or, as long as nobody has had one, its configuration. */
bool life_wanted(const struct server *v);
/* After a daemon before us: V was found running, stopping or ended by its shim. */
void life_found(struct server *v);

#endif
