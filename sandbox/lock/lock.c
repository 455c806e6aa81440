#include "sandbox/lock/lock.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/die.h"
#include "sandbox/lock/landlock.h"

static const uint64_t access_rights[] = {
    [LOCK_FOLDER_READ] = LANDLOCK_READ,
    [LOCK_FOLDER_WRITE] = LANDLOCK_READ | LANDLOCK_WRITE,
};

static void limit(const struct lock *l)
{
    for (size_t i = 0; i < l->nlimits; i++) {
        struct rlimit r = { l->limits[i].value, l->limits[i].value };
        if (setrlimit((__rlimit_resource_t)l->limits[i].resource, &r) < 0)
            die_errno("lock: setrlimit %d", l->limits[i].resource);
    }
}

static void add_folder(int set, const struct lock_folder *f, uint64_t known)
{
    if (f->access != LOCK_FOLDER_READ && f->access != LOCK_FOLDER_WRITE)
        bug("lock: access %d", f->access);
    if (landlock_beneath(set, f->fd, access_rights[f->access] & known) < 0)
        die_errno("lock: landlock_add_rule");
}

static void landlock(const struct lock *l)
{
    struct landlock all;
    if (landlock_known(&all) < 0)
        die_errno("lock: landlock is missing from this kernel");
    CLOSE_FD int set = landlock_new(&all);
    if (set < 0)
        die_errno("lock: landlock_create_ruleset");
    for (size_t i = 0; i < l->nfolders; i++)
        add_folder(set, &l->folders[i], all.fs);
    uint64_t connect = LANDLOCK_CONNECT_TCP & all.net;
    if (l->connect_port && connect && landlock_port(set, connect, l->connect_port) < 0)
        die_errno("lock: landlock_add_rule port");
    if (landlock_enforce(set) < 0)
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
