#include "sandbox/launch/child.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/io.h"
#include "sandbox/launch/drop.h"
#include "sandbox/launch/net.h"
#include "sandbox/launch/root.h"

static int fail(struct err *e, const char *step)
{
    return err_set(e, errno, step, "%s", "");
}

/* Launch is gone or has given up: then so do we, without a word. */
static int wait_for(struct child *c, uint16_t word)
{
    struct msg m MSG_FREE;
    msg_begin(&m, 0, 0);
    if (msg_recv(c->talk, &m) <= 0 || m.type != word)
        _exit(1);
    return 0;
}

static int become_root_inside(struct child *c, struct err *e)
{
    wait_for(c, CHILD_MAPPED);
    if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
        return fail(e, "setresuid");
    return 0;
}

/* Not asked of clone: that would make the launcher's own group the root of the namespace, not the server's. */
static int own_cgroup_view(struct child *c UNUSED, struct err *e)
{
    return unshare(CLONE_NEWCGROUP) < 0 ? fail(e, "cgroup namespace") : 0;
}

static int name_host(struct child *c, struct err *e)
{
    return sethostname(c->plan->server, strlen(c->plan->server)) < 0 ? fail(e, "hostname") : 0;
}

static int send_fd(struct child *c, uint16_t word, int fd)
{
    struct msg m MSG_FREE;
    msg_begin(&m, word, 0);
    msg_put_fd(&m, fd);
    return msg_send(c->talk, &m);
}

/* Launch does the network on one processor while we do the mounts on another: that takes as long. */
static int send_socket(struct child *c, struct err *e)
{
    CLOSE_FD int fd = net_socket();
    return fd < 0 || send_fd(c, CHILD_SOCKET, fd) < 0 ? fail(e, "network") : 0;
}

static int wait_for_network(struct child *c, struct err *e UNUSED)
{
    return wait_for(c, CHILD_NETWORK);
}

/* Of the sandbox's own instance, so that its name there and its numbers are the sandbox's; the master goes home. */
static int open_terminal(struct child *c, struct err *e)
{
    if (!c->plan->tty)
        return 0;
    CLOSE_FD int master = open("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
    int unlock = 0;
    if (master < 0 || ioctl(master, TIOCSPTLCK, &unlock) < 0)
        return fail(e, "terminal");
    int slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (slave < 0 || fchown(slave, PLAN_SERVER_UID, PLAN_TTY_GID) < 0)
        return fail(e, "terminal");
    for (int i = 0; i < 3; i++)
        c->stdio[i] = slave;
    return send_fd(c, CHILD_TERMINAL, master) < 0 ? fail(e, "terminal") : 0;
}

/* Never raised: what the host allows less of stays less. */
static int limit(int resource, rlim_t most, struct err *e)
{
    struct rlimit r;
    if (getrlimit((__rlimit_resource_t)resource, &r) < 0)
        return fail(e, "getrlimit");
    if (r.rlim_max > most)
        r.rlim_max = most;
    r.rlim_cur = r.rlim_max;
    return setrlimit((__rlimit_resource_t)resource, &r) < 0 ? fail(e, "setrlimit") : 0;
}

static int set_limits(struct child *c, struct err *e)
{
    /* Core: 0 would still run a core_pattern that is a pipe, as root on the host; 1 does not. */
    const struct { int resource; rlim_t most; } limits[] = {
        { RLIMIT_CORE, 1 },
        { RLIMIT_NOFILE, c->plan->nofile },
        { RLIMIT_MEMLOCK, 64 << 10 },
        { RLIMIT_STACK, 8 << 20 },
        { RLIMIT_MSGQUEUE, 800 << 10 },
        { RLIMIT_SIGPENDING, 4096 },
        { RLIMIT_NICE, 0 },
        { RLIMIT_RTPRIO, 0 },
        /* Beside the cgroup's: there may be none, or one without that controller. */
        { RLIMIT_NPROC, c->plan->pids },
    };
    for (size_t i = 0; i < countof(limits); i++)
        if (limit(limits[i].resource, limits[i].most, e) < 0)
            return -1;
    return 0;
}

static int drop(struct child *c UNUSED, struct err *e)
{
    return drop_rights(PLAN_SERVER_UID, PLAN_SERVER_UID, e);
}

/* The session keyring of the daemon would be inherited.  A kernel without keys has none to give. */
static int leave_keyring(struct child *c UNUSED, struct err *e)
{
    return syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 && errno != ENOSYS ? fail(e, "keyring") : 0;
}

static int reset_signals(struct child *c UNUSED, struct err *e)
{
    sigset_t none;
    sigemptyset(&none);
    for (int i = 1; i < SIGRTMIN; i++)
        signal(i, SIG_DFL);
    return sigprocmask(SIG_SETMASK, &none, NULL) < 0 ? fail(e, "sigprocmask") : 0;
}

/* Everything we hold has a number above 3 (run.c sees to it), so none of these steps on the next. */
static int place_descriptors(struct child *c, struct err *e)
{
    for (int i = 0; i < 3; i++)
        if (dup2(c->stdio[i], i) < 0)
            return fail(e, "dup2");
    if (dup2(c->link, LINK_FD) < 0)
        return fail(e, "dup2");
    return io_close_from(LINK_FD + 1) < 0 ? fail(e, "close_range") : 0;
}

static int load_filter(struct child *c, struct err *e)
{
    umask(022);
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        return fail(e, "dumpable");
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &c->filter) < 0 ? fail(e, "seccomp") : 0;
}

static int execute_init(struct child *c, struct err *e)
{
    char name[] = "holdfast-init";
    char *argv[] = { name, NULL }, *env[] = { NULL };
    struct msg ready MSG_FREE;
    msg_begin(&ready, CHILD_READY, 0);
    if (msg_send(c->talk, &ready) < 0)
        return fail(e, "ready");
    syscall(SYS_execveat, c->init, "", argv, env, AT_EMPTY_PATH);
    return err_set(e, errno, "exec", "%s", c->plan->init);
}

/* In this order: what needs no ids while launch writes the maps; the tree while it makes the network; then rights go, the filter last, as it
   must not have to allow what came before. */
static int (*const steps[])(struct child *, struct err *) = {
    send_socket, own_cgroup_view, name_host, become_root_inside,
    root_make, root_seal, root_enter, open_terminal, wait_for_network,
    set_limits, drop, leave_keyring, reset_signals, place_descriptors, load_filter, execute_init,
};

static NORETURN void give_up(struct child *c, const struct err *e)
{
    struct msg m MSG_FREE;
    msg_begin(&m, CHILD_FAILED, 0);
    msg_put_u32(&m, (uint32_t)e->no);
    msg_put_str(&m, e->step);
    msg_put_str(&m, e->text);
    msg_send(c->talk, &m);
    _exit(1);
}

void child_run(struct child *c)
{
    struct err e = { 0 };
    umask(0);
    for (size_t i = 0; i < countof(steps); i++)
        if (steps[i](c, &e) < 0)
            give_up(c, &e);
    give_up(c, &e);
}
