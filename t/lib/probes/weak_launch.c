/* launch, weakened: steps that are left out of its list or lose something, and parts of the one step that gives up rights. */
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/io.h"
#include "base/mem.h"
#include "sandbox/launch/drop.h"
#include "sandbox/launch/mounts.h"
#include "sandbox/launch/run.h"
#include "t/lib/probes/weaken.h"

#define BOOT_ID "proc/sys/kernel/random/boot_id"

enum { DROP = 1, CLEAR, APPEND };   /* the step; FLAGS of its flags; a mount option that wins over those before it */

static const struct {
    const char *name, *verb, *at;   /* at NULL: every step of the verb */
    int what;
    uint64_t flags;
    const char *text;
} rows[] = {
    { "ns-user", "clone", NULL, CLEAR, CLONE_NEWUSER, NULL },
    { "ns-user", "map", NULL, DROP, 0, NULL },
    { "ns-user", "network-namespace", NULL, CLEAR, CLONE_NEWUSER, NULL },
    { "ns-owner", "owner", NULL, DROP, 0, NULL },
    { "ns-pid", "clone", NULL, CLEAR, CLONE_NEWPID, NULL },
    { "ns-mount", "clone", NULL, CLEAR, CLONE_NEWNS, NULL },
    { "ns-ipc", "clone", NULL, CLEAR, CLONE_NEWIPC, NULL },
    { "ns-ipc", "mount", "dev/mqueue", DROP, 0, NULL },      /* another's namespace cannot be mounted */
    { "ns-uts", "clone", NULL, CLEAR, CLONE_NEWUTS, NULL },
    { "ns-net", "network-namespace", NULL, CLEAR, CLONE_NEWNET, NULL },
    { "ns-net", "enter", NULL, CLEAR, CLONE_NEWNET, NULL },   /* what is said must be heard: unread it would end the link */
    { "umask", "umask", "0022", DROP, 0, NULL },
    { "signals", "signals", NULL, DROP, 0, NULL },
    { "ns-cgroup", "unshare", NULL, CLEAR, CLONE_NEWCGROUP, NULL },
    { "cgroup-mount", "mount", "sys/fs/cgroup", DROP, 0, NULL },
    { "cgroup-ro", "mount", "sys/fs/cgroup", CLEAR, M_RDONLY, NULL },
    { "ns-time", "clocks", NULL, DROP, 0, NULL },
    { "hostname", "hostname", NULL, DROP, 0, NULL },
    { "filter", "filter", NULL, DROP, 0, NULL },
    { "landlock", "landlock", NULL, DROP, 0, NULL },
    { "landlock", "allow", NULL, DROP, 0, NULL },
    { "keyring", "keyring", NULL, DROP, 0, NULL },
    { "pivot", "pivot_root", NULL, DROP, 0, NULL },
    { "pivot", "allow", "/dev/mqueue", DROP, 0, NULL },      /* the host need not have one */
    { "root-ro", "seal", NULL, CLEAR, M_RDONLY, NULL },
    { "usr-ro", "clone-tree", "/usr", CLEAR, M_RDONLY, NULL },
    { "home-nosuid", "clone-tree", "the server's files", CLEAR, M_NOSUID, NULL },
    { "home-nodev", "clone-tree", "the server's files", CLEAR, M_NODEV, NULL },
    { "shm-noexec", "mount", "dev/shm", CLEAR, M_NOEXEC, NULL },
    { "run-noexec", "mount", "run", CLEAR, M_NOEXEC, NULL },
    { "proc-sys-ro", "read-only", NULL, DROP, 0, NULL },
    { "covers", "cover", NULL, DROP, 0, NULL },
    { "boot-id", "cover", BOOT_ID, DROP, 0, NULL },
    { "proc-mount", "mount", "proc", DROP, 0, NULL },
    { "proc-mount", "cover", BOOT_ID, DROP, 0, NULL },       /* of all that is done in it, this alone must find its place */
    { "hidepid", "mount", "proc", APPEND, 0, "hidepid=0" },
    { "tmp-size", "mount", "tmp", APPEND, 0, "size=0" },
    { "tmp-inodes", "mount", "tmp", APPEND, 0, "nr_inodes=0" },
    { "shm-size", "mount", "dev/shm", APPEND, 0, "size=0" },
    { "run-size", "mount", "run", APPEND, 0, "size=0" },
    { "pts-max", "mount", "dev/pts", APPEND, 0, "max=1048576" },
    { "limit-core", "limit", "core", DROP, 0, NULL },
    { "limit-nofile", "limit", "nofile", DROP, 0, NULL },
    { "limit-memlock", "limit", "memlock", DROP, 0, NULL },
    { "limit-stack", "limit", "stack", DROP, 0, NULL },
    { "limit-msgqueue", "limit", "msgqueue", DROP, 0, NULL },
    { "limit-sigpending", "limit", "sigpending", DROP, 0, NULL },
    { "limit-nice", "limit", "nice", DROP, 0, NULL },
    { "limit-rtprio", "limit", "rtprio", DROP, 0, NULL },
    { "limit-nproc", "limit", "nproc", DROP, 0, NULL },
};

