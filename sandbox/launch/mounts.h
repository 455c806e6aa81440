/* mount(2) with the kernel's numbers: glibc's <sys/mount.h> and the kernel's headers clash before 2.37. */
#ifndef SANDBOX_LAUNCH_MOUNTS_H
#define SANDBOX_LAUNCH_MOUNTS_H

#include "sandbox/launch/step.h"

enum { M_RDONLY = 1, M_NOSUID = 2, M_NODEV = 4, M_NOEXEC = 8, M_REMOUNT = 32, M_BIND = 4096, M_REC = 16384, M_PRIVATE = 1 << 18,
       U_DETACH = 2 };

/* Their names, for the printed plan; the kernel's MOUNT_ATTR_ have the same numbers. */
extern const struct bit mount_flags[];

int mount(const char *source, const char *target, const char *type, unsigned long flags, const void *data);
int umount2(const char *target, int flags);

#endif
