/* Giving up rights for good: used by the sandbox's first process and by launch before it becomes the shim. */
#ifndef SANDBOX_LAUNCH_DROP_H
#define SANDBOX_LAUNCH_DROP_H

#include <sys/types.h>

#include "base/err.h"

/* Empties the bounding, ambient, inheritable, permitted and effective sets, locks the securebits, leaves all groups, becomes UID and GID
   in all four kinds, and sets no_new_privs.  Needs CAP_SETPCAP, CAP_SETUID, CAP_SETGID.  0, or -1 with E (then rights are in part gone: end). */
int drop_rights(uid_t uid, gid_t gid, struct err *e);

#endif
