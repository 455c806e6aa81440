/* Between the two steps of a login: auth.c, key or password, and auth_code.c, the code behind them. */
#ifndef SESSION_AUTH_H
#define SESSION_AUTH_H

#include "sshd/session/conn.h"

/* auth.c.  "ACCOUNT+SERVER" in two; both owned by the caller, *SERVER NULL without a "+". */
char *auth_account(const char *user, char **server);
/* Logged in; takes SERVER over.  SSH_AUTH_SUCCESS. */
int auth_enter(struct session *s, char *server);
/* A try that failed: one failure more in *COUNT, the connection ends when MOST have been; WHY (may be "") is told.  SSH_AUTH_DENIED. */
int auth_refused(struct session *s, enum store_yes yes, const char *why, uint32_t *count, uint32_t most);
/* A line for the person at the other end, before the answer. */
void auth_tell(struct session *s, const char *text);

/* auth_code.c.  Key or password of USER were right and a code is wanted: what the callback returns. */
int auth_code_wanted(struct session *s, const char *user);
/* Nothing but a code is taken any more. */
bool auth_code_pending(const struct session *s);
/* True: M was about a code and has been answered. */
bool auth_code_message(struct session *s, ssh_message m);

#endif
