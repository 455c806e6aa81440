/* The supervisor's side of the store: starts it, keeps it running, pushes the configuration, carries its orders out. */
#ifndef SUPERVISOR_STORE_H
#define SUPERVISOR_STORE_H

#include "sshd/supervisor/super.h"

/* Starts the store and pushes the configuration; listening begins when it has been taken.  Dies when it cannot be started at all. */
void store_start(struct super *s);
bool store_ready(const struct super *s);
/* It has not yet had the first configuration since its start: no other may be pushed before. */
bool store_starting(const struct super *s);
/* Pushes CONF (not yet in force).  FN gets the store's error ("" if it was applied) and its summary. */
typedef void push_fn(struct super *s, const char *error, const char *summary);
void store_push(struct super *s, const struct conf *conf, push_fn *fn);

struct session;
void store_session_new(struct super *s, const struct session *c);
void store_session_gone(struct super *s, uint64_t id, bool crashed);
/* Sets ACCOUNT's password; FN gets "" or why not. */
typedef void passwd_fn(void *data, const char *error);
void store_passwd(struct super *s, const char *account, const void *password, size_t size, passwd_fn *fn, void *data);
/* Takes ACCOUNT's second factor away; the same. */
void store_totp_reset(struct super *s, const char *account, passwd_fn *fn, void *data);

/* A new secret key for the database; FN gets "" or why not, how many texts were sealed anew, and how many were left as they did not open (with FORCE). */
typedef void rotate_fn(void *data, const char *error, uint64_t texts, uint64_t broken);
void store_rotate(struct super *s, bool force, rotate_fn *fn, void *data);
/* Any message; dropped when there is no store. */
void store_send(struct super *s, struct msg *m);
/* Reads what it has sent, now. */
void store_listen(struct super *s);
/* At our end: waits MS at most for a message of TYPE; all others are dropped.  False: it did not come. */
bool store_wait(struct super *s, uint16_t type, uint64_t ms);

/* Answers order ID, once; of no effect when the store that gave it has died.  msg_begin'ed by result_begin, the
   op's fields put behind, sent by result_send. */
void result_begin(struct msg *m, uint32_t id, int code, const char *text);
void result_send(struct super *s, struct msg *m);
/* Begin and send in one, for answers without fields. */
void result(struct super *s, uint32_t id, int code, const char *fmt, ...) PRINTF(4, 5);

enum { CODE_DONE = 0, CODE_FAILED = 1, CODE_USAGE = 2, CODE_STATE = 3, CODE_UNAVAILABLE = 69, CODE_QUOTA = 73, CODE_LATER = 75,
       CODE_DENIED = 77, CODE_DISABLED = 126 };

#endif
