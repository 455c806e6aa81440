/* A payload that tries what it must not be able to do, and what it must: one line a try, "ok NAME" or "not ok NAME: ...". */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/keyctl.h>
#include <linux/netlink.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/attr.h"

static const unsigned long high = 1UL << 32;
static int failed;

/* Each returns 0 or more for success, or -1 with errno. */
static long t_unshare(void) { return unshare(CLONE_NEWUSER); }
static long t_clone_user(void) { return syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL); }
static long t_clone_net(void) { return syscall(SYS_clone, CLONE_NEWNET | SIGCHLD, NULL, NULL, NULL, NULL); }
static long t_clone3(void) { struct clone_args a = { .exit_signal = SIGCHLD }; return syscall(SYS_clone3, &a, sizeof a); }
static long t_setns(void) { return setns(open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), 0); }
static long t_mount(void) { return mount("tmpfs", "/home/server", "tmpfs", 0, NULL); }
static long t_remount(void) { return mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL); }
static long t_umount(void) { return umount2("/proc/keys", MNT_DETACH); }
static long t_open_tree(void) { return syscall(SYS_open_tree, AT_FDCWD, "/", 1); }
static long t_fsopen(void) { return syscall(SYS_fsopen, "proc", 0); }
static long t_chroot(void) { return chroot("/tmp"); }
static long t_pivot(void) { return syscall(SYS_pivot_root, ".", "."); }
static long t_ptrace(void) { return ptrace(PTRACE_ATTACH, 1, NULL, NULL); }
static long t_vm_write(void) { return syscall(SYS_process_vm_writev, 1, NULL, 0, NULL, 0, 0); }
static long t_bpf(void) { return syscall(SYS_bpf, 0, NULL, 0); }
static long t_perf(void) { return syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0); }
static long t_uffd(void) { return syscall(SYS_userfaultfd, 1); }
static long t_uring(void) { return syscall(SYS_io_uring_setup, 1, NULL); }
static long t_keyctl(void) { return syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, -4, 1); }
static long t_add_key(void) { return syscall(SYS_add_key, "user", "x", "y", 1, -4); }
static long t_handle(void) { return syscall(SYS_open_by_handle_at, 0, NULL, 0); }
static long t_fanotify(void) { return syscall(SYS_fanotify_init, 0, 0); }
static long t_syslog(void) { return syscall(SYS_syslog, 3, NULL, 0); }
static long t_personality(void) { return personality(ADDR_NO_RANDOMIZE); }
static long t_personality_rie(void) { return personality(READ_IMPLIES_EXEC); }
static long t_personality_ask(void) { return personality(0xffffffff); }
static long t_sethostname(void) { return sethostname("x", 1); }
static long t_quotactl(void) { return syscall(SYS_quotactl, 0, NULL, 0, NULL); }
static long t_reboot(void) { return syscall(SYS_reboot, 0, 0, 0, NULL); }
static long t_module(void) { return syscall(SYS_finit_module, 0, "", 0); }
static long t_future(void) { return syscall(999); }

static long t_sti(void) { return syscall(SYS_ioctl, 0, (unsigned long)TIOCSTI, "x"); }
static long t_sti_high(void) { return syscall(SYS_ioctl, 0, TIOCSTI | high, "x"); }
static long t_linux_high(void) { return syscall(SYS_ioctl, 0, 0x541c | high, "x"); }
static long t_setd(void) { int d = 2; return ioctl(0, TIOCSETD, &d); }
static long t_btrfs(void) { return syscall(SYS_ioctl, 0, 0x5000940eUL | high, NULL); }
static long t_snap(void) { return syscall(SYS_ioctl, 0, 0x50009417UL, NULL); }
static long t_xattr(void) { return syscall(SYS_ioctl, 0, 0x401c5820UL | high, NULL); }
static long t_flags(void) { return syscall(SYS_ioctl, 0, (unsigned long)FS_IOC_SETFLAGS, NULL); }

static long t_vsock(void) { return socket(40, SOCK_STREAM | SOCK_CLOEXEC, 0); }
static long t_alg(void) { return socket(38, SOCK_SEQPACKET | SOCK_CLOEXEC, 0); }
static long t_packet(void) { return socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0); }
static long t_vsock_high(void) { return syscall(SYS_socket, 40 | high, SOCK_STREAM, 0); }
static long t_uevent(void) { return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT); }
static long t_netfilter(void) { return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER); }
static long t_raw(void) { return socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, 1); }
static long t_route(void) { return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE); }
static long t_inet(void) { return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); }
static long t_inet6(void) { return socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0); }
static long t_unix(void) { return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0); }

