/* The kernel's landlock, as far as we use it: its numbers, which of them this kernel knows, and the three calls. */
#ifndef SANDBOX_LOCK_LANDLOCK_H
#define SANDBOX_LOCK_LANDLOCK_H

#include <stdint.h>

/* Written out: the headers of the machine that builds may be older than the kernel that runs. */
enum {
    LANDLOCK_EXECUTE = 1 << 0, LANDLOCK_WRITE_FILE = 1 << 1, LANDLOCK_READ_FILE = 1 << 2, LANDLOCK_READ_DIR = 1 << 3,
    LANDLOCK_REMOVE_DIR = 1 << 4, LANDLOCK_REMOVE_FILE = 1 << 5, LANDLOCK_MAKE_CHAR = 1 << 6, LANDLOCK_MAKE_DIR = 1 << 7,
    LANDLOCK_MAKE_REG = 1 << 8, LANDLOCK_MAKE_SOCK = 1 << 9, LANDLOCK_MAKE_FIFO = 1 << 10, LANDLOCK_MAKE_BLOCK = 1 << 11,
    LANDLOCK_MAKE_SYM = 1 << 12, LANDLOCK_REFER = 1 << 13, LANDLOCK_TRUNCATE = 1 << 14, LANDLOCK_IOCTL_DEV = 1 << 15,
};
enum { LANDLOCK_BIND_TCP = 1 << 0, LANDLOCK_CONNECT_TCP = 1 << 1 };
enum { LANDLOCK_SCOPE_ABSTRACT = 1 << 0, LANDLOCK_SCOPE_SIGNAL = 1 << 1 };

enum {
    LANDLOCK_READ = LANDLOCK_READ_FILE | LANDLOCK_READ_DIR,
    /* Make, change, rename, remove all but device nodes. */
    LANDLOCK_WRITE = LANDLOCK_WRITE_FILE | LANDLOCK_TRUNCATE | LANDLOCK_REFER | LANDLOCK_REMOVE_DIR | LANDLOCK_REMOVE_FILE |
                     LANDLOCK_MAKE_DIR | LANDLOCK_MAKE_REG | LANDLOCK_MAKE_SOCK | LANDLOCK_MAKE_FIFO | LANDLOCK_MAKE_SYM,
};

/* What is taken away but for what rules give back. */
struct landlock { uint64_t fs, net, scoped; };

/* Each returns -1 with errno when it fails.  */

/* All that this kernel can take away.  A right that it does not know cannot be taken, so the version chooses rights only; it never decides
   whether there is a lock: a kernel without landlock is a failure. */
int landlock_known(struct landlock *all);
/* A set of rules without a rule: the descriptor. */
int landlock_new(const struct landlock *taken);
/* Beneath the folder (or of the file) open at FD, RIGHTS again: those that SET took, as the kernel wants no others. */
int landlock_beneath(int set, int fd, uint64_t rights);
int landlock_port(int set, uint64_t net, uint64_t port);
/* For this thread and what it starts, for good.  Wants no_new_privs. */
int landlock_enforce(int set);

#endif
