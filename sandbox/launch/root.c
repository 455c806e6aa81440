#include "sandbox/launch/mounts.h"
#include "sandbox/launch/root.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Where the new root is built: any folder every host has; covered in this mount namespace only. */
static const char building[] = "/tmp";
static const char empty[] = "var/empty";

static const char *const folders[] = {
    "usr", "etc", "etc/ssl", "etc/ssl/certs", "etc/alternatives", "dev", "dev/pts", "dev/shm", "proc", "tmp", "run", "home",
    "var", empty,
};

static const struct { const char *at, *to; } links[] = {
    { "bin", "usr/bin" }, { "sbin", "usr/sbin" }, { "lib", "usr/lib" }, { "lib64", "usr/lib64" }, { "var/tmp", "../tmp" },
    { "var/run", "../run" }, { "dev/fd", "/proc/self/fd" }, { "dev/stdin", "/proc/self/fd/0" },
    { "dev/stdout", "/proc/self/fd/1" }, { "dev/stderr", "/proc/self/fd/2" }, { "dev/ptmx", "pts/ptmx" },
};

static const char *const devices[] = { "null", "zero", "full", "random", "urandom", "tty" };

static int fail(struct err *e, const char *step, const char *what)
{
    return err_set(e, errno, step, "%s", what);
}

static int make_skeleton(const struct plan *p, struct err *e)
{
    for (size_t i = 0; i < countof(folders); i++)
        if (mkdir(folders[i], 0755) < 0)
            return fail(e, "mkdir", folders[i]);
    if (mkdir(p->home, 0755) < 0)
        return fail(e, "mkdir", p->home);
    for (size_t i = 0; i < countof(links); i++)
        if (symlink(links[i].to, links[i].at) < 0)
            return fail(e, "symlink", links[i].at);
    return 0;
}

static int attach(int tree, const char *at, struct err *e)
{
    if (syscall(SYS_move_mount, tree, "", AT_FDCWD, at, MOVE_MOUNT_F_EMPTY_PATH) < 0)
        return fail(e, "attach", at);
    return 0;
}

/* From the host's, with the old call: one step for what takes three with the new ones. */
static int bind_devices(struct err *e)
{
    for (size_t i = 0; i < countof(devices); i++) {
        char host[32];
        snprintf(host, sizeof host, "/dev/%s", devices[i]);
        if (mknod(host + 1, S_IFREG | 0666, 0) < 0)
            return fail(e, "create", host);
        if (mount(host, host + 1, NULL, M_BIND, NULL) < 0)
            return fail(e, "bind", host);
    }
    return 0;
}

int root_make(struct child *c, struct err *e)
{
    if (mount("tmpfs", building, "tmpfs", M_NOSUID | M_NODEV, "mode=755,size=1m,nr_inodes=256") < 0)
        return fail(e, "mount", "root");
    if (chdir(building) < 0)
        return fail(e, "chdir", "root");
    if (make_skeleton(c->plan, e) < 0 || attach(c->usr, "usr", e) < 0 || bind_devices(e) < 0)
        return -1;
    return etc_fill(c->plan, e);
}

/* What the kernel tells anyone of itself and of others, covered; a name this kernel has not is skipped.  (The rest is the host root's alone.) */
static const char *const covered_files[] = {
    "proc/kcore", "proc/keys", "proc/key-users", "proc/latency_stats", "proc/timer_list", "proc/timer_stats", "proc/sched_debug",
    "proc/interrupts", "proc/softirqs", "proc/kallsyms", "proc/modules", "proc/config.gz", "proc/cmdline", "proc/iomem",
    "proc/ioports", "proc/partitions", "proc/diskstats", "proc/swaps",
};
static const char *const covered_folders[] = { "proc/acpi", "proc/asound", "proc/scsi", "proc/bus", "proc/fs", "proc/irq",
                                               "proc/driver", "proc/tty", "proc/pressure" };
static const char *const read_only[] = { "proc/sys", "proc/sysrq-trigger" };

static int cover(const char *with, const char *const *names, size_t n, struct err *e)
{
    for (size_t i = 0; i < n; i++)
        if (mount(with, names[i], NULL, M_BIND, NULL) < 0 && errno != ENOENT)
            return fail(e, "cover", names[i]);
    return 0;
}

