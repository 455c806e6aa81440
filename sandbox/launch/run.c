/* LAUNCH_RUN and LAUNCH_ERRAND.  First everything that can fail without a process, then the process, then the network beside it, then its word. */
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/die.h"
#include "base/io.h"
#include "base/log.h"
#include "sandbox/launch/child.h"
#include "sandbox/launch/jobs.h"
#include "sandbox/launch/net.h"
#include "sandbox/launch/root.h"
#include "sandbox/launch/shim.h"
#include "sandbox/proto.h"

enum { PATIENCE_MS = 20000 };   /* a machine that swaps; what takes longer hangs */

struct run {
    struct plan plan;
    struct child child;
    struct shim shim;
    int talk;      /* to the child */
    pid_t pid;
};

static int fail(struct err *e, const char *step, const char *what)
{
    return err_set(e, errno, step, "%s", what);
}

/* A detached copy of a mount: the child's namespace could not make one of a descriptor from ours.  Sealed here, by whom the mounts belong
   to.  What is mounted on the host later must not appear in it. */
static int clone_tree(int dir, const char *path, unsigned flags, uint64_t set, struct err *e)
{
    struct mount_attr attr = { .attr_set = set, .propagation = 1 << 18 /* MS_PRIVATE */ };
    CLOSE_FD int tree = (int)syscall(SYS_open_tree, dir, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | flags);
    if (tree < 0 || syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH | (flags & AT_RECURSIVE), &attr, sizeof attr) < 0)
        return fail(e, "open_tree", path[0] ? path : "the server's files");
    return fd_steal(&tree);
}

static int open_trees(struct run *r, struct err *e)
{
    struct stat st;
    if (fstat(r->plan.root, &st) < 0 || !S_ISDIR(st.st_mode))
        return err_set(e, ENOTDIR, "the server's files", "%s", "");
    r->child.usr = clone_tree(AT_FDCWD, "/usr", AT_RECURSIVE, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, e);
    if (r->child.usr < 0)
        return -1;
    uint64_t sealed = r->plan.read_only ? MOUNT_ATTR_RDONLY : 0;
    r->child.home = clone_tree(r->plan.root, "", AT_EMPTY_PATH, sealed | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, e);
    return r->child.home < 0 ? -1 : 0;
}

static int open_programs(struct run *r, struct err *e)
{
    r->child.init = open(r->plan.init, O_PATH | O_CLOEXEC);
    if (r->child.init < 0)
        return fail(e, "open", r->plan.init);
    return access(r->plan.shim, X_OK) < 0 ? fail(e, "open", r->plan.shim) : 0;
}

static int open_kill(struct run *r, struct err *e)
{
    r->shim.kill = r->plan.cgroup >= 0 ? openat(r->plan.cgroup, "cgroup.kill", O_WRONLY | O_CLOEXEC)
                                       : open("/dev/null", O_WRONLY | O_CLOEXEC);
    return r->shim.kill < 0 ? fail(e, "open", "cgroup.kill") : 0;
}

static int open_pipe(struct run *r, int i, struct err *e)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return fail(e, "pipe", "");
    /* Owned by the server, or it could not open /dev/stdout, which is a link to it. */
    if (fchown(ends[0], r->plan.base + PLAN_SERVER_UID, r->plan.base + PLAN_SERVER_UID) < 0)
        return fail(e, "pipe", "fchown");
    r->child.stdio[i] = ends[i != 0];
    r->shim.stdio[i] = ends[i == 0];
    return 0;
}

static int open_stdio(struct run *r, struct err *e)
{
    for (int i = 0; i < 3; i++) {
        r->child.stdio[i] = r->plan.stdio[i];
        if (!r->plan.errand && !r->plan.tty && open_pipe(r, i, e) < 0)
            return -1;
    }
    return 0;
}

static int open_links(struct run *r, struct err *e)
{
    int talk[2], init[2];
    if (io_pair(talk) < 0 || io_pair(init) < 0)
        return fail(e, "socketpair", "");
    r->talk = talk[0];
    r->child.talk = talk[1];
    r->shim.init = init[0];
    r->child.link = init[1];
    return 0;
}

/* Waits in init's socket until it reads: nothing to wait for later. */
static int tell_init(struct run *r, struct err *e)
{
    const struct plan *p = &r->plan;
    struct msg m MSG_FREE;
    msg_begin(&m, INIT_START, 0);
    msg_put_u32(&m, p->argv.n);
    for (uint32_t i = 0; i < p->argv.n; i++)
        msg_put_str(&m, p->argv.each[i]);
    msg_put_str(&m, p->directory);
    msg_put_u32(&m, p->env.n);
    for (uint32_t i = 0; i < p->env.n; i++)
        msg_put_str(&m, p->env.each[i]);
    msg_put_u32(&m, p->tty);
    return msg_send(r->shim.init, &m) < 0 ? fail(e, "tell init", "") : 0;
}

static int spawn(struct run *r, struct err *e)
{
    struct clone_args a = {
        .flags = CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET | CLONE_PIDFD,
        .pidfd = (uintptr_t)&r->shim.pidfd,
        .exit_signal = SIGCHLD,
    };
    if (r->plan.cgroup >= 0) {
        a.flags |= CLONE_INTO_CGROUP;
        a.cgroup = (unsigned)r->plan.cgroup;
    }
    long pid = syscall(SYS_clone3, &a, sizeof a);
    if (pid == 0) {
        close(r->talk);
        child_run(&r->child);
    }
    if (pid < 0)
        return fail(e, "clone3", r->plan.cgroup >= 0 ? "into the cgroup" : "");
    r->pid = (pid_t)pid;
    /* Only the child holds it now: its end is the end of the child, or its exec. */
    close(r->child.talk);
    return 0;
}

