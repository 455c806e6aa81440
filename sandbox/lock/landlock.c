#include "sandbox/lock/landlock.h"

#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/attr.h"

struct beneath { uint64_t allowed; int32_t fd; } __attribute__((packed));
struct port { uint64_t allowed, number; };
enum { VERSION_FLAG = 1, RULE_BENEATH = 1, RULE_PORT = 2 };
enum { FS_FIRST = LANDLOCK_REFER - 1 };   /* all that version 1 knows */

/* What each version added. */
static const struct { int version; struct landlock adds; } versions[] = {
    { 1, { .fs = FS_FIRST } },
    { 2, { .fs = LANDLOCK_REFER } },
    { 3, { .fs = LANDLOCK_TRUNCATE } },
    { 4, { .net = LANDLOCK_BIND_TCP | LANDLOCK_CONNECT_TCP } },
    { 5, { .fs = LANDLOCK_IOCTL_DEV } },
    { 6, { .scoped = LANDLOCK_SCOPE_ABSTRACT | LANDLOCK_SCOPE_SIGNAL } },
};

int landlock_known(struct landlock *all)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, VERSION_FLAG);
    if (version < 1)
        return -1;
    *all = (struct landlock){ 0 };
    for (size_t i = 0; i < countof(versions); i++)
        if (versions[i].version <= version) {
            all->fs |= versions[i].adds.fs;
            all->net |= versions[i].adds.net;
            all->scoped |= versions[i].adds.scoped;
        }
    return 0;
}

int landlock_new(const struct landlock *taken)
{
    return (int)syscall(SYS_landlock_create_ruleset, taken, sizeof *taken, 0);
}

int landlock_beneath(int set, int fd, uint64_t rights)
{
    struct beneath rule = { rights, fd };
    return (int)syscall(SYS_landlock_add_rule, set, RULE_BENEATH, &rule, 0);
}

int landlock_port(int set, uint64_t net, uint64_t port)
{
    struct port rule = { net, port };
    return (int)syscall(SYS_landlock_add_rule, set, RULE_PORT, &rule, 0);
}

int landlock_enforce(int set)
{
    return (int)syscall(SYS_landlock_restrict_self, set, 0);
}