static int make_read_only(const char *at, struct err *e)
{
    if (mount(at, at, NULL, M_BIND | M_REC, NULL) < 0)
        return errno == ENOENT ? 0 : fail(e, "bind", at);
    if (mount(NULL, at, NULL, M_REMOUNT | M_BIND | M_RDONLY | M_NOSUID | M_NODEV | M_NOEXEC, NULL) < 0)
        return fail(e, "read-only", at);
    return 0;
}

/* Ports below 1024 are for anyone here: the namespace is the server's alone and nobody in it has a capability. */
static int open_low_ports(const struct plan *p, struct err *e)
{
    bool low = false;
    for (uint32_t i = 0; i < p->nports; i++)
        low = low || p->ports[i].port < 1024;
    if (!low)
        return 0;
    CLOSE_FD int fd = open("proc/sys/net/ipv4/ip_unprivileged_port_start", O_WRONLY | O_CLOEXEC);
    return fd < 0 || write(fd, "0", 1) != 1 ? fail(e, "write", "ip_unprivileged_port_start") : 0;
}

static int mount_proc(const struct plan *p, struct err *e)
{
    if (mount("proc", "proc", "proc", M_NOSUID | M_NODEV | M_NOEXEC, "hidepid=2") < 0)
        return fail(e, "mount", "/proc");
    if (open_low_ports(p, e) < 0 || cover("dev/null", covered_files, countof(covered_files), e) < 0 ||
        cover(empty, covered_folders, countof(covered_folders), e) < 0)
        return -1;
    for (size_t i = 0; i < countof(read_only); i++)
        if (make_read_only(read_only[i], e) < 0)
            return -1;
    return 0;
}

static int mount_tmpfs(const char *at, uint64_t bytes, unsigned mode, unsigned long flags, struct err *e)
{
    /* An inode costs the kernel about 1 KiB that SIZE does not count. */
    char options[96];
    uint64_t inodes = bytes / 4096 + 16;
    snprintf(options, sizeof options, "size=%llu,nr_inodes=%llu,mode=%o", (unsigned long long)bytes,
             (unsigned long long)inodes, mode);
    return mount("tmpfs", at, "tmpfs", M_NOSUID | M_NODEV | flags, options) < 0 ? fail(e, "mount", at) : 0;
}

/* What is written to these counts as the server's memory: all of them together must not be able to fill it. */
static uint64_t tmp_size(const struct plan *p)
{
    uint64_t most = p->memory / 4;
    return p->memory && p->tmp > most ? most : p->tmp;
}

static int mount_writable(const struct plan *p, struct err *e)
{
    uint64_t tmp = tmp_size(p);
    if (mount_tmpfs("tmp", tmp, 01777, 0, e) < 0 || mount_tmpfs("dev/shm", tmp, 01777, M_NOEXEC, e) < 0 ||
        mount_tmpfs("run", 1 << 20, 01777, M_NOEXEC, e) < 0)
        return -1;
    if (mount("devpts", "dev/pts", "devpts", M_NOSUID | M_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5,max=64") < 0)
        return fail(e, "mount", "/dev/pts");
    return 0;
}

int root_seal(struct child *c, struct err *e)
{
    struct mount_attr sealed = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID, .propagation = M_PRIVATE };
    if (syscall(SYS_mount_setattr, AT_FDCWD, "", AT_EMPTY_PATH | AT_RECURSIVE, &sealed, sizeof sealed) < 0)
        return fail(e, "read-only", "/");
    if (mount_proc(c->plan, e) < 0 || mount_writable(c->plan, e) < 0)
        return -1;
    return attach(c->home, c->plan->home, e);
}

int root_enter(struct child *c UNUSED, struct err *e)
{
    /* Old and new root at the same place: the old one then lies on top and is what "." unmounts. */
    if (syscall(SYS_pivot_root, ".", ".") < 0)
        return fail(e, "pivot_root", "");
    if (umount2(".", U_DETACH) < 0)
        return fail(e, "unmount", "the host's tree");
    return chdir("/") < 0 ? fail(e, "chdir", "/") : 0;
}
