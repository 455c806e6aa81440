/* The key that stored secrets are sealed with: secret.key beside the ini files, 32 random bytes, root's, 0600.  Handed to the store in a sealed memfd.
   Made at the first start, but saved only once the store says that nothing in its database was sealed with another one.

   A new one lies in secret.key.new, on the disk, before the store seals anything with it, and is renamed over the old one when the store has: whatever
   is cut off in between, one of the two opens the database, and the next start of the store tells which. */
#ifndef SUPERVISOR_SECRET_H
#define SUPERVISOR_SECRET_H

#include "sshd/supervisor/super.h"

/* Fills s->secret, s->secret_fresh where there is no file, s->secret_next (-1: no rotation was cut off).  0 or -1 with E: a file of another owner, mode
   or size is refused by name. */
int secret_load(struct super *s, struct err *e);
/* What the database is sealed with, as the store says at its start and after a rotation: saves a fresh key, ends or takes back a rotation, complains of
   keys that do not fit.  0 or -1 with E when the folder of the keys cannot be written. */
int secret_settle(struct super *s, enum store_sealed sealed, struct err *e);
/* Makes s->secret_next and its file; one that a failed rotation left is taken again.  0 or -1 with E and nothing changed. */
int secret_make_next(struct super *s, struct err *e);

#endif