static const char *const parts[] = { "ids", "groups", "bounding", "securebits", "capset", "nnp", "close-from" };

void weaken_names(void)
{
    for (size_t i = 0; i < countof(rows); i++)
        printf("%s\n+%s\n", rows[i].name, rows[i].verb);
    for (size_t i = 0; i < countof(parts); i++)
        puts(parts[i]);
}

/* Whether S stays. */
static bool weaken(struct steps *l, struct step *s)
{
    for (size_t i = 0; i < countof(rows); i++) {
        if (strcmp(rows[i].verb, s->verb->name) != 0 || (rows[i].at && strcmp(rows[i].at, s->at) != 0) || !off(rows[i].name))
            continue;
        if (rows[i].what == DROP)
            return false;
        if (rows[i].what == CLEAR)
            s->flags &= ~rows[i].flags;
        if (rows[i].what == APPEND)
            s->with = step_text(l, mem_fmt("%s,%s", s->with, rows[i].text));
    }
    return true;
}

void __real_sequence(struct steps *l, const struct plan *p);
void __wrap_sequence(struct steps *l, const struct plan *p);

void __wrap_sequence(struct steps *l, const struct plan *p)
{
    refuse_the_dangerous();
    __real_sequence(l, p);
    size_t n = 0;
    for (size_t i = 0; i < l->n; i++) {
        struct step s = l->each[i];
        if (weaken(l, &s))
            l->each[n++] = s;
    }
    l->n = n;
}

/* --- rights: of the server, never of the shim ------------------------------------------------------------------------------------------ */

static bool of_the_server;

int __real_drop_rights(uid_t uid, gid_t gid, struct err *e);
int __wrap_drop_rights(uid_t uid, gid_t gid, struct err *e);
int __real_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d);
int __wrap_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d);
int __real_setgroups(size_t n, const gid_t *groups);
int __wrap_setgroups(size_t n, const gid_t *groups);
int __real_setresgid(gid_t r, gid_t e, gid_t s);
int __wrap_setresgid(gid_t r, gid_t e, gid_t s);
int __real_setresuid(uid_t r, uid_t e, uid_t s);
int __wrap_setresuid(uid_t r, uid_t e, uid_t s);
int __real_cap_set_proc(cap_t c);
int __wrap_cap_set_proc(cap_t c);
int __real_io_close_from(int fd);
int __wrap_io_close_from(int fd);
long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);

int __wrap_drop_rights(uid_t uid, gid_t gid, struct err *e)
{
    of_the_server = uid == PLAN_SERVER_UID;
    return __real_drop_rights(uid, gid, e);
}

static bool left_out(const char *name)
{
    return of_the_server && off(name);
}

int __wrap_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d)
{
    static const struct { int option; const char *name; } options[] = {
        { PR_SET_SECUREBITS, "securebits" }, { PR_SET_NO_NEW_PRIVS, "nnp" }, { PR_SET_DUMPABLE, "dumpable" },
    };
    if (option == PR_CAPBSET_DROP && left_out("bounding"))
        return a < 64 ? 0 : __real_prctl(option, a, b, c, d);   /* the end of the loop over them all is the kernel's to say */
    for (size_t i = 0; i < countof(options); i++)
        if (options[i].option == option && left_out(options[i].name))
            return 0;
    return __real_prctl(option, a, b, c, d);
}

int __wrap_setgroups(size_t n, const gid_t *groups)
{
    return left_out("groups") ? 0 : __real_setgroups(n, groups);
}

int __wrap_setresgid(gid_t r, gid_t e, gid_t s)
{
    return left_out("ids") ? 0 : __real_setresgid(r, e, s);
}

int __wrap_setresuid(uid_t r, uid_t e, uid_t s)
{
    return left_out("ids") ? 0 : __real_setresuid(r, e, s);
}

int __wrap_cap_set_proc(cap_t c)
{
    return left_out("capset") ? 0 : __real_cap_set_proc(c);
}

int __wrap_io_close_from(int fd)
{
    return left_out("close-from") ? 0 : __real_io_close_from(fd);
}

/* Init is told the names in its environment, which is empty else. */
long __wrap_syscall(long number, ...)
{
    long a[6];
    va_list ap;
    va_start(ap, number);
    for (size_t i = 0; i < countof(a); i++)
        a[i] = va_arg(ap, long);
    va_end(ap);
    char names[600];
    char *env[] = { names, NULL };
    if (number == SYS_execveat && getenv(WEAKEN)) {
        snprintf(names, sizeof names, "%s=%s", WEAKEN, getenv(WEAKEN));
        a[3] = (long)env;
    }
    return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
