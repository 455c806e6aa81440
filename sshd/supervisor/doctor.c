#include "sshd/supervisor/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/landlock.h>
#include <linux/openat2.h>

#include "base/io.h"
#include "base/mem.h"
#include "sshd/supervisor/cgroup.h"
#include "sshd/supervisor/doctor_visit.h"
#include "sshd/supervisor/image.h"
#include "sshd/supervisor/listen.h"

static enum verdict check_root(struct visit *v)
{
    snprintf(v->text, sizeof v->text, "%s", geteuid() == 0 ? "running as root" : "must run as root");
    return geteuid() == 0 ? OK : FAIL;
}

static enum verdict check_cgroup(struct visit *v)
{
    cgroup_probe(v->conf, v->text, sizeof v->text);
    if (v->text[0] == '\0') {
        snprintf(v->text, sizeof v->text, "v2 with cpu, memory and pids");
        return OK;
    }
    return v->conf->sandbox.limits == LIMITS_AVAILABLE ? WARN : FAIL;
}

static enum verdict check_openat2(struct visit *v)
{
    struct open_how how = { .flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_BENEATH };
    CLOSE_FD int fd = (int)syscall(SYS_openat2, AT_FDCWD, ".", &how, sizeof how);
    snprintf(v->text, sizeof v->text, "%s", fd >= 0 ? "resolves beneath" : strerror(errno));
    return fd >= 0 ? OK : FAIL;
}

static enum verdict check_landlock(struct visit *v)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (abi < 1) {
        snprintf(v->text, sizeof v->text, "not in this kernel (%s): boot with lsm=landlock,...", strerror(errno));
        return FAIL;
    }
    snprintf(v->text, sizeof v->text, "ABI %ld", abi);
    return OK;
}

static enum verdict check_userns(struct visit *v)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET) < 0 ? 1 : 0);
    int status = 1;
    bool good = pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
    snprintf(v->text, sizeof v->text, "%s", good ? "user, mount, pid and net can be made" : "cannot be made");
    return good ? OK : FAIL;
}

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

/* Apart from the others, as a kernel may be built without it. */
static enum verdict check_timens(struct visit *v)
{
    bool there = access("/proc/self/timens_offsets", F_OK) == 0;
    pid_t pid = there ? fork() : -1;
    if (pid == 0)
        _exit(unshare(CLONE_NEWTIME) < 0 ? 1 : 0);
    int status = 1;
    bool good = pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
    snprintf(v->text, sizeof v->text, "%s", good ? "can be made" : there ? "cannot be made" : "not in this kernel: it must have CONFIG_TIME_NS");
    return good ? OK : FAIL;
}

static enum verdict check_programs(struct visit *v)
{
    static const char *const names[] = { "session", "files", "store", "launch", "shim", "init", "archive", "filter", "copy" };
    for (size_t i = 0; i < countof(names); i++) {
        FREE_MEM char *path = mem_fmt("%s/holdfast-%s", v->conf->paths.libexec, names[i]);
        if (access(path, X_OK) < 0) {
            snprintf(v->text, sizeof v->text, "%s: %s", path, strerror(errno));
            return FAIL;
        }
    }
    snprintf(v->text, sizeof v->text, "%s", v->conf->paths.libexec);
    return OK;
}

static enum verdict check_images(struct visit *v)
{
    if (image_missing(v->conf, v->text, sizeof v->text))
        return FAIL;
    snprintf(v->text, sizeof v->text, "those that servers name are there");
    return OK;
}

static enum verdict check_ports(struct visit *v)
{
    bool held = false;
    for (size_t i = 0; i < v->conf->listen.address.n; i++) {
        struct sockaddr_storage a;
        socklen_t size;
        struct err e;
        int one = 1;
        const char *text = v->conf->listen.address.v[i];
        if (listen_parse(text, &a, &size, &e) < 0)
            continue;
        CLOSE_FD int fd = socket(a.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        if (bind(fd, (struct sockaddr *)&a, size) < 0 || listen(fd, 1) < 0) {
            if (errno == EADDRINUSE && v->live) {
                held = true;
                continue;
            }
            snprintf(v->text, sizeof v->text, "%s: %s", text, strerror(errno));
            return FAIL;
        }
    }
    snprintf(v->text, sizeof v->text, "%s", held ? "in use, and a holdfastd runs here" : "free");
    return OK;
}

static const struct { const char *name; enum verdict (*run)(struct visit *v); } checks[] = {
    { "root", check_root }, { "cgroup", check_cgroup }, { "openat2", check_openat2 }, { "landlock", check_landlock },
    { "namespaces", check_userns }, { "time namespace", check_timens }, { "quota", check_quota }, { "programs", check_programs },
    { "images", check_images }, { "ports", check_ports }, { "nftables", check_nftables }, { "forwarding", check_forwarding },
    { "published", check_published },
};

unsigned doctor(const struct conf *c, const char *folder, bool live, struct buf *out)
{
    static const char *const words[] = { "ok", "warn", "FAIL" };
    unsigned failures = 0;
    for (size_t i = 0; i < countof(checks); i++) {
        struct visit v = { .conf = c, .folder = folder, .live = live };
        enum verdict verdict = checks[i].run(&v);
        failures += verdict == FAIL;
        buf_put_fmt(out, "%-4s %s: %s\n", words[verdict], checks[i].name, v.text);
    }
    return failures;
}
