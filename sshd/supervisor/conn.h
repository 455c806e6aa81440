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
    pid_t pid;
    struct source *source;
    char address[64];               /* "ADDRESS port PORT" */
    int link;                       /* the store's end of its link: kept, so that a new store can take it up */
    uint8_t *login;                 /* the store's words on how it logged in */
    size_t nlogin;
    char account[NAME_MOST + 1];    /* "" before login */
    int64_t since;                  /* wall ms */
    struct timer *grace, *killing;
    bool grace_over, tried, partial;
    unsigned workers;
};

/* Takes CLIENT over, whatever happens. */
void conn_new(struct super *s, int client, const struct sockaddr_storage *from, struct source *src);
struct session *conn_find(struct super *s, uint64_t id);   /* NULL if it has gone */
/* From the store: ACCOUNT is in.  NULL if that is accepted, else why not. */
const char *conn_logged_in(struct super *s, struct session *c, const char *account, const void *login, size_t size);
void conn_login_changed(struct session *c, const void *login, size_t size);   /* copied; for STORE_SESSION_NEW */
/* From the store: key or password were right, and a code is typed now.  There is time for that, once. */
void conn_partial(struct super *s, struct session *c);
/* A new store runs: it gets the sessions that are logged in; the others, whose login died with the old one, end. */
void conn_hand_over(struct super *s);
void conn_auth_failed(struct super *s, struct session *c, enum auth_failure kind);
/* Ends the session: now, or, as it was told already why, in half a second. */
void conn_kill(struct super *s, struct session *c, bool at_once);
void conn_kill_all(struct super *s);

#endif
