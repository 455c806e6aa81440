#include "quota/fuse_start.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <linux/securebits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/die.h"
#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/msg.h"
#include "quota/fuse_link.h"
#include "quota/idmap.h"
#include "quota/place.h"
#include "quota/quotafs_proto.h"

enum { COUNT_MS = 900 * 1000, READ_MOST = 1 << 20 };
static const int caps[] = { CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_FSETID, CAP_SETGID, CAP_SETUID };

/* ---- the process ---- */

static int keep_caps(void)
{
    enum { BITS = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP | SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED };
    struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct each[2] = { 0 };
    uint32_t set = 0;
    for (size_t i = 0; i < countof(caps); i++)
        set |= 1u << caps[i];
    for (unsigned long cap = 0; cap <= CAP_LAST_CAP || prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
        if ((cap > 31 || !(set & 1u << cap)) && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
            return -1;
    if (prctl(PR_SET_SECUREBITS, BITS, 0, 0, 0) < 0)
        return -1;
    each[0] = (struct __user_cap_data_struct){ .effective = set, .permitted = set, .inheritable = set };
    if (syscall(SYS_capset, &head, each) < 0)
        return -1;
    for (size_t i = 0; i < countof(caps); i++)
        if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, caps[i], 0, 0) < 0)
            return -1;
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

static void reset_signals(void)
{
    sigset_t none;
    sigemptyset(&none);
    for (int i = 1; i < __SIGRTMIN; i++)
        if (i != SIGKILL && i != SIGSTOP)
            signal(i, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* LINK and PROGRAM are above the numbers that are filled. */
static NORETURN void become(int wait, int link, int program)
{
    char name[] = "holdfast-quotafs", byte;
    char *argv[] = { name, NULL }, *env[] = { NULL };
    if (read(wait, &byte, 1) != 1)
        _exit(EXIT_FAILURE);
    setsid();
    reset_signals();
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (chdir("/") < 0 || setgroups(0, NULL) < 0 || setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0 || keep_caps() < 0)
        die_errno("quotafs: rights");
    if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(link, LINK_FD) < 0 || io_close_from(LINK_FD + 1) < 0)
        die_errno("quotafs: descriptors");
    syscall(SYS_execveat, program, "", argv, env, AT_EMPTY_PATH);
    die_errno("quotafs: exec");
}

static int write_map(pid_t pid, const char *file, uint32_t base, struct err *e)
{
    char path[64], map[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
    snprintf(map, sizeof map, "0 %u %d\n", (unsigned)base, IDMAP_IDS);
    CLOSE_FD int fd = open(path, O_WRONLY | O_CLOEXEC);
    return fd < 0 || io_write_all(fd, map, strlen(map)) < 0 ? err_set(e, errno, "quotafs", "%s", file) : 0;
}

/* Above the numbers that a role's plan fills. */
static int raise_fd(int *fd)
{
    int high = fcntl(*fd, F_DUPFD_CLOEXEC, 10);
    close(*fd);
    return *fd = high;
}

static int open_program(const char *libexec, struct err *e)
{
    FREE_MEM char *path = mem_fmt("%s/holdfast-quotafs", libexec);
    int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0 || raise_fd(&fd) < 0)
        return err_set(e, errno, "open", "%s", path);
    return fd;
}

/* The link to it, or -1 with E.  It waits for its maps; closing the pipe unwritten ends it. */
static int spawn(const struct disk *d, struct err *e)
{
    int ends[2], pair[2];
    CLOSE_FD int program = open_program(d->libexec, e);
    if (program < 0)
        return -1;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_set(e, errno, "quotafs", "pipe");
    CLOSE_FD int wait = ends[0], go = ends[1];
    if (raise_fd(&wait) < 0 || raise_fd(&go) < 0 || io_pair(pair) < 0)
        return err_set(e, errno, "quotafs", "link");
    CLOSE_FD int ours = pair[0], its = pair[1];
    if (raise_fd(&ours) < 0 || raise_fd(&its) < 0)
        return err_set(e, errno, "quotafs", "link");
    struct clone_args a = { .flags = CLONE_NEWUSER, .exit_signal = SIGCHLD };
    pid_t pid = (pid_t)syscall(SYS_clone3, &a, sizeof a);
    if (pid < 0)
        return err_set(e, errno, "quotafs", "user namespace");
    if (pid == 0) {
        close(go);
        become(wait, its, program);
    }
    if (write_map(pid, "uid_map", d->owner - DISK_UID, e) < 0 || write_map(pid, "gid_map", d->owner - DISK_UID, e) < 0)
        return -1;
    return io_write_all(go, "", 1) < 0 ? err_set(e, errno, "quotafs", "begin") : fd_steal(&ours);
}

/* ---- its mount ---- */

static int set_string(int context, const char *key, const char *value)
{
    return fsconfig(context, FSCONFIG_SET_STRING, key, value, 0);
}

static int make_mount(int device, const char *name, struct err *e)
{
    char fd[12], most[12];
    CLOSE_FD int context = fsopen("fuse", FSOPEN_CLOEXEC);
    if (context < 0)
        return err_set(e, errno, "fsopen", "fuse");
    snprintf(fd, sizeof fd, "%d", device);
    snprintf(most, sizeof most, "%d", READ_MOST);
    if (set_string(context, "source", name) < 0 || set_string(context, "subtype", FUSE_SUBTYPE) < 0 || set_string(context, "fd", fd) < 0 ||
        set_string(context, "rootmode", "40750") < 0 || set_string(context, "user_id", "0") < 0 || set_string(context, "group_id", "0") < 0 ||
        set_string(context, "max_read", most) < 0 || fsconfig(context, FSCONFIG_SET_FLAG, "allow_other", NULL, 0) < 0 ||
        fsconfig(context, FSCONFIG_SET_FLAG, "default_permissions", NULL, 0) < 0 || fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        return err_set(e, errno, "fsconfig", "fuse");
    int mount = fsmount(context, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOATIME);
    return mount < 0 ? err_set(e, errno, "fsmount", "fuse") : mount;
}

/* ---- both ---- */

static int send_start(int link, const struct place *p, const struct disk *d, int device, int tree, int listener, struct err *e)
{
    struct msg m MSG_FREE;
    msg_begin(&m, QUOTAFS_START, 1);
    msg_put_str(&m, p->folder);
    msg_put_u32(&m, LOG_INFO);
    msg_put_u32(&m, d->owner - DISK_UID);
    msg_put_u64(&m, d->bytes);
    msg_put_u64(&m, d->inodes);
    msg_put_fd(&m, device);
    msg_put_fd(&m, tree);
    msg_put_fd(&m, listener);
    return msg_send(link, &m) < 0 ? err_set(e, errno, "quotafs", "send") : 0;
}

static int hear_ready(int link, struct disk *d, struct err *e)
{
    struct msg m MSG_FREE;
    struct pollfd ready = { .fd = link, .events = POLLIN };
    msg_begin(&m, 0, 0);
    if (poll(&ready, 1, COUNT_MS) <= 0)
        return err_set(e, ETIMEDOUT, "quotafs", "counts no end of files");
    if (msg_recv_client(link, &m) <= 0 || m.type != QUOTAFS_READY)
        return err_set(e, 0, "quotafs", "ended at its start; its log says why");
    bool ok = msg_get_u32(&m);
    FREE_MEM char *text = msg_get_str(&m);
    d->used = msg_get_u64(&m);
    d->used_inodes = msg_get_u64(&m);
    if (!msg_end(&m))
        return err_set(e, EBADMSG, "quotafs", "an answer in another form");
    return ok ? 0 : err_set(e, 0, "quotafs", "%s", esc_text(text));
}

int fuse_start(const struct place *p, struct disk *d, int tree, struct err *e)
{
    CLOSE_FD int device = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    if (device < 0)
        return err_set(e, errno, "open", "/dev/fuse");
    CLOSE_FD int mount = make_mount(device, p->folder, e), listener = mount < 0 ? -1 : fuse_link_listen(d->run, p->folder, e);
    CLOSE_FD int link = listener < 0 ? -1 : spawn(d, e);
    if (link < 0 || send_start(link, p, d, device, tree, listener, e) < 0 || hear_ready(link, d, e) < 0)
        return -1;
    return fd_steal(&mount);
}