static long t_setuid(void) { return setuid(0); }
static long t_mknod(void) { return mknod("/home/server/dev", S_IFBLK | 0600, makedev(254, 0)); }
static long t_mkfifo(void) { return mkfifo("/tmp/fifo", 0600); }
static long t_chown(void) { return fchown(open("/tmp/own", O_CREAT | O_RDWR | O_CLOEXEC, 0600), 0, 0); }
static long make(const char *path) { return open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600); }
static long t_root(void) { return make("/x"); }
static long t_usr(void) { return make("/usr/x"); }
static long t_etc(void) { return make("/etc/x"); }
static long t_dev(void) { return make("/dev/x"); }
static long t_passwd(void) { return open("/etc/passwd", O_WRONLY | O_CLOEXEC); }
static long t_hostname_file(void) { return open("/proc/sys/kernel/hostname", O_WRONLY | O_CLOEXEC); }
static long t_forward(void) { return open("/proc/sys/net/ipv4/ip_forward", O_WRONLY | O_CLOEXEC); }
static long t_init_mem(void) { return open("/proc/1/mem", O_RDWR | O_CLOEXEC); }
static long t_init_root(void) { return open("/proc/1/root/etc/shadow", O_RDONLY | O_CLOEXEC); }
static long t_home(void) { return make("/home/server/mine"); }
static long t_tmp(void) { return make("/tmp/mine"); }
static long t_shm(void) { return make("/dev/shm/mine"); }
static long t_null(void) { return write(open("/dev/null", O_WRONLY | O_CLOEXEC), "x", 1) == 1 ? 0 : -1; }
static long t_stdout(void) { return open("/dev/stdout", O_WRONLY | O_CLOEXEC); }
static long t_ptmx(void) { return open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC); }
static long t_nofile(void) { struct rlimit r = { 1 << 20, 1 << 20 }; return setrlimit(RLIMIT_NOFILE, &r); }

static const struct { const char *name; long (*fn)(void); int no; } tries[] = {
    { "unshare", t_unshare, EPERM }, { "clone user", t_clone_user, EPERM }, { "clone net", t_clone_net, EPERM },
    { "clone3", t_clone3, ENOSYS }, { "setns", t_setns, EPERM }, { "mount", t_mount, EPERM }, { "remount", t_remount, EPERM },
    { "umount", t_umount, EPERM }, { "open_tree", t_open_tree, EPERM }, { "fsopen", t_fsopen, EPERM },
    { "chroot", t_chroot, EPERM }, { "pivot_root", t_pivot, EPERM }, { "ptrace init", t_ptrace, EPERM },
    { "process_vm_writev", t_vm_write, EPERM }, { "bpf", t_bpf, EPERM }, { "perf", t_perf, EPERM },
    { "userfaultfd", t_uffd, EPERM }, { "io_uring", t_uring, EPERM }, { "keyctl", t_keyctl, EPERM },
    { "add_key", t_add_key, EPERM }, { "open_by_handle_at", t_handle, EPERM }, { "fanotify", t_fanotify, EPERM },
    { "syslog", t_syslog, EPERM }, { "personality", t_personality, EPERM }, { "read implies exec", t_personality_rie, EPERM },
    { "personality asks", t_personality_ask, 0 }, { "sethostname", t_sethostname, EPERM }, { "quotactl", t_quotactl, EPERM },
    { "reboot", t_reboot, EPERM }, { "finit_module", t_module, EPERM }, { "unknown call", t_future, ENOSYS },

    { "TIOCSTI", t_sti, EPERM }, { "TIOCSTI, high bits", t_sti_high, EPERM }, { "TIOCLINUX, high bits", t_linux_high, EPERM },
    { "TIOCSETD", t_setd, EPERM }, { "btrfs subvolume", t_btrfs, EPERM }, { "btrfs snapshot", t_snap, EPERM },
    { "FSSETXATTR", t_xattr, EPERM }, { "SETFLAGS", t_flags, EPERM },

    { "AF_VSOCK", t_vsock, EAFNOSUPPORT }, { "AF_VSOCK, high bits", t_vsock_high, EAFNOSUPPORT }, { "AF_ALG", t_alg, EAFNOSUPPORT },
    { "AF_PACKET", t_packet, EAFNOSUPPORT }, { "uevents", t_uevent, EAFNOSUPPORT }, { "nfnetlink", t_netfilter, EAFNOSUPPORT },
    { "raw socket", t_raw, EPERM }, { "rtnetlink", t_route, 0 }, { "AF_INET", t_inet, 0 }, { "AF_INET6", t_inet6, 0 },
    { "AF_UNIX", t_unix, 0 },

    { "setuid 0", t_setuid, EPERM }, { "device node", t_mknod, EPERM }, { "fifo", t_mkfifo, 0 }, { "chown to root", t_chown, EPERM },
    { "write /", t_root, EROFS }, { "write /usr", t_usr, EROFS }, { "write /etc", t_etc, EROFS }, { "write /dev", t_dev, EROFS },
    { "write passwd", t_passwd, EACCES }, { "write hostname", t_hostname_file, EACCES }, { "write ip_forward", t_forward, EACCES },
    { "init's memory", t_init_mem, ENOENT }, { "init's root", t_init_root, ENOENT },
    { "write home", t_home, 0 }, { "write /tmp", t_tmp, 0 }, { "write /dev/shm", t_shm, 0 }, { "/dev/null", t_null, 0 },
    { "/dev/stdout", t_stdout, 0 }, { "/dev/ptmx", t_ptmx, 0 }, { "raise nofile", t_nofile, EPERM },
};

