/* Certificates at a session: who is let in by one, and what it means for the session for as long as it lasts. */
#ifndef STORED_CERTIFIED_H
#define STORED_CERTIFIED_H

#include "base/buf.h"
#include "store/stored/session.h"

/* NULL, or why C, of the key with FINGERPRINT, lets nobody in here as ACCOUNT, now. */
const char *certified_refuses(const struct session *s, const struct cert *c, const char *account, const char *fingerprint);
/* Whether C is of a CA of ours, even if it is of no use now. */
bool certified_ours(const struct session *s, const struct cert *c);

/* S is what C allows. */
void certified_take(struct session *s, const struct cert *c);
/* The same for the login that the supervisor keeps: behind all else in it, nothing where there is no certificate.  Dies on one that no store of ours
   gave. */
void certified_put(const struct session *s, struct buf *login);
void certified_get(struct session *s, struct buf *login);

/* NULL, or why the certificate that let S in does not do any more. */
const char *certified_ended(const struct session *s);

#endif
