/* What a login does however it was proven: login.c's, for the second factor and for changes of what a login relies on. */
#ifndef STORED_LOGIN_H
#define STORED_LOGIN_H

#include "store/stored/session.h"

/* All that is wanted was right: asks the supervisor, whose answer lets S in. */
void login_ask(struct session *s);
/* What S relies on is another now: the supervisor keeps the new words for the next store. */
void login_changed(struct session *s);
/* Tells the supervisor, who counts. */
void login_failed(struct session *s, enum auth_failure what);
/* "VERDICT METHOD for alice from ... port ... ssh2: KEY", as OpenSSH has it. */
void login_line(const struct session *s, const char *verdict, const char *method);
void login_complain(const struct err *e);

#endif