static int write_map(const struct run *r, const char *file, struct err *e)
{
    char path[64], map[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)r->pid, file);
    int n = snprintf(map, sizeof map, "0 %u %u\n", r->plan.base, (unsigned)PLAN_UIDS);
    CLOSE_FD int fd = open(path, O_WRONLY | O_CLOEXEC);
    return fd < 0 || write(fd, map, (size_t)n) != n ? fail(e, "write", file) : 0;
}

/* A child that has gone says why in what it sent before. */
static void tell(const struct run *r, uint16_t word)
{
    struct msg m MSG_FREE;
    msg_begin(&m, word, 0);
    msg_send(r->talk, &m);
}

static void get_failure(struct msg *m, struct err *e)
{
    int no = (int)msg_get_u32(m);
    FREE_MEM char *step = msg_get_str(m), *text = msg_get_str(m);
    msg_end(m);
    err_set(e, no, step, "%s", text);
}

/* The child's next word: its type, 0 when its end is closed, or -1 with E (it failed, or says nothing). */
static int hear(struct run *r, struct msg *m, struct err *e)
{
    struct pollfd p = { .fd = r->talk, .events = POLLIN };
    if (poll(&p, 1, PATIENCE_MS) <= 0)
        return err_set(e, ETIMEDOUT, "the sandbox's setup", "%s", "");
    int n = msg_recv(r->talk, m);
    if (n < 0)
        return fail(e, "the sandbox's setup", "");
    if (n > 0 && m->type == CHILD_FAILED) {
        get_failure(m, e);
        return -1;
    }
    return n ? m->type : 0;
}

/* The word EXPECTED, and the descriptor it carries: that, or -1 with E. */
static int hear_fd(struct run *r, uint16_t expected, struct err *e)
{
    struct msg m MSG_FREE;
    msg_begin(&m, 0, 0);
    int word = hear(r, &m, e);
    if (word == expected)
        return msg_get_fd(&m);
    return word < 0 ? -1 : err_set(e, EPROTO, "the sandbox's setup", "word %d, not %d", word, expected);
}

/* CHILD_READY and then the end.  The end alone: it was killed on the way. */
static int hear_end(struct run *r, struct err *e)
{
    int expected[] = { CHILD_READY, 0 };
    for (size_t i = 0; i < countof(expected); i++) {
        struct msg m MSG_FREE;
        msg_begin(&m, 0, 0);
        int word = hear(r, &m, e);
        if (word < 0)
            return -1;
        if (word != expected[i])
            return err_set(e, EPROTO, "the sandbox's setup", "%s", word ? "a word out of order" : "its first process was killed");
    }
    return 0;
}

/* A child that has failed is missed by what we do with it: what it said of that is the reason. */
static void hear_why(struct run *r, struct err *e)
{
    for (struct pollfd p = { .fd = r->talk, .events = POLLIN }; poll(&p, 1, 0) > 0;) {
        struct msg m MSG_FREE;
        struct err said;
        msg_begin(&m, 0, 0);
        int word = hear(r, &m, &said);
        if (word < 0 && m.type == CHILD_FAILED)
            *e = said;
        if (word <= 0)
            return;
    }
}

static int build_network(struct run *r, struct err *e)
{
    CLOSE_FD int inside = hear_fd(r, CHILD_SOCKET, e);
    if (inside < 0)
        return -1;
    if (r->plan.network == NETWORK_PRIVATE && net_host_up(&r->plan, r->pid, e) < 0)
        return -1;
    if (net_inside_up(&r->plan, inside, e) < 0)
        return -1;
    tell(r, CHILD_NETWORK);
    return 0;
}

static int build(struct run *r, struct err *e)
{
    if (write_map(r, "uid_map", e) < 0 || write_map(r, "gid_map", e) < 0)
        return -1;
    tell(r, CHILD_MAPPED);
    if (build_network(r, e) < 0)
        return -1;
    if (r->plan.tty && (r->shim.stdio[0] = hear_fd(r, CHILD_TERMINAL, e)) < 0)
        return -1;
    return hear_end(r, e);
}

/* Its namespaces go with it, but later and not for us to wait for: the interface, which has a name, goes now. */
static void undo(struct run *r)
{
    kill(r->pid, SIGKILL);
    siginfo_t gone;
    while (waitid(P_PIDFD, (id_t)r->shim.pidfd, &gone, WEXITED) < 0 && errno == EINTR)
        ;
    net_host_down(&r->plan);
}

static int prepare(struct run *r, struct err *e)
{
    return open_trees(r, e) < 0 || open_programs(r, e) < 0 || sys_open_cgroup(&r->plan, e) < 0 || open_kill(r, e) < 0 || open_stdio(r, e) < 0 ||
           open_links(r, e) < 0 || tell_init(r, e) < 0 ? -1 : 0;
}

int job_run(struct msg *m, struct err *e)
{
    /* Lives until the process is the shim, or ends. */
    static struct run r = { .shim.stdio = { -1, -1, -1 }, .shim.pidfd = -1 };
    if (plan_read(&r.plan, m, e) < 0)
        return -1;
    log_init("holdfast-launch", (enum log_level)r.plan.log_level);
    log_context("server=%s", r.plan.server);
    r.child.plan = &r.plan;
    r.shim.plan = &r.plan;
    r.shim.started = wall_ms();
    if (prepare(&r, e) < 0 || spawn(&r, e) < 0)
        return -1;
    r.shim.pid = r.pid;
    if (build(&r, e) < 0 || shim_become(&r.shim, e) < 0) {
        hear_why(&r, e);
        undo(&r);
        return -1;
    }
    return 0;
}
