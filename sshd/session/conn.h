/* The inside of struct session, shared by the files of this folder that make up the connection: conn.c (libssh, the loop), auth.c, channel.c,
   asked.c, store.c, rights.c, watch.c.  What runs on channels knows session.h and channel.h only. */
#ifndef SESSION_CONN_H
#define SESSION_CONN_H

/* Without libssh's names of before 2009: one of them is ours. */
#define LIBSSH_LEGACY_0_4
#include <libssh/callbacks.h>
#include <libssh/libssh.h>
#include <libssh/server.h>

#include "base/bucket.h"
#include "base/loop.h"
#include "base/place.h"
#include "sshd/session/eager.h"
#include "sshd/session/session.h"

struct activity_loss;
struct ask;
struct doing;

enum { REFUSALS_LOGGED = 20 };   /* a connection; a client must not fill the log */

struct session {
    /* From START_SESSION. */
    uint64_t id;
    char *peer;                       /* owned */
    uint32_t peer_port, channels, auth_tries, password_tries, handles, keepalive, keepalive_misses;

    ssh_session ssh;
    ssh_event event;
    struct ssh_server_callbacks_struct server_callbacks;
    struct loop *loop;
    struct watch *client, *link;
    struct eager eager;
    struct place place;
    bool over;                        /* the loop ends */
    bool thrown;                      /* and the client is told nothing more */
    char *why;                        /* what the client is told then; owned; NULL: nothing */

    /* auth.c */
    uint32_t keys_failed, keys_known, passwords_failed, others_failed;   /* known: of somebody else, which is no failure */
    char *proven;                     /* who gave the right key or password and must give a code, as typed; owned */
    bool prompted;                    /* for the code, and not answered yet */
    bool in;                          /* logged in */
    char *account, *home;             /* owned */
    char *method, *fingerprint, *address;
    char *key_options, *command;      /* of the key, as written, "" if none; the command runs whatever is asked for */
    uint32_t key_flags;
    enum second_factor factor;

    /* store.c */
    uint32_t last_id, stores;   /* stores: that took us over */
    struct ask *asks;
    unsigned refusals_logged;

    /* activity.c */
    struct msg noted;           /* events as they are sent; its memory is kept */
    uint32_t nnoted;
    struct activity_loss *losses;   /* owned */
    size_t nlosses;

    /* doing.c */
    struct doing *doing;
    struct session_turn *doing_turn;

    /* typed.c */
    struct bucket typed_share;

    /* rights.c */
    struct server_right *servers;
    size_t nservers;
    struct rights_listener *listeners;

    /* channel.c */
    struct channel *list;
    uint32_t nchannels;
    bool work;                        /* channels have something to do before the next wait */

    /* keepalive */
    uint64_t heard;                   /* bytes received at the last look */
    uint32_t missed;

    /* memory */
    struct timer *resting;
    uint64_t quiet;                   /* bytes received when a rest was last thought of */
};

/* conn.c: the whole life of a connection.  Takes CLIENT over; HOSTKEYS is PEM text, wiped by the caller. */
void conn_open(struct session *s, int client, const char *hostkeys);
void conn_run(struct session *s);
/* Ends the connection after this round; the first reason given counts.  WHY NULL: quietly. */
void conn_close(struct session *s, const char *why);

/* A channel was cut.  What is on its way to the client can be taken back with the whole connection only: ends it when the client has not taken that
   in time, be it that it does not read at all. */
void conn_cut(struct session *s);

/* auth.c */
void auth_callbacks(struct session *s);

/* store.c: questions of this folder's own.  They wait (at most 20 s); a store that is gone ends the process. */
void store_open(struct session *s);
enum store_yes { STORE_NO, STORE_YES, STORE_CODE, STORE_SILENT, STORE_NO_TRY };   /* CODE: right so far, one is wanted */
/* *WHY is owned by the caller, "" if none; with a yes it is for the person as well. */
enum store_yes store_key(struct session *s, bool login, const char *account, const void *blob, size_t size, const char *type,
                         uint32_t proof, char **why);
enum store_yes store_password(struct session *s, const char *account, const char *password, char **why);
enum store_yes store_code(struct session *s, const char *account, const char *code, char **why);
bool store_whoami(struct session *s);
/* Sends M, which nobody answers, and frees it; never waits.  False: the link is full or gone, and nothing was sent. */
bool store_tell(struct session *s, struct msg *m);

/* rights.c */
void rights_read(struct session *s, struct msg *m);                              /* the list behind STORE_WHOAMI_ANSWER */
bool rights_change(struct session *s, const char *server, uint32_t rights);      /* false: a server not known yet */

/* channel.c */
ssh_channel channel_open(struct session *s);      /* a new one, or NULL past the limit */
void channels_turn(struct session *s);            /* starts, feeds, writes, reaps; at most some hundred KiB a turn */
void channels_rest(struct session *s);            /* gives back memory not needed now */
bool channels_last(struct session *s);            /* the connection is about to go: what has ended says so, if few words are left; was there any? */
void channels_end(struct session *s);             /* the connection is gone: `closed` on all */

#endif
