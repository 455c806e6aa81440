#include "t/lib/probes/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <grp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/attr.h"

static long slurp(const char *path, char *to, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, to, size - 1);
    to[n > 0 ? n : 0] = '\0';
    return n;
}

long try_status(const struct probe *p)
{
    char text[4096], name[40];
    if (slurp("/proc/self/status", text, sizeof text) < 0)
        return -1;
    snprintf(name, sizeof name, "\n%s:", p->path);
    char *at = strstr(text, name);
    if (at == NULL)
        return -1;
    at += strlen(name) + 1;
    at[strcspn(at, " \t\n")] = '\0';
    say("%s", at[0] ? at : "none");
    return 0;
}

long try_namespace(const struct probe *p)
{
    char path[64], key[64], own[64] = "", others[64];
    snprintf(path, sizeof path, "/proc/self/ns/%s", p->path);
    snprintf(key, sizeof key, "@ns-%s", p->path);
    snprintf(others, sizeof others, "%.60s", text_of(key));
    if (readlink(path, own, sizeof own - 1) < 0)
        return -1;
    say(others[0] == '\0' ? "no canary" : strcmp(own, others) == 0 ? "shared" : "own");
    return 0;
}

/* Host uid 0, or any of the host's own, must not be behind an id in here. */
long try_map(const struct probe *p)
{
    char text[256];
    unsigned inside = 0, outside = 0, n = 0;
    if (slurp(p->path, text, sizeof text) < 0)
        return -1;
    say(sscanf(text, "%u %u %u", &inside, &outside, &n) == 3 && inside == 0 && outside >= 65536 && n == 65536 &&
        strchr(text, '\n') == strrchr(text, '\n') ? "own" : "shared");
    return 0;
}

long try_descriptors(const struct probe *p)
{
    (void)p;
    say("%s", open_at_start);
    return 0;
}

long try_signals(const struct probe *p)
{
    (void)p;
    say("%s", ignored_at_start);
    return 0;
}

long try_umask(const struct probe *p)
{
    (void)p;
    say("%04o", umask(0));
    return 0;
}

long try_limit(const struct probe *p)
{
    struct rlimit r;
    if (getrlimit((__rlimit_resource_t)p->arg[0], &r) < 0)
        return -1;
    const char *most = text_of(p->path);
    say(r.rlim_max <= (most[0] ? strtoul(most, NULL, 10) : (rlim_t)p->arg[1]) ? "held" : "more");
    return 0;
}

long try_raise(const struct probe *p)
{
    struct rlimit r;
    if (getrlimit((__rlimit_resource_t)p->arg[0], &r) < 0)
        return -1;
    r.rlim_max++;
    return setrlimit((__rlimit_resource_t)p->arg[0], &r);
}

long try_nice(const struct probe *p)
{
    return setpriority(PRIO_PROCESS, 0, (int)p->arg[0]);
}

long try_scheduler(const struct probe *p)
{
    struct sched_param s = { .sched_priority = 1 };
    return sched_setscheduler(0, (int)p->arg[0], &s);
}

long try_mlock(const struct probe *p)
{
    void *m = mmap(NULL, (size_t)p->arg[0], PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return m == MAP_FAILED ? -1 : mlock(m, (size_t)p->arg[0]);
}

long try_capset(const struct probe *p)
{
    struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
    unsigned bit = 1U << p->arg[0];
    struct __user_cap_data_struct d[2] = { { bit, bit, bit } };
    return syscall(SYS_capset, &h, d);
}

/* An ambient capability must be inheritable first. */
long try_ambient(const struct probe *p)
{
    struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
    struct __user_cap_data_struct d[2];
    if (syscall(SYS_capget, &h, d) < 0)
        return -1;
    d[0].inheritable |= 1U << p->arg[0];
    return syscall(SYS_capset, &h, d) < 0 ? -1 : prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, p->arg[0], 0, 0);
}

long try_prctl(const struct probe *p)
{
    long r = prctl((int)p->arg[0], p->arg[1], p->arg[2], p->arg[3], p->arg[4]);
    if (r >= 0 && p->arg[5])
        say("%#lx", r);
    return r;
}

long try_hostname(const struct probe *p)
{
    (void)p;
    struct utsname u;
    if (uname(&u) < 0)
        return -1;
    say(strcmp(u.nodename, text_of("@hostname")) == 0 ? "the host's" : "own");
    return 0;
}

long try_cgroup(const struct probe *p)
{
    (void)p;
    char text[4096];
    if (slurp("/proc/self/cgroup", text, sizeof text) < 0)
        return -1;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
        if (strncmp(line, "0::", 3) == 0) {
            say(strcmp(line, "0::/") == 0 ? "own" : "shared");
            return 0;
        }
    say("none");
    return 0;
}

long try_boot_id(const struct probe *p)
{
    (void)p;
    char text[64];
    if (slurp("/proc/sys/kernel/random/boot_id", text, sizeof text) < 0)
        return -1;
    text[strcspn(text, "\n")] = '\0';
    const char *others = text_of("@boot-id");
    say(others[0] == '\0' ? "no canary" : strcmp(text, others) == 0 ? "shared" : "own");
    return 0;
}

long try_environment(const struct probe *p)
{
    say(getenv(p->path) ? "there" : "not there");
    return 0;
}

long try_setresuid(const struct probe *p)
{
    uid_t id = (uid_t)p->arg[0];
    return setresuid(id, id, id);
}

long try_setgroups(const struct probe *p)
{
    gid_t id = (gid_t)p->arg[0];
    return setgroups(1, &id);
}
