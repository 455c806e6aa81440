#include "sandbox/launch/image.h"
#include "sandbox/launch/mounts.h"
#include "sandbox/launch/root.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"

/* Where the new root is built: any folder every host has; covered in this mount namespace only. */
static const char building[] = "/tmp";
/* A folder without anything in it until the very end, in every image. */
static const char empty[] = "dev/shm";
/* Hidden later by what is mounted there. */
static const char boot_id[] = "dev/mqueue/boot_id";

static const char *const folders[] = { "usr", "etc", "etc/ssl", "dev", "proc", "sys", "tmp", "run", "home", "var" };

static const struct link { const char *at, *to; } links[] = {
    { "bin", "usr/bin" }, { "sbin", "usr/sbin" }, { "lib", "usr/lib" }, { "lib64", "usr/lib64" }, { "var/tmp", "../tmp" },
    { "var/run", "../run" },
};

static const char *const device_folders[] = { "dev/pts", "dev/shm", "dev/mqueue" };
static const struct link device_links[] = {
    { "dev/fd", "/proc/self/fd" }, { "dev/stdin", "/proc/self/fd/0" }, { "dev/stdout", "/proc/self/fd/1" },
    { "dev/stderr", "/proc/self/fd/2" }, { "dev/ptmx", "pts/ptmx" },
};

static const char *const devices[] = { "dev/null", "dev/zero", "dev/full", "dev/random", "dev/urandom", "dev/tty" };

/* What is done below the new root is done by names relative to it: it is the working directory until it is the root. */
static int make_folder(struct child *c UNUSED, const struct step *s, struct err *e UNUSED)
{
    return mkdir(s->at, (mode_t)s->number);
}

static int make_link(struct child *c UNUSED, const struct step *s, struct err *e UNUSED)
{
    return symlink(s->from, s->at);
}

static int attach(int tree, const char *at)
{
    return (int)syscall(SYS_move_mount, tree, "", AT_FDCWD, at, MOVE_MOUNT_F_EMPTY_PATH);
}

static int attach_usr(struct child *c, const struct step *s, struct err *e UNUSED)
{
    return attach(c->usr, s->at);
}

static int attach_image(struct child *c, const struct step *s UNUSED, struct err *e UNUSED)
{
    return attach(c->image, building) < 0 ? -1 : chdir(building);
}

static int attach_home(struct child *c, const struct step *s, struct err *e UNUSED)
{
    return attach(c->home, s->at);
}

/* From the host's, with the old call: one step for what takes three with the new ones. */
static int bind_device(struct child *c UNUSED, const struct step *s, struct err *e UNUSED)
{
    return mknod(s->at, S_IFREG | 0666, 0) < 0 ? -1 : mount(s->from, s->at, NULL, M_BIND, NULL);
}

static int mount_root(struct child *c UNUSED, const struct step *s, struct err *e UNUSED)
{
    return mount(s->from, building, s->from, (unsigned long)s->flags, s->with) < 0 ? -1 : chdir(building);
}

static int mount_new(struct child *c UNUSED, const struct step *s, struct err *e UNUSED)
{
    return mount(s->from, s->at, s->from, (unsigned long)s->flags, s->with);
}

/* What the kernel tells anyone of itself and of others, covered; a name this kernel has not is skipped.  All of the OCI's list is here, and the machine's
   devices, locks (files of others by inode), counters and zones (what a side channel is read from).  The rest is the host root's alone, or asked for by
   programs: cpuinfo, meminfo, stat, loadavg, uptime, version, filesystems, cgroups (by which Java finds its limits). */
static const char *const covered_files[] = {
    "proc/kcore", "proc/keys", "proc/key-users", "proc/latency_stats", "proc/timer_list", "proc/timer_stats", "proc/sched_debug",
    "proc/interrupts", "proc/softirqs", "proc/kallsyms", "proc/modules", "proc/config.gz", "proc/cmdline", "proc/iomem",
    "proc/ioports", "proc/partitions", "proc/diskstats", "proc/swaps", "proc/bootconfig", "proc/buddyinfo", "proc/consoles", "proc/crypto",
    "proc/devices", "proc/dma", "proc/fb", "proc/locks", "proc/mdstat", "proc/misc", "proc/mtrr", "proc/schedstat", "proc/vmstat",
    "proc/zoneinfo",
};
static const char *const covered_folders[] = { "proc/acpi", "proc/asound", "proc/scsi", "proc/bus", "proc/fs", "proc/irq",
                                               "proc/driver", "proc/tty", "proc/pressure", "proc/dynamic_debug" };
