#include "sandbox/lock/lock.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/die.h"

/* The kernel's numbers, written out: the headers of the machine that builds may be older than the kernel that runs. */
struct ruleset { uint64_t fs, net, scoped; };
struct beneath { uint64_t allowed; int32_t fd; } __attribute__((packed));
struct port { uint64_t allowed, number; };
enum { VERSION_FLAG = 1, RULE_BENEATH = 1, RULE_PORT = 2 };

enum {
    FS_EXECUTE = 1 << 0, FS_WRITE_FILE = 1 << 1, FS_READ_FILE = 1 << 2, FS_READ_DIR = 1 << 3, FS_REMOVE_DIR = 1 << 4,
    FS_REMOVE_FILE = 1 << 5, FS_MAKE_CHAR = 1 << 6, FS_MAKE_DIR = 1 << 7, FS_MAKE_REG = 1 << 8, FS_MAKE_SOCK = 1 << 9,
    FS_MAKE_FIFO = 1 << 10, FS_MAKE_BLOCK = 1 << 11, FS_MAKE_SYM = 1 << 12, FS_REFER = 1 << 13, FS_TRUNCATE = 1 << 14,
    FS_IOCTL_DEV = 1 << 15,
    FS_FIRST = FS_REFER - 1,   /* all that version 1 knows */
    NET_BIND_TCP = 1 << 0, NET_CONNECT_TCP = 1 << 1,
    SCOPE_ABSTRACT = 1 << 0, SCOPE_SIGNAL = 1 << 1,
};

/* What each version of landlock added.  A right that is not there cannot be taken away, so the version chooses rights only; it never
   decides whether there is a lock. */
static const struct { int version; struct ruleset adds; } versions[] = {
    { 1, { .fs = FS_FIRST } },
    { 2, { .fs = FS_REFER } },
    { 3, { .fs = FS_TRUNCATE } },
    { 4, { .net = NET_BIND_TCP | NET_CONNECT_TCP } },
    { 5, { .fs = FS_IOCTL_DEV } },
    { 6, { .scoped = SCOPE_ABSTRACT | SCOPE_SIGNAL } },
};

static const uint64_t access_rights[] = {
    [LOCK_FOLDER_READ] = FS_READ_FILE | FS_READ_DIR,
    [LOCK_FOLDER_WRITE] = FS_READ_FILE | FS_READ_DIR | FS_WRITE_FILE | FS_TRUNCATE | FS_REFER | FS_REMOVE_DIR | FS_REMOVE_FILE |
                   FS_MAKE_DIR | FS_MAKE_REG | FS_MAKE_SOCK | FS_MAKE_FIFO | FS_MAKE_SYM,
};

static void limit(const struct lock *l)
{
    for (size_t i = 0; i < l->nlimits; i++) {
        struct rlimit r = { l->limits[i].value, l->limits[i].value };
        if (setrlimit((__rlimit_resource_t)l->limits[i].resource, &r) < 0)
            die_errno("lock: setrlimit %d", l->limits[i].resource);
    }
}

static struct ruleset handled(void)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, VERSION_FLAG);
    if (version < 1)
        die_errno("lock: landlock is missing from this kernel");
    struct ruleset all = { 0 };
    for (size_t i = 0; i < countof(versions); i++)
        if (versions[i].version <= version) {
            all.fs |= versions[i].adds.fs;
            all.net |= versions[i].adds.net;
            all.scoped |= versions[i].adds.scoped;
        }
    return all;
}

static void add_folder(int set, const struct lock_folder *f, uint64_t known)
{
    if (f->access != LOCK_FOLDER_READ && f->access != LOCK_FOLDER_WRITE)
        bug("lock: access %d", f->access);
    struct beneath rule = { access_rights[f->access] & known, f->fd };
    if (syscall(SYS_landlock_add_rule, set, RULE_BENEATH, &rule, 0) < 0)
        die_errno("lock: landlock_add_rule");
}

static void landlock(const struct lock *l)
{
    struct ruleset all = handled();
    CLOSE_FD int set = (int)syscall(SYS_landlock_create_ruleset, &all, sizeof all, 0);
    if (set < 0)
        die_errno("lock: landlock_create_ruleset");
    for (size_t i = 0; i < l->nfolders; i++)
        add_folder(set, &l->folders[i], all.fs);
    struct port port = { NET_CONNECT_TCP & all.net, l->connect_port };
    if (port.number && port.allowed && syscall(SYS_landlock_add_rule, set, RULE_PORT, &port, 0) < 0)
        die_errno("lock: landlock_add_rule port");
    if (syscall(SYS_landlock_restrict_self, set, 0) < 0)
        die_errno("lock: landlock_restrict_self");
}

static void filter(const struct lock *l)
{
    if (l->filter == NULL || l->nfilter == 0)
        bug("lock: no filter");
    struct sock_fprog program = { (unsigned short)l->nfilter, (struct sock_filter *)(uintptr_t)l->filter };
    /* Above zero it is the thread that could not be brought along. */
    long r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program);
    if (r < 0)
        die_errno("lock: seccomp");
    if (r > 0)
        die("lock: seccomp: thread %ld is not covered", r);
}

void lock_apply(const struct lock *l)
{
    /* libc reads the time zone at the first broken-down time, which would be a log line behind the lock. */
    tzset();
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        die_errno("lock: prctl");
    limit(l);
    landlock(l);
    filter(l);
}
