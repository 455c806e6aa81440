/* A session as the store sees it: behind which link it is, how far its login got, and what it may ask now. */
#ifndef STORED_SESSION_H
#define STORED_SESSION_H

#include "base/attr.h"
#include "base/bucket.h"
#include "store/proto.h"
#include "store/stored/account.h"
#include "store/stored/store.h"

enum phase {
    PHASE_BEFORE = 1,    /* nobody yet */
    PHASE_ASKING = 2,    /* a login is being decided, by the password helper or by the supervisor */
    PHASE_IN = 4,
    PHASE_CODE = 8,      /* key or password was right, a code is wanted */
    PHASE_ANY = 15,
};

struct actor;

enum { REQUEST_KINDS = 8, ACCOUNT_TEXT = 1024 };

struct session {
    struct session *next;
    struct store *store;
    uint64_t id;
    char *address;               /* owned */
    unsigned port;
    struct link *link;
    enum phase phase;
    unsigned asked[REQUEST_KINDS];
    int64_t since;               /* wall clock, ms */
    /* Of the login, from PHASE_ASKING on. */
    char *account;               /* owned; NULL before */
    const char *method;          /* "publickey" or "password" */
    const char *word;            /* of the key's type */
    uint8_t hash[KEY_HASH];
    char fingerprint[KEY_FINGERPRINT];
    uint32_t question;           /* id of the login to answer */
    int64_t password;            /* that it came in with: when it was set */
    int64_t seed;                /* the second factor it came in with; 0: none was asked for */
    bool enrolling;              /* it may do nothing but set one up */
    char *note;                  /* to be told with the yes; owned */
    bool asked_supervisor;
    char *refusal;               /* the supervisor's, for good; owned */
    /* As last told to the session; owned. */
    struct visible *seen;
    size_t nseen;
    char *invalid;               /* the unknown account that was logged last; owned */
    unsigned refused_offers;     /* of keys that are nobody's */
    unsigned orders;             /* not yet answered */
    unsigned wrong_passwords;    /* given as the old one */
    struct bucket lines;         /* of STORE_LOG */
    unsigned lines_dropped;
    struct bucket changes;       /* of its account's own keys */
    struct actor *actor;         /* actor.c's; owned; NULL before its first event */
};

/* Handles one request; NULL, or the rule it broke (then the session is kicked). */
typedef const char *request_fn(struct session *s, struct msg *m);
request_fn key_offer, key_login, password_login, code_login, whoami, order_do, activity_told;

struct session *session_find(struct store *store, uint64_t id);
/* Ends the session: tells it WHY, tells the supervisor, forgets it.  S is gone afterwards. */
void session_kick(struct session *s, const char *fmt, ...) PRINTF(2, 3);
/* S was logged in before the store died: takes ACCOUNT over, and the LOGIN that an earlier store gave the supervisor. */
void login_resume(struct session *s, char *account, const void *login, size_t size);
/* STORE_ANSWER to request ID.  WHY may be NULL. */
void session_answer(struct session *s, uint32_t id, uint32_t yes, const char *why);
/* STORE_WHOAMI_ANSWER with ID; 0: unasked, as something of it has changed. */
void whoami_tell(struct session *s, uint32_t id);
/* Why the key or password that S relies on does not count any more; NULL: it does. */
const char *session_unwelcome(struct session *s, struct err *e);
/* The login failed: back to PHASE_BEFORE and forget whose it would have been. */
void session_nobody(struct session *s);
/* After a new configuration, or a change of ACCOUNT's keys, password or second factor (NULL: everybody): closes those that may not be here any more (returns how many) and
   tells the others their rights. */
unsigned sessions_recheck(struct store *store, const char *account);
/* Loads what the session may see into `seen`.  0, or -1 with E. */
int session_look(struct session *s, struct err *e);

#endif
