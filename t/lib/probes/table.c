/* What is tried, what must come of it, and what holds it.
   .off names the protections that each hold it alone; with all of them off it comes to .open, and with any one of them on it does not:
   t/sys/weaken.t sees to both.  A row without .off has no protection that could be left out, and says why. */
#include "t/lib/probes/probe.h"

#include <fcntl.h>
#include <linux/keyctl.h>
#include <linux/netlink.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include "base/attr.h"

/* Four locks on capabilities, each of which empties the sets alone once init is executed. */
#define CAPS "ids securebits bounding capset"
/* And to have those that only count in the first user namespace. */
#define REAL CAPS " ns-user"
/* Landlock forbids any change of mounts. */
#define MOUNTS "filter landlock " CAPS
#define FILTERED "filter"
#define HIGH (1L << 32)
/* Whose cgroup namespace is another's cannot mount its view of it: then nothing starts. */
#define WITHOUT_CGROUP "ns-cgroup cgroup-mount"

#define CALL(n, w, o, op, nr, ...) { .name = n, .try = try_call, .want = w, .off = o, .open = op, .number = nr, .arg = { __VA_ARGS__ } }
#define CALL_PATH(n, w, o, op, nr, ...) { .name = n, .try = try_call_path, .want = w, .off = o, .open = op, .number = nr, __VA_ARGS__ }
#define TRY(n, f, w, o, op, ...) { .name = n, .try = f, .want = w, .off = o, .open = op, __VA_ARGS__ }
#define ARG(...) .arg = { __VA_ARGS__ }
#define ALWAYS(n, f, w, ...) { .name = n, .try = f, .want = w, .why = "must work: what shuts everything off proves nothing", __VA_ARGS__ }
#define SOCKET(n, o, op, ...) { .name = "socket: " n, .try = try_socket, .want = "EAFNOSUPPORT", .off = o, .open = op, .arg = { __VA_ARGS__ } }
#define DEVICE(n) { .name = "device: " n, .try = try_open, .path = n, .want = "ENOENT", .off = "pivot", .open = "worked|EACCES|EPERM|ENXIO|EIO|ENODEV|EBUSY", \
                    .arg = { O_RDWR } }
#define HIDDEN(n) { .name = "hidden: " n, .try = try_read, .path = n, .want = "empty|ENOENT", .off = "covers", .open = "data" }
#define LISTS(n, names) { .name = "list: " n, .try = try_list, .path = n, .want = names, .off = "pivot", .open = "*" }
#define NOT_THERE(n) { .name = "not there: " n, .try = try_look, .path = n, .want = "ENOENT", .off = "pivot" }

