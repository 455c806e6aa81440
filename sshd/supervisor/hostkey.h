/* The host keys: made on first start by the session program (we link no cryptography), kept 0600, handed to sessions in a sealed memfd. */
#ifndef SUPERVISOR_HOSTKEY_H
#define SUPERVISOR_HOSTKEY_H

#include "sshd/supervisor/super.h"

/* Makes what is missing, reads, seals: fills s->hostkeys.  0 or -1 with E. */
int hostkey_load(struct super *s, struct err *e);

#endif
