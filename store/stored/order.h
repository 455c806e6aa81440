/* Orders: what a session wants done with a server.  The right is checked here, the supervisor does it. */
#ifndef STORED_ORDER_H
#define STORED_ORDER_H

#include <stdint.h>

#include "base/attr.h"
#include "store/stored/backup.h"
#include "store/stored/session.h"

/* Exit codes of the verbs. */
enum { CODE_OK = 0, CODE_FAILED = 1, CODE_USAGE = 2, CODE_STATE = 3, CODE_LATER = 75, CODE_NOT_PERMITTED = 77 };

enum { TEXT_MOST = 4096 };

/* A request of a session while it is looked at. */
struct wish {
    struct session *session;
    uint32_t id;                       /* the session's */
    uint32_t op;
    const char *server;
    uint64_t number;
    const char *text;
    const uint8_t *secret;             /* instead of text, where the operation has one; wiped with the message */
    size_t nsecret;
    uint32_t rights;                   /* on the server; all the account has anywhere when there is none */
    char *order_text;                  /* owned; what goes to the supervisor as text, NULL: as it came */
    char backup[BACKUP_ID];            /* "" unless one is being made */
};

/* Looks at W beyond its right.  True: forward it.  False: it was answered. */
typedef bool wish_fn(struct wish *w);
wish_fn backup_create, backup_list, backup_get, keys_get, keys_set, keys_list, keys_add, keys_rm, activity_list, limits;
wish_fn events_list;
wish_fn passwd_change, totp_enroll, totp_verify, totp_codes, totp_remove;

/* Answers W without fields. */
void wish_refuse(struct wish *w, int code, const char *fmt, ...) PRINTF(3, 4);
/* Logs E and answers W. */
void wish_failed(struct wish *w, const struct err *e);

#endif