const struct probe probes[] = {
    /* --- namespaces --- */
    CALL("unshare: user", "EPERM", FILTERED, NULL, SYS_unshare, CLONE_NEWUSER),
    CALL("unshare: mount", "EPERM", "filter " CAPS, NULL, SYS_unshare, CLONE_NEWNS),
    CALL("unshare: pid", "EPERM", "filter " CAPS, NULL, SYS_unshare, CLONE_NEWPID),
    CALL("unshare: net", "EPERM", "filter " CAPS, NULL, SYS_unshare, CLONE_NEWNET),
    CALL("unshare: ipc", "EPERM", "filter " CAPS, NULL, SYS_unshare, CLONE_NEWIPC),
    CALL("unshare: uts", "EPERM", "filter " CAPS, NULL, SYS_unshare, CLONE_NEWUTS),
    CALL("unshare: cgroup", "EPERM", "filter " CAPS, NULL, SYS_unshare, CLONE_NEWCGROUP),
    CALL("unshare: time", "EPERM", "filter " CAPS, NULL, SYS_unshare, CLONE_NEWTIME),
    TRY("clone: user", try_clone, "EPERM", FILTERED, NULL, ARG(CLONE_NEWUSER)),
    TRY("clone: user and mount", try_clone, "EPERM", FILTERED, NULL, ARG(CLONE_NEWUSER | CLONE_NEWNS)),
    TRY("clone: mount", try_clone, "EPERM", "filter " CAPS, NULL, ARG(CLONE_NEWNS)),
    TRY("clone: pid", try_clone, "EPERM", "filter " CAPS, NULL, ARG(CLONE_NEWPID)),
    TRY("clone: net", try_clone, "EPERM", "filter " CAPS, NULL, ARG(CLONE_NEWNET)),
    TRY("clone: ipc", try_clone, "EPERM", "filter " CAPS, NULL, ARG(CLONE_NEWIPC)),
    TRY("clone: uts", try_clone, "EPERM", "filter " CAPS, NULL, ARG(CLONE_NEWUTS)),
    TRY("clone: cgroup", try_clone, "EPERM", "filter " CAPS, NULL, ARG(CLONE_NEWCGROUP)),
    TRY("clone3", try_clone3, "ENOSYS", FILTERED, NULL, ARG(0)),
    TRY("clone3: user", try_clone3, "ENOSYS", FILTERED, NULL, ARG(CLONE_NEWUSER)),
    TRY("setns: user", try_setns, "EPERM", FILTERED, "EINVAL", .path = "/proc/self/ns/user"),
    TRY("setns: net", try_setns, "EPERM", "filter " CAPS, NULL, .path = "/proc/self/ns/net"),
    TRY("namespace: user", try_namespace, "own", "ns-user", "shared", .path = "user"),
    TRY("namespace: pid", try_namespace, "own", "ns-pid proc-mount pivot", "shared", .path = "pid"),
    TRY("namespace: mount", try_namespace, "own", "ns-mount ns-user pivot", "shared", .path = "mnt"),
    TRY("namespace: ipc", try_namespace, "own", "ns-ipc", "shared", .path = "ipc"),
    TRY("namespace: uts", try_namespace, "own", "ns-uts hostname", "shared", .path = "uts"),
    TRY("namespace: net", try_namespace, "own", "ns-net", "shared", .path = "net"),
    TRY("namespace: cgroup", try_namespace, "own", WITHOUT_CGROUP, "shared", .path = "cgroup"),
    TRY("namespace: time", try_namespace, "own", "ns-time", "shared", .path = "time"),
    TRY("namespace: counted with nobody's", bomb_signals, "worked", "ns-owner", "EAGAIN", ARG(3000)),

    /* --- mounts --- */
    TRY("mount: tmpfs", try_mount, "EPERM", MOUNTS, NULL, .path = "/tmp"),
    TRY("mount: bind", try_mount, "EPERM", MOUNTS, "ENOENT", .path = "/tmp", ARG(MS_BIND)),
    TRY("mount: / writable", try_mount, "EPERM", MOUNTS, NULL, .path = "/", ARG(MS_REMOUNT | MS_BIND | MS_NOSUID | MS_NODEV)),
    TRY("mount: propagation", try_mount, "EPERM", MOUNTS, NULL, .path = "/", ARG(MS_SHARED)),
    CALL_PATH("umount: what hides /proc/keys", "EPERM", MOUNTS, NULL, SYS_umount2, .path = "/proc/keys", ARG(MNT_DETACH)),
    CALL_PATH("umount: a missing one", "EPERM", FILTERED, "ENOENT", SYS_umount2, .path = "/missing"),
    CALL("pivot_root", "EPERM", MOUNTS, "EINVAL", SYS_pivot_root, (long)".", (long)"."),
    TRY("chroot and out again", try_chroot, "EPERM", "filter " CAPS, NULL, .path = "/tmp"),
    CALL("open_tree", "EPERM", FILTERED, NULL, SYS_open_tree, AT_FDCWD, (long)"/", 0),
    CALL("open_tree: clone", "EPERM", "filter " CAPS, NULL, SYS_open_tree, AT_FDCWD, (long)"/tmp", 1),
    CALL("move_mount", "EPERM", "filter " CAPS, "EBADF|ENOENT|EINVAL", SYS_move_mount, -1, (long)"", -1, (long)"", 0),
    CALL("fsopen", "EPERM", "filter " CAPS, NULL, SYS_fsopen, (long)"tmpfs", 0),
    CALL("fsconfig", "EPERM", FILTERED, "EINVAL|EBADF", SYS_fsconfig, -1, 0, 0, 0, 0),
    CALL("fsmount", "EPERM", "filter " CAPS, "EBADF", SYS_fsmount, -1, 0, 0),
    CALL("fspick", "EPERM", "filter " CAPS, NULL, SYS_fspick, AT_FDCWD, (long)"/tmp", 0),
    CALL("mount_setattr", "EPERM", FILTERED, "EINVAL|EFAULT", SYS_mount_setattr, AT_FDCWD, (long)"/", 0, 0, 0),

    /* --- calls that open wide parts of the kernel --- */
    TRY("bpf", try_bpf, "EPERM", FILTERED, "EINVAL", ARG(9999)),
    TRY("perf_event_open", try_perf, "EPERM", FILTERED, "worked|EACCES|ENOENT|EOPNOTSUPP"),
    CALL("userfaultfd", "EPERM", FILTERED, NULL, SYS_userfaultfd, 1),
    TRY("io_uring_setup", try_uring, "EPERM", FILTERED, "worked"),
    CALL("io_uring_enter", "EPERM", FILTERED, "EBADF", SYS_io_uring_enter, -1, 0, 0, 0, 0, 0),
    CALL("io_uring_register", "EPERM", FILTERED, "EBADF|EINVAL", SYS_io_uring_register, -1, 0, 0, 0),
    CALL("keyctl", "EPERM", FILTERED, NULL, SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_PROCESS_KEYRING, 1),
    CALL("add_key", "EPERM", FILTERED, NULL, SYS_add_key, (long)"user", (long)"x", (long)"y", 1, KEY_SPEC_PROCESS_KEYRING),
    CALL("request_key", "EPERM", FILTERED, "ENOKEY", SYS_request_key, (long)"user", (long)"holdfast-none", 0, 0),
    CALL("io_setup", "ENOSYS", FILTERED, "EFAULT", SYS_io_setup, 1, 0),
    CALL("a larger pipe that root made", "EPERM", FILTERED, NULL, SYS_fcntl, 1, F_SETPIPE_SZ, 1 << 20),
    CALL("fanotify_init", "EPERM", FILTERED, NULL, SYS_fanotify_init, 0x200, 0),
    CALL("modify_ldt", "EPERM", FILTERED, NULL, SYS_modify_ldt, 0, 0, 0),
    CALL("memfd_secret", "EPERM", FILTERED, "worked|ENOSYS", SYS_memfd_secret, 0),
    CALL("migrate_pages", "EPERM", FILTERED, "worked|EINVAL|ENOSYS", SYS_migrate_pages, 0, 0, 0, 0),
    CALL("mbind", "EPERM", FILTERED, "worked|EINVAL|EFAULT|ENOSYS", SYS_mbind, 0, 0, 0, 0, 0, 0),
    CALL("set_mempolicy", "EPERM", FILTERED, NULL, SYS_set_mempolicy, 0, 0, 0),
    { .name = "an unknown call", .try = try_call, .number = 4999, .want = "ENOSYS", .why = "no kernel has it; a libc that has must fall back" },
    CALL("a call that is not listed", "ENOSYS", FILTERED, "EFAULT|EINVAL", SYS_ustat, 0, 0),

    /* --- other processes --- */
    CALL("ptrace: be traced", "EPERM", FILTERED, NULL, SYS_ptrace, PTRACE_TRACEME, 0, 0, 0),
    TRY("ptrace: init", try_ptrace, "EPERM", "filter dumpable", NULL, ARG(1)),
    TRY("ptrace: a process of the host", try_ptrace, "EPERM", FILTERED, "ESRCH", .path = "@pid"),
    TRY("process_vm_readv: itself", try_peek, "EPERM", FILTERED, NULL, ARG(0)),
    TRY("process_vm_readv: init", try_peek, "EPERM", "filter dumpable", "EFAULT", ARG(1)),
    TRY("process_vm_writev: init", try_poke, "EPERM", "filter dumpable", "EFAULT", ARG(1)),
    CALL("process_madvise", "EPERM", FILTERED, "EBADF", SYS_process_madvise, -1, 0, 0, 0, 0),
    CALL("kcmp", "EPERM", "filter dumpable", "EINVAL", SYS_kcmp, 1, 1, 99, 0, 0),
    CALL("process_mrelease", "EPERM", FILTERED, "EBADF", SYS_process_mrelease, -1, 0),
    TRY("pidfd_getfd", try_getfd, "EPERM", FILTERED, NULL),
    TRY("signal: a process of the host", try_kill, "ESRCH", "ns-pid proc-mount", "EPERM|worked", .path = "@pid"),
    ALWAYS("signal: pid 1, TERM", try_kill, "worked", ARG(1, SIGTERM)),
    ALWAYS("signal: pid 1, KILL", try_kill, "worked", ARG(1, SIGKILL)),
    TRY("look: /proc/1", try_look, "ENOENT", "dumpable", NULL, .path = "/proc/1/stat"),
    TRY("look: /proc/1, though it is not for us", try_look, "ENOENT", "hidepid", NULL, .path = "/proc/1/stat"),
    TRY("read: /proc/1/environ", try_read, "ENOENT", "dumpable", "empty|data", .path = "/proc/1/environ"),
    TRY("open: /proc/1/mem", try_open, "ENOENT", "dumpable landlock", NULL, .path = "/proc/1/mem", ARG(O_RDWR)),
    TRY("open: /proc/1/root", try_open, "ENOENT", "dumpable", NULL, .path = "/proc/1/root/tmp", ARG(O_DIRECTORY)),
    TRY("open: /proc/1/cwd", try_open, "ENOENT", "dumpable", NULL, .path = "/proc/1/cwd/tmp", ARG(O_DIRECTORY)),
    TRY("open: /proc/1/fd", try_open, "ENOENT", "dumpable", NULL, .path = "/proc/1/fd", ARG(O_DIRECTORY)),
    TRY("overwrite: /proc/1/exe", try_open, "ENOENT", "dumpable", "EACCES|ETXTBSY|EROFS", .path = "/proc/1/exe", ARG(O_WRONLY)),
    { .name = "overwrite: /proc/self/exe", .try = try_open, .path = "/proc/self/exe", .want = "ETXTBSY|EACCES", .arg = { O_WRONLY },
      .why = "its own program, on its own disk; the kernel lets nobody write what runs" },
    ALWAYS("execute: from memory", try_memfd, "worked"),

    /* --- personality --- */
    CALL("personality: ADDR_NO_RANDOMIZE", "EPERM", FILTERED, NULL, SYS_personality, ADDR_NO_RANDOMIZE),
    CALL("personality: READ_IMPLIES_EXEC", "EPERM", FILTERED, NULL, SYS_personality, READ_IMPLIES_EXEC),
    CALL("personality: MMAP_PAGE_ZERO", "EPERM", FILTERED, NULL, SYS_personality, MMAP_PAGE_ZERO),
    CALL("personality: ADDR_COMPAT_LAYOUT", "EPERM", FILTERED, NULL, SYS_personality, ADDR_COMPAT_LAYOUT),
    ALWAYS("personality: asks", try_call, "worked", .number = SYS_personality, ARG(0xffffffff)),

    /* --- ioctl --- */
    TRY("ioctl: TIOCSTI", try_terminal, "EPERM", FILTERED, "worked|EIO", ARG(TIOCSTI, 'x')),
    TRY("ioctl: TIOCSTI, high bits", try_terminal, "EPERM", FILTERED, "worked|EIO", ARG(TIOCSTI | HIGH, 'x')),
    TRY("ioctl: TIOCLINUX", try_terminal, "EPERM", FILTERED, "ENOTTY", ARG(TIOCLINUX, 2)),
    TRY("ioctl: TIOCLINUX, high bits", try_terminal, "EPERM", FILTERED, "ENOTTY", ARG(TIOCLINUX | HIGH, 2)),
    TRY("ioctl: TIOCSETD", try_terminal, "EPERM", FILTERED, NULL, ARG(TIOCSETD, 0)),
    TRY("ioctl: btrfs subvolume", try_ioctl, "EPERM", FILTERED, "ENOTTY|EFAULT", .path = ".", ARG(0x5000940e)),
    TRY("ioctl: btrfs subvolume, high bits", try_ioctl, "EPERM", FILTERED, "ENOTTY|EFAULT", .path = ".", ARG(0x5000940e | HIGH)),
    TRY("ioctl: btrfs snapshot", try_ioctl, "EPERM", FILTERED, "ENOTTY|EFAULT", .path = ".", ARG(0x50009401)),
    TRY("ioctl: btrfs snapshot, second form", try_ioctl, "EPERM", FILTERED, "ENOTTY|EFAULT", .path = ".", ARG(0x50009417)),
    TRY("ioctl: btrfs subvolume, second form", try_ioctl, "EPERM", FILTERED, "ENOTTY|EFAULT", .path = ".", ARG(0x50009418)),
    TRY("ioctl: FSSETXATTR", try_ioctl, "EPERM", FILTERED, "EFAULT|ENOTTY|EOPNOTSUPP", .path = ".", ARG(0x401c5820)),
    TRY("ioctl: FSSETXATTR, high bits", try_ioctl, "EPERM", FILTERED, "EFAULT|ENOTTY|EOPNOTSUPP", .path = ".", ARG(0x401c5820 | HIGH)),
    TRY("ioctl: SETFLAGS", try_ioctl, "EPERM", FILTERED, "EFAULT|ENOTTY|EOPNOTSUPP", .path = ".", ARG(0x40086602)),
    TRY("ioctl: ext4, set up encryption", try_ioctl, "EPERM", FILTERED, "EFAULT|ENOTTY|EOPNOTSUPP", .path = ".", ARG(0x800c6613)),

    /* --- sockets --- */
    SOCKET("AF_PACKET", "filter " CAPS, NULL, AF_PACKET, SOCK_RAW, 0),
    SOCKET("AF_VSOCK", FILTERED, NULL, AF_VSOCK, SOCK_STREAM, 0),
    SOCKET("AF_VSOCK, high bits", FILTERED, NULL, AF_VSOCK | HIGH, SOCK_STREAM, 0),
    SOCKET("AF_ALG", FILTERED, NULL, AF_ALG, SOCK_SEQPACKET, 0),
    SOCKET("AF_BLUETOOTH", FILTERED, "worked|EPROTONOSUPPORT|EPERM", AF_BLUETOOTH, SOCK_RAW, 1),
    SOCKET("AF_KEY", "filter " CAPS, NULL, AF_KEY, SOCK_RAW, 2),
    SOCKET("AF_TIPC", FILTERED, NULL, AF_TIPC, SOCK_DGRAM, 0),
    SOCKET("AF_CAN", FILTERED, "worked|EPROTONOSUPPORT", AF_CAN, SOCK_RAW, 1),
    SOCKET("AF_XDP", "filter " CAPS, NULL, AF_XDP, SOCK_RAW, 0),
    SOCKET("AF_RDS", FILTERED, NULL, AF_RDS, SOCK_SEQPACKET, 0),
    SOCKET("AF_IB", FILTERED, NULL, AF_IB, SOCK_STREAM, 0),
    SOCKET("netlink, kobject uevents", FILTERED, NULL, AF_NETLINK, SOCK_RAW, NETLINK_KOBJECT_UEVENT),
    SOCKET("netlink, netfilter", FILTERED, "worked|EPROTONOSUPPORT", AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER),
    SOCKET("netlink, audit", FILTERED, "worked|EPROTONOSUPPORT", AF_NETLINK, SOCK_RAW, NETLINK_AUDIT),
    SOCKET("netlink, generic", FILTERED, "worked|EPROTONOSUPPORT", AF_NETLINK, SOCK_RAW, NETLINK_GENERIC),
    SOCKET("netlink, sockets", FILTERED, "worked|EPROTONOSUPPORT", AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG),
    SOCKET("netlink, xfrm", FILTERED, "worked|EPROTONOSUPPORT", AF_NETLINK, SOCK_RAW, NETLINK_XFRM),
    TRY("socket: raw IPv4", try_socket, "EPERM", "filter " CAPS, NULL, ARG(AF_INET, SOCK_RAW, 1)),
    TRY("socket: raw IPv6", try_socket, "EPERM", "filter " CAPS, NULL, ARG(AF_INET6, SOCK_RAW, 58)),
    TRY("socketpair: AF_TIPC", try_socketpair, "EAFNOSUPPORT", FILTERED, "worked|EOPNOTSUPP", ARG(AF_TIPC, SOCK_STREAM, 0)),
    ALWAYS("socket: netlink, routes", try_socket, "worked", ARG(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE)),
    ALWAYS("socket: IPv4", try_socket, "worked", ARG(AF_INET, SOCK_STREAM, 0)),
    ALWAYS("socket: IPv6", try_socket, "worked", ARG(AF_INET6, SOCK_DGRAM, 0)),
    ALWAYS("socket: local", try_socket, "worked", ARG(AF_UNIX, SOCK_STREAM, 0)),

    /* --- the machine --- */
    CALL("kexec_load", "EPERM", "filter " REAL, "EINVAL|EBUSY|ENOSYS", SYS_kexec_load, 0, 0, 0, 0x7fff),
    CALL("kexec_file_load", "EPERM", "filter " REAL, "EINVAL|ENOSYS|EBADF", SYS_kexec_file_load, -1, -1, 0, 0, 0x7fff),
    CALL("init_module", "EPERM", "filter " REAL, "ENOEXEC|EFAULT|ENOSYS", SYS_init_module, 0, 0, (long)""),
    CALL("finit_module", "EPERM", "filter " REAL, "EBADF|EINVAL|ENOSYS", SYS_finit_module, -1, (long)"", 0),
    CALL("delete_module", "EPERM", "filter " REAL, "ENOENT|ENOSYS", SYS_delete_module, (long)"holdfast_none", O_NONBLOCK),
    CALL("reboot", "EPERM", "filter " CAPS, "EINVAL", SYS_reboot, 1, 2, 3, 0),
    CALL("syslog", "EPERM", "filter " REAL, "worked", SYS_syslog, 10, 0, 0),
    CALL("swapon", "EPERM", "filter " REAL, "ENOENT|ENOSYS", SYS_swapon, (long)"/missing", 0),
    CALL("swapoff", "EPERM", "filter " REAL, "ENOENT|ENOSYS", SYS_swapoff, (long)"/missing"),
    CALL("acct", "EPERM", "filter " REAL, "ENOENT|ENOSYS", SYS_acct, (long)"/missing"),
    CALL("settimeofday", "EPERM", FILTERED, "EFAULT|EINVAL", SYS_settimeofday, 1, 1),
    CALL("clock_settime", "EPERM", FILTERED, "EFAULT|EINVAL", SYS_clock_settime, 0, 1),
    TRY("adjtimex", try_adjtimex, "EPERM", FILTERED, NULL, .number = SYS_adjtimex),
    TRY("clock_adjtime", try_adjtimex, "EPERM", FILTERED, NULL, .number = SYS_clock_adjtime),
    CALL("quotactl", "EPERM", FILTERED, "ENOENT|ENOTBLK|EINVAL|ENODEV|ENOSYS", SYS_quotactl, 0x80000400, (long)"/missing", 0, 0),
    CALL("quotactl_fd", "EPERM", FILTERED, "EBADF|EINVAL|ENOSYS", SYS_quotactl_fd, -1, 0, 0, 0),
    CALL("sethostname", "EPERM", "filter " CAPS, NULL, SYS_sethostname, (long)"x", 1),
    CALL("setdomainname", "EPERM", "filter " CAPS, NULL, SYS_setdomainname, (long)"x", 1),
#ifdef __x86_64__
    CALL("iopl", "EPERM", "filter " REAL, "worked|ENOSYS", SYS_iopl, 3),
    CALL("ioperm", "EPERM", "filter " REAL, "worked|ENOSYS", SYS_ioperm, 0x80, 1, 1),
    TRY("32-bit entry", try_int80, "SIGSYS", FILTERED, "worked|SIGSEGV"),
    TRY("x32 entry", try_x32, "SIGSYS", FILTERED, "worked|ENOSYS"),
#endif
    CALL("open_by_handle_at", "EPERM", FILTERED, "EBADF|EFAULT", SYS_open_by_handle_at, -1, 0, 0),
    TRY("name_to_handle_at", try_handle, "EPERM", FILTERED, "worked|EOPNOTSUPP", .path = "."),

    /* --- files --- */
    TRY("device node: character", try_device, "EPERM|EACCES", "filter landlock " REAL, NULL, .path = "made", ARG(S_IFCHR | 0600, 1, 3)),
    TRY("device node: block", try_device, "EPERM|EACCES", "filter landlock " REAL, NULL, .path = "made", ARG(S_IFBLK | 0600, 7, 0)),
    TRY("device node: one that lies there", try_open, "EACCES", "home-nodev", NULL, .path = "device", ARG(O_RDWR)),
    TRY("set-user-id: a program that lies there", try_setuid_program, "nothing gained", "home-nosuid nnp filter landlock", "worked", .path = "./setuid"),
    ALWAYS("set-user-id: a file of its own", try_chmod, "4755", .path = "mode", ARG(04755)),
    TRY("execute: in /dev/shm", try_execute, "EACCES", "shm-noexec", "worked", .path = "/dev/shm"),
    TRY("execute: in /run", try_execute, "EACCES", "run-noexec", "worked", .path = "/run"),
    ALWAYS("execute: in /home/server", try_execute, "worked", .path = "."),
    TRY("create: /x", try_create, "EROFS", "root-ro landlock ids", NULL, .path = "/x"),
    TRY("create: /etc/x", try_create, "EROFS", "root-ro landlock ids", NULL, .path = "/etc/x"),
    TRY("create: /dev/x", try_create, "EROFS", "root-ro landlock ids", NULL, .path = "/dev/x"),
    TRY("create: /home/x", try_create, "EROFS", "root-ro landlock ids", NULL, .path = "/home/x"),
    TRY("write: /etc/passwd", try_open, "EACCES|EROFS", "root-ro landlock ids", NULL, .path = "/etc/passwd", ARG(O_WRONLY)),
    TRY("create: /usr/x", try_create, "EROFS", "root-ro usr-ro", "EACCES|EPERM|EOVERFLOW", .path = "/usr/x"),
    TRY("chown: to root", try_chown, "EPERM", "ids", NULL, ARG(0, 0)),
    TRY("chown: to another of the map", try_chown, "EPERM", CAPS, NULL, ARG(1001, 1001)),
    { .name = "chown: to nobody's id", .try = try_chown, .want = "EINVAL", .arg = { 70000, 70000 }, .why = "what is not mapped cannot be named" },
    { .name = "hard link: out of /usr", .try = try_link, .path = "/usr/bin/true", .want = "EXDEV", .why = "no link goes from mount to mount" },
    { .name = "hard link: out of /etc", .try = try_link, .path = "/etc/passwd", .want = "EXDEV", .why = "no link goes from mount to mount" },
    { .name = "rename: out of its files", .try = try_rename, .path = "../moved", .want = "EXDEV", .why = "no name goes from mount to mount" },
    TRY("its folder's neighbours", try_list, "server", "pivot", "other server", .path = "/home"),
    TRY("descriptors", try_descriptors, "0 1 2", "close-link", "0 1 2 3"),
    TRY("signals that are ignored", try_signals, "none", "signals init-signals", "SIGUSR1"),
    TRY("mode of new files", try_umask, "0022", "umask", "0000"),
    TRY("descriptor of the host's root", try_inherited, "EBADF", "close-from landlock", NULL, .path = "etc", ARG(200)),
    TRY("another's files by their path", try_look, "ENOENT", "pivot", NULL, .path = "@secret"),
    TRY("the key that secrets are sealed with", try_look, "ENOENT", "pivot", NULL, .path = "@secret-key"),
    TRY("the store's folder", try_look, "ENOENT", "pivot", "worked|EACCES", .path = "@store"),
    TRY("the store's database", try_look, "ENOENT", "pivot", "worked|EACCES", .path = "@store-db"),
    NOT_THERE("/etc/shadow"), NOT_THERE("/root"), NOT_THERE("/var/log"), NOT_THERE("/var/lib"), NOT_THERE("/boot"),
    LISTS("/sys", "devices fs kernel"), LISTS("/sys/devices", "system"), LISTS("/sys/devices/system", "cpu"), LISTS("/sys/fs", "cgroup"),
    LISTS("/sys/kernel", "mm"), LISTS("/sys/kernel/mm", "transparent_hugepage"),
    TRY("create: /sys/kernel/x", try_create, "EROFS", "root-ro landlock ids", NULL, .path = "/sys/kernel/x"),
    TRY("write: its own cgroup", try_open, "EACCES|EROFS", "cgroup-ro landlock ids ns-user", NULL, .path = "/sys/fs/cgroup/cgroup.procs", ARG(O_WRONLY)),
    TRY("list: cgroups but its own", try_folders, "nothing", "ns-cgroup ns-user", "*", .path = "/sys/fs/cgroup"),
    DEVICE("/dev/mem"), DEVICE("/dev/kmsg"), DEVICE("/dev/port"), DEVICE("/dev/kvm"), DEVICE("/dev/fuse"), DEVICE("/dev/net/tun"),
    DEVICE("/dev/loop-control"), DEVICE("/dev/loop0"), DEVICE("/dev/vda"), DEVICE("/dev/sda"), DEVICE("/dev/console"), DEVICE("/dev/tty1"),
    DEVICE("/dev/userfaultfd"), DEVICE("/dev/vsock"), DEVICE("/dev/btrfs-control"), DEVICE("/dev/cpu_dma_latency"), DEVICE("/dev/hwrng"),
    DEVICE("/dev/vhost-net"), DEVICE("/dev/dri"), DEVICE("/dev/snd"), DEVICE("/dev/input"),

    /* --- /proc --- */
    TRY("write: core_pattern", try_open, "EACCES|EROFS", "proc-sys-ro landlock ids ns-user", NULL, .path = "/proc/sys/kernel/core_pattern", ARG(O_WRONLY)),
    TRY("write: ip_forward", try_open, "EACCES|EROFS", "proc-sys-ro landlock " CAPS, NULL, .path = "/proc/sys/net/ipv4/ip_forward", ARG(O_WRONLY)),
    TRY("write: sysrq-trigger", try_open, "EACCES|EROFS|ENOENT", "proc-sys-ro landlock ids ns-user", NULL, .path = "/proc/sysrq-trigger", ARG(O_WRONLY)),
    TRY("write: drop_caches", try_open, "EACCES|EROFS", "proc-sys-ro landlock ids ns-user", NULL, .path = "/proc/sys/vm/drop_caches", ARG(O_WRONLY)),
    TRY("write: its uid map", try_open, "worked|EACCES|EPERM", NULL, NULL, .path = "/proc/self/uid_map", ARG(O_WRONLY),
        .why = "written once, by the launcher; the kernel takes no second map"),
    TRY("write: a file of its own in /proc", try_open, "EACCES", "landlock", NULL, .path = "/proc/self/oom_score_adj", ARG(O_WRONLY)),
    TRY("read: kcore", try_read, "empty|ENOENT", "covers " REAL, "data|EPERM", .path = "/proc/kcore"),
    HIDDEN("/proc/keys"), HIDDEN("/proc/key-users"), HIDDEN("/proc/interrupts"), HIDDEN("/proc/kallsyms"), HIDDEN("/proc/modules"),
    HIDDEN("/proc/cmdline"), HIDDEN("/proc/partitions"), HIDDEN("/proc/diskstats"), HIDDEN("/proc/swaps"),
    TRY("list: /proc/fs", try_list, "nothing|ENOENT", "covers", "*", .path = "/proc/fs"),

    /* --- who it is --- */
    TRY("capabilities: effective", try_status, "0000000000000000", CAPS, "000001ffffffffff", .path = "CapEff"),
    TRY("capabilities: permitted", try_status, "0000000000000000", CAPS, "000001ffffffffff", .path = "CapPrm"),
    TRY("capabilities: inheritable", try_status, "0000000000000000", NULL, NULL, .path = "CapInh", .why = "empty before, and emptied again"),
    TRY("capabilities: bounding", try_status, "0000000000000000", "bounding", "000001ffffffffff", .path = "CapBnd"),
    TRY("capabilities: ambient", try_status, "0000000000000000", NULL, NULL, .path = "CapAmb", .why = "empty before, and emptied again"),
    TRY("capset", try_capset, "EPERM", CAPS, NULL, ARG(21)),
    TRY("ambient raise", try_ambient, "EPERM", CAPS, NULL, ARG(21)),
    TRY("no_new_privs", try_status, "1", "nnp filter landlock", "0", .path = "NoNewPrivs"),
    TRY("seccomp", try_status, "2", FILTERED, "0", .path = "Seccomp"),
    TRY("securebits", try_prctl, "0xef", "securebits", "0", ARG(PR_GET_SECUREBITS, 0, 0, 0, 0, 1)),
    TRY("uid", try_status, "1000", "ids", "0", .path = "Uid"),
    TRY("gid", try_status, "1000", "ids", "0", .path = "Gid"),
    TRY("uid map", try_map, "own", "ns-user", "shared", .path = "/proc/self/uid_map"),
    TRY("gid map", try_map, "own", "ns-user", "shared", .path = "/proc/self/gid_map"),
    TRY("groups", try_status, "none", "groups", "65534", .path = "Groups"),
    TRY("setresuid: 0", try_setresuid, "EPERM", "ids", NULL, ARG(0)),
    TRY("setresuid: another of the map", try_setresuid, "EPERM", CAPS, NULL, ARG(1001)),
    TRY("setgroups", try_setgroups, "EPERM", CAPS, NULL, ARG(0)),
    TRY("host name", try_hostname, "own", "hostname", "the host's"),
    TRY("environment of the host", try_environment, "not there", NULL, NULL, .path = "HOLDFAST_CANARY",
        .why = "three programs in turn are given one of their own"),
    TRY("cgroup path", try_cgroup, "own", WITHOUT_CGROUP, "shared"),
    TRY("boot id", try_boot_id, "own", "boot-id", "shared"),

    /* --- limits --- */
    TRY("limit: core", try_limit, "held", "limit-core", "more", ARG(RLIMIT_CORE, 1)),
    TRY("limit: nofile", try_limit, "held", "limit-nofile", "more", .path = "@nofile", ARG(RLIMIT_NOFILE, 65535)),
    TRY("limit: memlock", try_limit, "held", "limit-memlock", "more", ARG(RLIMIT_MEMLOCK, 64 << 10)),
    TRY("limit: stack", try_limit, "held", "limit-stack", "more", ARG(RLIMIT_STACK, 8 << 20)),
    TRY("limit: message queues", try_limit, "held", "limit-msgqueue", "more", ARG(RLIMIT_MSGQUEUE, 800 << 10)),
    TRY("limit: pending signals", try_limit, "held", "limit-sigpending", "more", ARG(RLIMIT_SIGPENDING, 4096)),
    TRY("limit: nice", try_limit, "held", "limit-nice", "more", ARG(RLIMIT_NICE, 0)),
    TRY("limit: real time", try_limit, "held", "limit-rtprio", "more", ARG(RLIMIT_RTPRIO, 0)),
    TRY("limit: processes", try_limit, "held", "limit-nproc", "more", ARG(RLIMIT_NPROC, 512)),
    TRY("raise: nofile", try_raise, "EPERM", REAL, NULL, ARG(RLIMIT_NOFILE)),
    TRY("raise: processes", try_raise, "EPERM", REAL, NULL, ARG(RLIMIT_NPROC)),
    TRY("nice -5", try_nice, "EACCES", REAL, NULL, ARG(-5)),
    TRY("scheduler: FIFO", try_scheduler, "EPERM", REAL, NULL, ARG(SCHED_FIFO)),
    TRY("scheduler: RR", try_scheduler, "EPERM", REAL, NULL, ARG(SCHED_RR)),
    CALL("ioprio: real time", "EPERM", REAL, NULL, SYS_ioprio_set, 1, 0, 1 << 13),
    TRY("mlock: 1 MiB", try_mlock, "ENOMEM", "limit-memlock", NULL, ARG(1 << 20)),
    TRY("prctl: PR_SET_MM", try_prctl, "EPERM", "filter " REAL, "EINVAL|worked", ARG(PR_SET_MM, PR_SET_MM_ARG_START, 1, 0, 0)),
    TRY("timer: wakes the machine", try_timer, "EPERM|EOPNOTSUPP|ENOTSUP", REAL, NULL, ARG(CLOCK_BOOTTIME_ALARM)),
    CALL("timerfd: wakes the machine", "EPERM", REAL, "worked|EOPNOTSUPP", SYS_timerfd_create, CLOCK_REALTIME_ALARM, 0),

    /* --- what others have made: the host, and another server of the same owner --- */
    TRY("host: abstract socket", try_unix, "ECONNREFUSED|EPERM", "ns-net landlock", NULL, .path = "@abstract", ARG(1)),
    TRY("host: socket by its path", try_unix, "ENOENT", "pivot", NULL, .path = "@socket"),
    TRY("host: port of its loopback", try_tcp, "ECONNREFUSED|EACCES", "ns-net landlock", NULL, .path = "@tcp"),
    TRY("host: shared memory", try_shm, "ENOENT", "ns-ipc", NULL, .path = "@ipc"),
    TRY("host: semaphores", try_sem, "ENOENT", "ns-ipc", NULL, .path = "@ipc"),
    TRY("host: message queue", try_msg, "ENOENT", "ns-ipc", NULL, .path = "@ipc"),
    TRY("host: POSIX message queue", try_mqueue, "ENOENT", "ns-ipc landlock", NULL, .path = "@mqueue"),
    ALWAYS("its own: POSIX message queue", try_own_mqueue, "worked"),
    TRY("host: session keyring", try_key, "EPERM", "filter keyring", NULL, .path = "holdfast-canary"),
    TRY("neighbour: abstract socket", try_unix, "ECONNREFUSED|EPERM", "ns-net landlock", NULL, .path = "@two-abstract", ARG(1)),
    TRY("neighbour: port of its loopback", try_tcp, "ECONNREFUSED|EACCES", "ns-net landlock", NULL, .path = "@two-tcp"),
    TRY("neighbour: shared memory", try_shm, "ENOENT", "ns-ipc", NULL, .path = "@two-ipc"),
    TRY("neighbour: semaphores", try_sem, "ENOENT", "ns-ipc", NULL, .path = "@two-ipc"),
    TRY("neighbour: message queue", try_msg, "ENOENT", "ns-ipc", NULL, .path = "@two-ipc"),
    TRY("neighbour: POSIX message queue", try_mqueue, "ENOENT", "ns-ipc landlock", NULL, .path = "@two-mqueue"),

    /* --- bombs --- */
    TRY("bomb: processes", bomb_forks, "EAGAIN", "limit-nproc", NULL, ARG(600), .kind = BOMB),
    TRY("bomb: threads", bomb_threads, "EAGAIN", "limit-nproc", NULL, ARG(600), .kind = BOMB),
    TRY("bomb: descriptors", bomb_descriptors, "EMFILE", "limit-nofile", NULL, .path = "@nofile", ARG(66000), .kind = BOMB),
    TRY("bomb: terminals", bomb_terminals, "ENOSPC", "pts-max", "worked|EMFILE", ARG(1000), .kind = BOMB),
    TRY("bomb: /tmp", bomb_fill, "ENOSPC", "tmp-size", NULL, .path = "/tmp", ARG(128 << 20), .kind = BOMB),
    TRY("bomb: /dev/shm", bomb_fill, "ENOSPC", "shm-size", NULL, .path = "/dev/shm", ARG(128 << 20), .kind = BOMB),
    TRY("bomb: /run", bomb_fill, "ENOSPC", "run-size", NULL, .path = "/run", ARG(8 << 20), .kind = BOMB),
    TRY("bomb: files in /tmp", bomb_inodes, "ENOSPC", "tmp-inodes", NULL, .path = "/tmp", ARG(40000), .kind = BOMB),
    TRY("bomb: queued signals", bomb_signals, "EAGAIN", "limit-sigpending", NULL, ARG(5000), .kind = BOMB),
    TRY("bomb: timers", bomb_timers, "EAGAIN", "limit-sigpending", NULL, ARG(5000), .kind = BOMB),
    TRY("bomb: message queues", bomb_mqueues, "EMFILE|ENOSPC", "limit-msgqueue", NULL, ARG(50), .kind = BOMB),
    TRY("bomb: pipes", bomb_pipes, "EPERM", NULL, NULL, ARG(1000), .kind = BOMB, .why = "the kernel's own limit per user, too, and no two servers are one user"),
    TRY("bomb: files", bomb_inodes, "ENOSPC|EDQUOT", NULL, NULL, .path = ".", ARG(30000), .kind = BOMB, .why = "the disk's: t/sys/disk.t, t/vm"),
    TRY("bomb: disk", bomb_fill, "ENOSPC|EDQUOT", NULL, NULL, .path = ".", ARG(128 << 20), .kind = BOMB, .why = "the disk's: t/sys/disk.t, t/vm"),
    TRY("bomb: fsync", bomb_fsync, "worked", NULL, NULL, ARG(3000), .kind = BOMB, .why = "nothing refuses it: others must not suffer"),
    TRY("bomb: spin", bomb_spin, "worked", NULL, NULL, ARG(3000), .kind = BOMB, .why = "nothing refuses it: others must not suffer"),
    TRY("bomb: depth", bomb_depth, "made|ENOSPC|EDQUOT|ENAMETOOLONG", NULL, NULL, ARG(3000), .kind = BOMB, .why = "its own files: tools must not suffer"),
    TRY("bomb: links", bomb_links, "ELOOP", NULL, NULL, .kind = BOMB, .why = "its own files: tools must not suffer"),
    TRY("bomb: a sparse TiB", bomb_sparse, "worked|EFBIG", NULL, NULL, ARG(1L << 40), .kind = BOMB, .why = "its own files: tools must not suffer"),
    TRY("bomb: kill them all", bomb_kill_all, "worked", NULL, NULL, .kind = BOMB, .why = "its own processes"),
    TRY("bomb: memory", bomb_memory, "SIGKILL", "cgroup", NULL, ARG(512L << 20), .kind = BOMB_VM),
};

const unsigned nprobes = countof(probes);
