/* A session as the store sees it: behind which link it is, how far its login got, and what it may ask now. */
#ifndef STORED_SESSION_H
#define STORED_SESSION_H

#include "base/attr.h"
#include "base/bucket.h"
#include "store/proto.h"
#include "store/stored/account.h"
#include "store/stored/key_options.h"
#include "store/stored/store.h"
#include "store/stored/trust.h"

enum phase {
    PHASE_BEFORE = 1,    /* nobody yet */
    PHASE_ASKING = 2,    /* a login is being decided, by the password helper or by the supervisor */
    PHASE_IN = 4,
    PHASE_CODE = 8,      /* key or password was right, a code is wanted */
    PHASE_ANY = 15,
};

struct actor;
struct doing;

enum { REQUEST_KINDS = 9, ACCOUNT_TEXT = 1024, OPTIONS_DIGEST = 16 };

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
    uint8_t hash[KEY_HASH];      /* of the key; of the password's Argon2id string */
    uint64_t generation;         /* of the account when it was last judged */
    char fingerprint[KEY_FINGERPRINT];
    struct key_options options;  /* of the key or certificate; KEY_OPTIONS_NONE without one */
    char *options_text;          /* as written; owned; NULL: none */
    uint8_t options_digest[OPTIONS_DIGEST];   /* of what it was told at its login */
    bool certified;              /* by a certificate, whose rest is: */
    struct pass pass;
    char *detail;                /* for the log; owned */
    uint32_t question;           /* id of the login to answer */
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
    unsigned refused_keys;       /* uses of keys of the account's own that their options did not allow */
    unsigned refused_certs;
    unsigned orders;             /* not yet answered */
    unsigned wrong_passwords;    /* given as the old one */
    struct bucket lines;         /* of STORE_LOG */
    unsigned lines_dropped;
    struct bucket changes;       /* of its account's own keys */
    struct doing *doing;         /* doing.c's; owned */
    size_t ndoing;
    struct actor *actor;         /* actor.c's; owned; NULL before its first event */
};

/* Handles one request; NULL, or the rule it broke (then the session is kicked). */
typedef const char *request_fn(struct session *s, struct msg *m);
request_fn key_offer, key_login, password_login, code_login, whoami, order_do, activity_told, log_told;

struct session *session_find(struct store *store, uint64_t id);
/* Ends the session: tells it WHY, tells the supervisor, forgets it.  S is gone afterwards. */
void session_kick(struct session *s, const char *fmt, ...) PRINTF(2, 3);
/* S was logged in before the store died: takes ACCOUNT over, and the LOGIN that an earlier store gave the supervisor. */
void login_resume(struct session *s, char *account, const void *login, size_t size);
/* STORE_ANSWER to request ID.  WHY may be NULL. */
void session_answer(struct session *s, uint32_t id, enum store_verdict verdict, const char *why);
/* STORE_WHOAMI_ANSWER with ID; 0: unasked, as something of it has changed. */
void whoami_tell(struct session *s, uint32_t id);
/* Why the key, certificate or password that S relies on does not count any more; NULL: it does.  *GENERATION: of its account, which says so. */
const char *session_unwelcome(struct session *s, uint64_t *generation, struct err *e);
/* The login failed: back to PHASE_BEFORE and forget whose it would have been. */
void session_nobody(struct session *s);
/* After a new configuration, or a change of ACCOUNT's keys, password or second factor (NULL: everybody): closes those that may not be here any more
   (returns how many) and tells the others their rights. */
unsigned sessions_recheck(struct store *store, const char *account);
/* Before anything is done for S, which is logged in: judges it anew if its account has changed since it was judged.  False: it was closed. */
bool session_current(struct session *s);
/* 1: MARK tells the password that account NAME has now from any other.  0: it has none. */
int login_mark(struct store *store, const char *name, uint8_t mark[KEY_HASH], struct err *e);
/* event_order.c: S ends, and waits for no events any more. */
void session_events_end(struct session *s);
/* Loads what the session may see into `seen`: its account's rights, as far as its key carries them.  0, or -1 with E. */
int session_look(struct session *s, struct err *e);
/* The same on SERVER.  1: *RIGHTS are those.  0: it may not see it, or there is none. */
int session_rights(struct session *s, const char *server, uint32_t *rights, struct err *e);

/* session_key.c: the options of keys.  May the key of ACCOUNT with the options TEXT be used by S now?  Then *O is them, for the caller to end; if
   not, that is logged and told to the supervisor, who does not count it. */
bool key_admitted(struct session *s, const char *account, const char *text, struct key_options *o);
/* S logs in with the key whose options are TEXT, which is taken over with what *O holds. */
void session_key_hold(struct session *s, char *text, struct key_options *o);
void session_key_drop(struct session *s);
/* The session of a store before this one had a key with these options, of which only the DIGEST is known. */
void session_key_resume(struct session *s, const uint8_t digest[OPTIONS_DIGEST]);
/* Why S may not stay though TEXT are the options of its key, or NULL. */
const char *session_key_unwelcome(const struct session *s, const char *text);
/* Ends sessions whose key or certificate expires, in time: after each login. */
void sessions_expire(struct store *store);

#endif