static const char *const read_only[] = { "proc/sys", "proc/sysrq-trigger" };

static int cover(struct child *c UNUSED, const struct step *s, struct err *e UNUSED)
{
    return mount(s->from, s->at, NULL, M_BIND, NULL);
}

static int make_read_only(struct child *c UNUSED, const struct step *s, struct err *e)
{
    if (mount(s->at, s->at, NULL, M_BIND | M_REC, NULL) < 0)
        return -1;
    /* Named here: it is there, so nothing that this call says may be tolerated. */
    if (mount(NULL, s->at, NULL, (unsigned long)s->flags, NULL) < 0)
        return err_set(e, errno, s->verb->name, "/%s", s->at);
    return 0;
}

static int write_to(struct child *c UNUSED, const struct step *s, struct err *e UNUSED)
{
    CLOSE_FD int fd = open(s->at, O_WRONLY | O_CLOEXEC);
    return fd < 0 ? -1 : io_write_all(fd, s->with, strlen(s->with));
}

static bool low_ports(const struct plan *p)
{
    bool low = false;
    for (uint32_t i = 0; i < p->nports; i++)
        low = low || p->ports[i].port < 1024;
    return low;
}

static const char *tmpfs_options(struct steps *l, uint64_t bytes, unsigned mode)
{
    /* An inode costs the kernel about 1 KiB that SIZE does not count. */
    uint64_t inodes = bytes / 4096 + 16;
    return step_text(l, mem_fmt("size=%llu,nr_inodes=%llu,mode=%o", (unsigned long long)bytes, (unsigned long long)inodes, mode));
}

/* What is written to these counts as the server's memory: all of them together must not be able to fill it. */
static uint64_t tmp_size(const struct plan *p)
{
    uint64_t most = p->memory / 4;
    return p->memory && p->tmp > most ? most : p->tmp;
}

static int seal(struct child *c UNUSED, const struct step *s, struct err *e UNUSED)
{
    struct mount_attr sealed = { .attr_set = s->flags, .propagation = M_PRIVATE };
    return (int)syscall(SYS_mount_setattr, AT_FDCWD, "", AT_EMPTY_PATH | AT_RECURSIVE, &sealed, sizeof sealed);
}

static int enter(struct child *c UNUSED, const struct step *s UNUSED, struct err *e)
{
    /* Old and new root at the same place: the old one then lies on top and is what "." unmounts. */
    if (syscall(SYS_pivot_root, ".", ".") < 0)
        return -1;
    if (umount2(".", U_DETACH) < 0)
        return err_set(e, errno, "unmount", "the host's tree");
    return chdir("/");
}

const struct bit mount_flags[] = {
    { M_RDONLY, "ro" }, { M_NOSUID, "nosuid" }, { M_NODEV, "nodev" }, { M_NOEXEC, "noexec" }, { 0 },
};

const struct verb verb_mount = { "mount", .child = mount_new, .bits = mount_flags, .inside = true },
    verb_mkdir = { "mkdir", .child = make_folder, .inside = true };
static const struct verb v_root = { "mount", .child = mount_root, .bits = mount_flags, .inside = true },
    v_image = { "attach", .child = attach_image, .inside = true }, v_link = { "symlink", .child = make_link, .inside = true },
    v_usr = { "attach", .child = attach_usr, .inside = true }, v_home = { "attach", .child = attach_home, .inside = true },
    v_device = { "device", .child = bind_device, .inside = true }, v_seal = { "seal", .child = seal, .bits = mount_flags, .inside = true },
    v_write = { "write", .child = write_to, .inside = true }, v_cover = { "cover", .child = cover, .inside = true },
    v_read_only = { "read-only", .child = make_read_only, .bits = mount_flags, .inside = true }, v_enter = { "pivot_root", .child = enter };

static void links_steps(struct steps *l, const struct link *each, size_t n)
{
    for (size_t i = 0; i < n; i++)
        step_add(l, (struct step){ .verb = &v_link, .at = each[i].at, .from = each[i].to });
}

static void folders_steps(struct steps *l, const char *const *each, size_t n)
{
    for (size_t i = 0; i < n; i++)
        step_add(l, (struct step){ .verb = &verb_mkdir, .at = each[i], .number = 0755 });
}

static void device_steps(struct steps *l)
{
    folders_steps(l, device_folders, countof(device_folders));
    links_steps(l, device_links, countof(device_links));
    for (size_t i = 0; i < countof(devices); i++)
        step_add(l, (struct step){ .verb = &v_device, .at = devices[i], .from = step_text(l, mem_fmt("/%s", devices[i])) });
    sys_step_copy(l, "/proc/sys/kernel/random/uuid", boot_id);
}

