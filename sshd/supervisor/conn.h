/* Connections: a slot (and so a uid) each, the session process, its workers, its end. */
#ifndef SUPERVISOR_CONN_H
#define SUPERVISOR_CONN_H

#include <sys/socket.h>

#include "sshd/supervisor/super.h"

struct worker;

struct session {
    struct session *next;
    uint64_t id;
    unsigned slot;
    pid_t pid;                      /* 0: it has ended */
    struct source *source;
    char address[64];               /* "ADDRESS port PORT" */
    int link;                       /* the store's end of its link: kept, so that a new store can take it up */
    uint8_t *login;                 /* the store's words on how it logged in */
    size_t nlogin;
    char account[NAME_MOST + 1];    /* "" before login */
    uint64_t generation;            /* of the account, by which the store judged it last */
    uint32_t rights;                /* its key carries at most these */
    char *servers;                  /* and for these alone, "a,b"; "": all */
    int64_t since;                  /* wall ms */
    struct timer *grace, *killing;
    uint64_t began;                 /* ms */
    bool grace_over, tried, partial, put_out;
    unsigned workers;
};

/* Takes CLIENT over.  False: there is no slot, and CLIENT is the caller's as before. */
bool conn_new(struct super *s, int client, const struct sockaddr_storage *from);
struct session *conn_find(struct super *s, uint64_t id);   /* NULL if it has gone */
/* From the store: ACCOUNT is in, with LOGIN of SIZE bytes, and may do at most RIGHTS on SERVERS.  NULL if that is accepted, else why not. */
const char *conn_logged_in(struct super *s, struct session *c, const char *account, const void *login, size_t size, uint32_t rights,
                           const char *servers);
void conn_login_changed(struct session *c, const void *login, size_t size);   /* copied; for STORE_SESSION_NEW */
/* From the store: key or password were right, and a code is typed now.  There is time for that, once. */
void conn_partial(struct super *s, struct session *c);
/* A new store runs: it gets the sessions that are logged in; the others, whose login died with the old one, end. */
void conn_hand_over(struct super *s);
void conn_auth_failed(struct super *s, struct session *c, enum auth_failure kind);
/* Ends the session: now, or, as it was told already why, in half a second. */
void conn_kill(struct super *s, struct session *c, bool at_once);
/* Ends the session, which tells its client WHY if it can within half a second, and what it had begun. */
void conn_end(struct super *s, struct session *c, const char *why);
/* The configuration changed: ends the newest connections of accounts that have more than they may have now.  How many. */
unsigned conns_apply(struct super *s);
void conn_kill_all(struct super *s);
/* Ends one of those that are not logged in, at random among the oldest quarter of those that have had the time that a login takes, of the sources
   with the most of them.  False: there is none. */
bool conn_put_out(struct super *s);

#endif
