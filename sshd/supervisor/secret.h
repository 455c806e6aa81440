/* The key that stored secrets are sealed with: secret.key beside the ini files, 32 random bytes, root's, 0600.  Handed to the store in a sealed memfd.
   Made at the first start, but saved only once the store says that nothing in its database was sealed with another one. */
#ifndef SUPERVISOR_SECRET_H
#define SUPERVISOR_SECRET_H

#include "sshd/supervisor/super.h"

/* Fills s->secret, and s->secret_fresh where there is no file.  0 or -1 with E: a file of another owner, mode or size is refused by name. */
int secret_load(struct super *s, struct err *e);
/* The store's answer: saves a fresh key that it uses; complains of one that it does not.  0 or -1 with E when it cannot be saved. */
int secret_settle(struct super *s, bool used, struct err *e);

#endif