static void say(bool ok, const char *name, const char *more)
{
    printf("%sok %s%s%s\n", ok ? "" : "not ", name, more[0] ? ": " : "", more);
    failed |= !ok;
}

static void try_all(void)
{
    for (size_t i = 0; i < countof(tries); i++) {
        errno = 0;
        long r = tries[i].fn();
        int no = r < 0 ? errno : 0;
        say(no == tries[i].no, tries[i].name, no == tries[i].no ? "" : strerror(no));
    }
}

static void absent(void)
{
    static const char *const paths[] = { "/root", "/sys/class", "/sys/block", "/sys/module", "/sys/firmware", "/sys/devices/virtual", "/boot", "/opt", "/srv", "/mnt", "/media", "/etc/shadow", "/etc/ssh", "/etc/ssl/private",
        "/var/lib", "/var/log", "/etc/fstab", "/home/server/..hidden", "/lost+found", "/etc/holdfast", "/dev/kmsg", "/dev/mem", "/dev/vda" };
    for (size_t i = 0; i < countof(paths); i++)
        say(access(paths[i], F_OK) < 0 && errno == ENOENT, "absent", paths[i]);
}

/* A child that must be killed for the call FN makes. */
static void killed(const char *name, void (*fn)(void))
{
    pid_t pid = fork();
    if (pid == 0) {
        fn();
        _exit(0);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    say(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS, name, "");
}

#ifdef __x86_64__
static void x32(void) { syscall(SYS_getpid | 0x40000000); }
static void i386(void) { __asm__ volatile("int $0x80" : : "a"(20) : "memory"); }
#endif

static void *thread(void *data)
{
    *(int *)data = 1;
    return NULL;
}

static void threads(void)
{
    pthread_t t;
    int ran = 0;
    say(pthread_create(&t, NULL, thread, &ran) == 0 && pthread_join(t, NULL) == 0 && ran, "a thread", "");
}

#ifdef __SANITIZE_ADDRESS__
enum { SOFT_CORE = 0 };   /* the sanitizer lowers it itself */
#else
enum { SOFT_CORE = 1 };
#endif

static void itself(void)
{
    struct rlimit core = { 9, 9 };
    getrlimit(RLIMIT_CORE, &core);
    say(core.rlim_cur == SOFT_CORE && core.rlim_max == 1, "core limit 1", "");
    say(getuid() == 1000 && geteuid() == 1000 && getgid() == 1000 && getgroups(0, NULL) == 0, "ids", "");
    say(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1, "no_new_privs", "");
    mode_t mask = umask(022);
    say(mask == 022, "umask 022", "");
    bool none = true;
    for (int fd = 3; fd < 1024; fd++)
        none = none && fcntl(fd, F_GETFD) < 0;
    say(none, "no descriptor but 0, 1, 2", "");
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    itself();   /* first: the tries open descriptors */
    try_all();
    absent();
#ifdef __x86_64__
    killed("x32 is killed", x32);
    killed("i386 is killed", i386);
#endif
    threads();
    return failed;
}
