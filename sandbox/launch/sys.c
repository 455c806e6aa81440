/* The /sys of a sandbox: a few files copied from the host's, which are the same for everyone, and a read-only view of its own cgroup.  The real one is
   nowhere in it: most of it tells of the host, and it cannot be had in part. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "sandbox/launch/mounts.h"
#include "sandbox/launch/root.h"

enum { SMALL = 512, CPUS_MOST = 4096 };

#define CPU "sys/devices/system/cpu"
#define HUGE "sys/kernel/mm/transparent_hugepage"
static const char group[] = "sys/fs/cgroup";

static const char *const folders[] = {
    "sys", "sys/devices", "sys/devices/system", CPU, "sys/fs", group, "sys/kernel", "sys/kernel/mm", HUGE,
};

static const char *const files[] = {
    CPU "/online",               /* sysconf(_SC_NPROCESSORS_ONLN), Java, .NET */
    CPU "/possible",             /* sysconf(_SC_NPROCESSORS_CONF), allocators with a heap a processor */
    CPU "/present",              /* the same, other programs */
    HUGE "/enabled",             /* Java, jemalloc, tcmalloc: whether to align for huge pages */
    HUGE "/shmem_enabled",       /* Java */
    HUGE "/defrag",              /* Java */
    HUGE "/hpage_pmd_size",      /* Go, Java */
};

int sys_copy(const char *from, const char *to, struct err *e)
{
    char text[SMALL];
    CLOSE_FD int in = open(from, O_RDONLY | O_CLOEXEC);
    if (in < 0 && errno == ENOENT)
        return 0;
    ssize_t n = in < 0 ? -1 : read(in, text, sizeof text);
    if (n < 0)
        return err_set(e, errno, "read", "%s", from);
    CLOSE_FD int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
    return out < 0 || io_write_all(out, text, (size_t)n) < 0 ? err_set(e, errno, "write", "/%s", to) : 0;
}

/* Before glibc 2.34 the processors are counted by their folders. */
static int make_cpus(struct err *e)
{
    char text[SMALL] = "", name[sizeof CPU + 16];
    unsigned first = 0, last = 0;
    CLOSE_FD int fd = open(CPU "/present", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    if (n < 0)
        return err_set(e, errno, "read", "/%s/present", CPU);
    char *save = NULL;
    for (char *range = strtok_r(text, ",\n", &save); range; range = strtok_r(NULL, ",\n", &save)) {
        int got = sscanf(range, "%u-%u", &first, &last);
        for (unsigned i = first; got > 0 && i <= (got == 2 ? last : first) && i < CPUS_MOST; i++) {
            snprintf(name, sizeof name, CPU "/cpu%u", i);
            if (mkdir(name, 0755) < 0)
                return err_set(e, errno, "mkdir", "/%s", name);
        }
    }
    return 0;
}

int sys_fill(struct err *e)
{
    for (size_t i = 0; i < countof(folders); i++)
        if (mkdir(folders[i], 0755) < 0)
            return err_set(e, errno, "mkdir", "/%s", folders[i]);
    for (size_t i = 0; i < countof(files); i++) {
        char host[128];
        snprintf(host, sizeof host, "/%s", files[i]);
        if (sys_copy(host, files[i], e) < 0)
            return -1;
    }
    return make_cpus(e);
}

int sys_open_cgroup(const struct plan *p, struct err *e)
{
    /* The folder above stays root's alone. */
    return p->cgroup >= 0 && fchmod(p->cgroup, 0755) < 0 ? err_set(e, errno, "chmod", "the cgroup") : 0;
}

/* Its root is the server's own group, as we have entered a cgroup namespace in it: Java, .NET, Node and Go take their sizes from memory.max and cpu.max. */
int sys_mount_cgroup(const struct plan *p, struct err *e)
{
    if (p->cgroup < 0)
        return 0;
    return mount("cgroup2", group, "cgroup2", M_RDONLY | M_NOSUID | M_NODEV | M_NOEXEC, NULL) < 0 ? err_set(e, errno, "mount", "/%s", group) : 0;
}
