/* The kernel's forwarding, without which no server reaches anything: what it is, who switched it on, and switching it. */
#ifndef SUPERVISOR_FORWARD_H
#define SUPERVISOR_FORWARD_H

#include "sshd/supervisor/super.h"

/* Of one family.  routed: the machine forwards it, or will once forward_on was called; ours: because of us, so that it must forward nothing
   but the servers'. */
struct forward_family { bool routed, ours; };
struct forward { struct forward_family v4, v6; };

/* False where the kernel has no IPv6 at all. */
bool forward_has_ipv6(void);
/* What is to be with CONF.  Looks only. */
void forward_plan(const struct conf *conf, struct forward *f);
/* Makes it so: to be called when the packet filter already drops what is not ours.  0, or -1 with E. */
int forward_on(const struct conf *conf, const struct forward *f, struct err *e);
/* Switches off again what we, or an earlier daemon in the same run folder, switched on. */
void forward_off(const struct conf *conf);

#endif
