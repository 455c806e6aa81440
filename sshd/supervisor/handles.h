/* SFTP handles of accounts: a page each (quota/gate.h, with handles in place of bytes) that all workers of an account count in.  Its limit is
   the account's share of what the machine has. */
#ifndef SUPERVISOR_HANDLES_H
#define SUPERVISOR_HANDLES_H

#include "sshd/supervisor/super.h"

struct handles;

/* A place for one more worker of ACCOUNT: its page, *SLOT in it.  To be given back by handles_leave, whatever becomes of the worker; what it
   had open is then others' again.  NULL with E (EAGAIN: no slot left). */
struct handles *handles_join(struct super *s, const char *account, unsigned *slot, struct err *e);
void handles_leave(struct handles *h, unsigned slot);
int handles_fd(const struct handles *h);   /* stays the page's */
/* The limits changed. */
void handles_apply(struct super *s);
/* Most that one channel can have open, by the configuration. */
uint32_t handles_most(const struct super *s);

#endif