static void host_steps(struct steps *l, const struct plan *p)
{
    step_add(l, (struct step){ .verb = &v_root, .at = "", .from = "tmpfs", .with = "mode=755,size=1m,nr_inodes=16384", .flags = M_NOSUID | M_NODEV });
    folders_steps(l, folders, countof(folders));
    step_add(l, (struct step){ .verb = &verb_mkdir, .at = p->home, .number = 0755 });
    links_steps(l, links, countof(links));
    step_add(l, (struct step){ .verb = &v_usr, .at = "usr", .from = "/usr" });
    device_steps(l);
    sys_steps(l);
    etc_steps(l, p);
}

void root_steps_make(struct steps *l, const struct plan *p)
{
    if (!p->has_image) {
        host_steps(l, p);
        return;
    }
    step_add(l, (struct step){ .verb = &v_image, .at = "", .from = "the image" });
    image_steps_make(l, p);
    device_steps(l);
    sys_steps(l);
}

static void covers(struct steps *l, const char *with, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        step_add(l, (struct step){ .verb = &v_cover, .at = names[i], .from = with, .tolerates = ENOENT });
}

static void proc_steps(struct steps *l, const struct plan *p)
{
    step_add(l, (struct step){ .verb = &verb_mount, .at = "proc", .from = "proc", .with = "hidepid=2",
                               .flags = M_NOSUID | M_NODEV | M_NOEXEC });
    /* Ports below 1024 are for anyone here: the namespace is the server's alone and nobody in it has a capability. */
    if (low_ports(p))
        step_add(l, (struct step){ .verb = &v_write, .at = "proc/sys/net/ipv4/ip_unprivileged_port_start", .with = "0" });
    covers(l, "dev/null", covered_files, countof(covered_files));
    covers(l, empty, covered_folders, countof(covered_folders));
    for (size_t i = 0; i < countof(read_only); i++)
        step_add(l, (struct step){ .verb = &v_read_only, .at = read_only[i], .tolerates = ENOENT,
                                   .flags = M_REMOUNT | M_BIND | M_RDONLY | M_NOSUID | M_NODEV | M_NOEXEC });
    /* The machine's would tell servers on it from all others; covered by the mount that made it, so it is read-only. */
    step_add(l, (struct step){ .verb = &v_cover, .at = "proc/sys/kernel/random/boot_id", .from = boot_id });
}

static void writable_steps(struct steps *l, const struct plan *p)
{
    uint64_t tmp = tmp_size(p), flags = M_NOSUID | M_NODEV;
    const struct { const char *at; uint64_t size, flags; } each[] = {
        { "tmp", tmp, flags }, { "dev/shm", tmp, flags | M_NOEXEC }, { "run", 1 << 20, flags | M_NOEXEC },
    };
    for (size_t i = 0; i < countof(each); i++)
        step_add(l, (struct step){ .verb = &verb_mount, .at = each[i].at, .from = "tmpfs", .with = tmpfs_options(l, each[i].size, 01777),
                                   .flags = each[i].flags });
    /* mq_open needs no mount; landlock's rule for its queues needs a place. */
    step_add(l, (struct step){ .verb = &verb_mount, .at = "dev/mqueue", .from = "mqueue", .flags = flags | M_NOEXEC });
    step_add(l, (struct step){ .verb = &verb_mount, .at = "dev/pts", .from = "devpts", .with = "newinstance,ptmxmode=0666,mode=0620,gid=5,max=64",
                               .flags = M_NOSUID | M_NOEXEC });
}

void root_steps_seal(struct steps *l, const struct plan *p)
{
    step_add(l, (struct step){ .verb = &v_seal, .at = "", .flags = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID });
    proc_steps(l, p);
    if (p->has_cgroup)
        /* Its root is the server's own group, as we have entered a cgroup namespace in it: Java, .NET, Node and Go take their sizes from memory.max
           and cpu.max. */
        step_add(l, (struct step){ .verb = &verb_mount, .at = "sys/fs/cgroup", .from = "cgroup2", .flags = M_RDONLY | M_NOSUID | M_NODEV | M_NOEXEC });
    writable_steps(l, p);
    if (p->has_image)
        image_steps_end(l);
    step_add(l, (struct step){ .verb = &v_home, .at = p->home, .from = "the server's files" });
}

void root_steps_enter(struct steps *l, const struct plan *p UNUSED)
{
    step_add(l, (struct step){ .verb = &v_enter, .at = "and the host's tree is gone" });
}
