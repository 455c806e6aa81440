/* LAUNCH_RUN, LAUNCH_ERRAND and LAUNCH_SHELL.  First everything that can fail without a process, then the process, then the network beside it, then its word. */
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <linux/securebits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/die.h"
#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "sandbox/launch/filter.h"
#include "sandbox/launch/image.h"
#include "sandbox/launch/jobs.h"
#include "sandbox/launch/mounts.h"
#include "sandbox/launch/net.h"
#include "sandbox/launch/run.h"
#include "sandbox/launch/space.h"
#include "sandbox/proto.h"

enum {
    PATIENCE_MS = 20000,   /* a machine that swaps; what takes longer hangs */
    LAST_WORDS_MS = 100,
};

static int take_filter(struct run *r, const struct step *s UNUSED, struct err *e)
{
    return filter_take(&r->plan, &r->child.filter, e);
}

static int check_files(struct run *r, const struct step *s UNUSED, struct err *e UNUSED)
{
    struct stat st;
    if (fstat(r->plan.root, &st) < 0)
        return -1;
    errno = ENOTDIR;
    return S_ISDIR(st.st_mode) ? 0 : -1;
}

/* A detached copy of a mount: the child's namespace could not make one of a descriptor from ours.  Sealed here, by whom the mounts belong
   to.  What is mounted on the host later must not appear in it. */
static int clone_tree(int dir, const char *path, unsigned flags, uint64_t set)
{
    struct mount_attr attr = { .attr_set = set, .propagation = M_PRIVATE };
    CLOSE_FD int tree = (int)syscall(SYS_open_tree, dir, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | flags);
    if (tree < 0 || syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH | (flags & AT_RECURSIVE), &attr, sizeof attr) < 0)
        return -1;
    return fd_steal(&tree);
}

static int clone_usr(struct run *r, const struct step *s, struct err *e UNUSED)
{
    r->child.usr = clone_tree(AT_FDCWD, s->at, AT_RECURSIVE, s->flags);
    return r->child.usr < 0 ? -1 : 0;
}

static int clone_image(struct run *r, const struct step *s UNUSED, struct err *e)
{
    r->child.image = image_clone(&r->plan, e);
    return r->child.image < 0 ? -1 : 0;
}

static int clone_home(struct run *r, const struct step *s, struct err *e UNUSED)
{
    r->child.home = clone_tree(r->plan.root, "", AT_EMPTY_PATH, s->flags);
    return r->child.home < 0 ? -1 : 0;
}

static int open_init(struct run *r, const struct step *s, struct err *e UNUSED)
{
    r->child.init = open(s->at, O_PATH | O_CLOEXEC);
    return r->child.init < 0 ? -1 : 0;
}

static int check_shim(struct run *r UNUSED, const struct step *s, struct err *e UNUSED)
{
    return access(s->at, X_OK);
}

/* What is mounted inside of it can be read; the folder above stays root's alone. */
static int open_group(struct run *r, const struct step *s, struct err *e UNUSED)
{
    return fchmod(r->plan.cgroup, (mode_t)s->number);
}

static int open_kill(struct run *r, const struct step *s, struct err *e UNUSED)
{
    r->shim.kill = r->plan.cgroup >= 0 ? openat(r->plan.cgroup, s->at, O_WRONLY | O_CLOEXEC) : open(s->at, O_WRONLY | O_CLOEXEC);
    return r->shim.kill < 0 ? -1 : 0;
}

static int open_pipe(struct run *r, const struct step *s, struct err *e UNUSED)
{
    uint64_t i = s->number;
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -1;
    r->child.stdio[i] = ends[i != 0];
    r->shim.stdio[i] = ends[i == 0];
    /* Owned by the server, or it could not open /dev/stdout, which is a link to it. */
    return fchown(ends[0], r->plan.base + PLAN_SERVER_UID, r->plan.base + PLAN_SERVER_UID);
}

static int take_stdio(struct run *r, const struct step *s UNUSED, struct err *e UNUSED)
{
    for (int i = 0; i < 3; i++)
        r->child.stdio[i] = r->plan.stdio[i];
    return 0;
}

static int open_links(struct run *r, const struct step *s UNUSED, struct err *e UNUSED)
{
    int talk[2], init[2];
    if (io_pair(talk) < 0 || io_pair(init) < 0)
        return -1;
    r->talk = talk[0];
    r->child.talk = talk[1];
    r->shim.init = init[0];
    r->child.link = init[1];
    return 0;
}

static int tell_init(struct run *r, const struct step *s UNUSED, struct err *e UNUSED)
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
    msg_put_u32(&m, (p->tty ? INIT_TTY : 0) | (p->shell ? INIT_TELLS : 0));
    if (msg_send(r->shim.init, &m) < 0)
        die_errno("tell init");
    return 0;
}

/* What a user namespace takes of inotify, message queues, pending signals or namespaces, the kernel counts to its owner as well, who is whoever makes
   it: as root, one server could take all that there is for root and for everybody else's.  Whoever
   looks into it later needs that id, too (terminal.c). */
static int own(struct run *r UNUSED, const struct step *s, struct err *e UNUSED)
{
    /* Rights stay with this change. */
    if (prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0) < 0 || seteuid((uid_t)s->number) < 0)
        return -1;
    /* It has made us undumpable; the child would be so, too, and nobody could look for its namespace. */
    return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static int spawn(struct run *r, const struct step *s, struct err *e UNUSED)
{
    struct clone_args a = {
        .flags = s->flags,
        .pidfd = (uintptr_t)&r->shim.pidfd,
        .exit_signal = SIGCHLD,
    };
    if (a.flags & CLONE_INTO_CGROUP)
        a.cgroup = (unsigned)r->plan.cgroup;
    long pid = syscall(SYS_clone3, &a, sizeof a);
    if (pid == 0) {
        close(r->talk);
        child_run(&r->child);
    }
    if (pid < 0)
        return -1;
    r->pid = (pid_t)pid;
    /* Only the child holds it now: its end is the end of the child, or its exec. */
    close(r->child.talk);
    return 0;
}

static int write_map(struct run *r, const struct step *s, struct err *e UNUSED)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)r->pid, s->at);
    CLOSE_FD int fd = open(path, O_WRONLY | O_CLOEXEC);
    return fd < 0 ? -1 : io_write_all(fd, s->with, strlen(s->with));
}

/* As long as it is still what it was forked from: with other ids it would not let us look. */
static int open_users(struct run *r, const struct step *s UNUSED, struct err *e UNUSED)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/ns/user", (int)r->pid);
    r->users = open(path, O_RDONLY | O_CLOEXEC);
    return r->users < 0 ? -1 : 0;
}

static int tell(struct run *r, const struct step *s, struct err *e UNUSED)
{
    struct msg m MSG_FREE;
    msg_begin(&m, (uint16_t)s->number, 0);
    return msg_send(r->talk, &m);
}

static void get_failure(struct msg *m, struct err *e)
{
    int no = (int)msg_get_u32(m);
    FREE_MEM char *step = msg_get_str(m), *text = msg_get_str(m);
    msg_end(m);
    err_set(e, no, step, "%s", text);
}

/* The child's next word: its type, 0 when its end is closed, or -1 with E (it failed, or says nothing). */
static int hear_word(struct run *r, struct msg *m, struct err *e)
{
    struct pollfd p = { .fd = r->talk, .events = POLLIN };
    int ready = poll(&p, 1, PATIENCE_MS);
    if (ready <= 0)
        return err_set(e, ready ? errno : ETIMEDOUT, "hear", "the sandbox's first process");
    int n = msg_recv(r->talk, m);
    if (n < 0)
        return err_set(e, errno, "hear", "the sandbox's first process");
    if (n > 0 && m->type == CHILD_FAILED) {
        get_failure(m, e);
        /* Its last word, and the reason: there is nothing behind it to ask for. */
        close(r->talk);
        r->talk = -1;
        return -1;
    }
    return n ? m->type : 0;
}

/* The word that S waits for; 0 is the end of the child. */
static int hear_step(struct run *r, const struct step *s, struct msg *m, struct err *e)
{
    msg_begin(m, 0, 0);
    int word = hear_word(r, m, e);
    if (word < 0 || word == (int)s->number)
        return word < 0 ? -1 : 0;
    return err_set(e, word ? EPROTO : 0, "hear", "%s: the sandbox's first process %s", s->at, word ? "says another" : "was killed");
}

static int hear(struct run *r, const struct step *s, struct err *e)
{
    struct msg m MSG_FREE;
    if (hear_step(r, s, &m, e) < 0)
        return -1;
    if (s->number == 0) {
        close(r->talk);
        r->talk = -1;
    }
    return 0;
}

static int hear_terminal(struct run *r, const struct step *s, struct err *e)
{
    struct msg m MSG_FREE;
    return hear_step(r, s, &m, e) < 0 || (r->shim.stdio[0] = msg_get_fd(&m)) < 0 ? -1 : 0;
}

static int hear_notify(struct run *r, const struct step *s, struct err *e)
{
    struct msg m MSG_FREE;
    return hear_step(r, s, &m, e) < 0 || (r->shim.notify = msg_get_fd(&m)) < 0 ? -1 : 0;
}

static int network_space(struct run *r, const struct step *s, struct err *e)
{
    return space_make(r->users, s->flags, &r->inside, &r->net, e);
}

static int tell_network(struct run *r, const struct step *s, struct err *e UNUSED)
{
    struct msg m MSG_FREE;
    msg_begin(&m, (uint16_t)s->number, 0);
    msg_put_fd(&m, r->net);
    return msg_send(r->talk, &m);
}

static int network_host(struct run *r, const struct step *s UNUSED, struct err *e)
{
    return net_host_up(&r->plan, r->net, e);
}

static int network_inside(struct run *r, const struct step *s UNUSED, struct err *e)
{
    CLOSE_FD int inside = fd_steal(&r->inside);
    return net_inside_up(&r->plan, inside, e);
}

/* Who works with a child that has given up, or is gone, fails in some way of its own, but the child's reason is the reason.  (The first end of
   the link that is read may be of what the child did not read, with its words still behind.  Its files are closed a little after its
   namespaces.)  The end of the link alone says nothing: it is init's exec, too. */
static void ask_why(struct run *r, struct err *e)
{
    struct pollfd p = { .fd = r->talk, .events = POLLIN };
    int ends = 0;
    if (r->talk < 0)
        return;
    while (ends < 2 && poll(&p, 1, LAST_WORDS_MS) > 0) {
        struct msg m MSG_FREE;
        msg_begin(&m, 0, 0);
        int n = msg_recv(r->talk, &m);
        if (n < 0)
            return;
        ends += n == 0;
        if (n > 0 && m.type == CHILD_FAILED) {
            get_failure(&m, e);
            return;
        }
    }
    struct pollfd gone = { .fd = r->shim.pidfd, .events = POLLIN };
    if (e->no == ESRCH || poll(&gone, 1, ends ? LAST_WORDS_MS : 0) > 0)
        err_set(e, 0, "hear", "the sandbox's first process was killed");
}

/* Its namespaces go with it, but later and not for us to wait for: the interface, which has a name, goes now. */
static void undo(struct run *r)
{
    unsigned pidfd = (unsigned)r->shim.pidfd;
    /* Who has given up the right to kill lets go of init's link, which nobody else holds: init ends with it. */
    if (kill(r->pid, SIGKILL) < 0 && (close_range(LINK_FD + 1, pidfd - 1, 0) < 0 || close_range(pidfd + 1, ~0U, 0) < 0))
        die_errno("undo");
    siginfo_t gone;
    while (waitid(P_PIDFD, (id_t)r->shim.pidfd, &gone, WEXITED) < 0 && errno == EINTR)
        ;
    net_host_down(&r->plan);
}

static const struct bit namespaces[] = {
    { CLONE_NEWUSER, "user" }, { CLONE_NEWPID, "pid" }, { CLONE_NEWNS, "mnt" }, { CLONE_NEWIPC, "ipc" }, { CLONE_NEWUTS, "uts" },
    { CLONE_INTO_CGROUP, "into-cgroup" }, { 0 },
};

static const struct verb v_filter = { "take-filter", .host = take_filter }, v_files = { "check", .host = check_files }, v_usr = { "clone-tree", .host = clone_usr, .bits = mount_flags },
    v_image = { "clone-tree", .host = clone_image, .bits = mount_flags },
    v_home = { "clone-tree", .host = clone_home, .bits = mount_flags }, v_init = { "open", .host = open_init },
    v_shim = { "check", .host = check_shim }, v_group = { "readable", .host = open_group }, v_kill = { "open", .host = open_kill }, v_pipe = { "pipe", .host = open_pipe },
    v_stdio = { "take", .host = take_stdio }, v_links = { "links", .host = open_links },
    v_own = { "owner", .host = own, .number = "uid=" }, v_clone = { "clone", .host = spawn, .bits = namespaces };

static void stdio_steps(struct steps *l, const struct plan *p)
{
    static const char *const names[] = { "stdin", "stdout", "stderr" };
    if (p->errand || p->tty)
        step_add(l, (struct step){ .verb = &v_stdio, .at = p->tty ? "a terminal, later" : "the errand's stdio" });
    for (size_t i = 0; i < countof(names) && !p->errand && !p->tty; i++)
        step_add(l, (struct step){ .verb = &v_pipe, .at = names[i], .number = i });
}

void run_steps_prepare(struct steps *l, const struct plan *p)
{
    const uint64_t plain = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, sealed = plain | MOUNT_ATTR_RDONLY;
    const uint64_t own = CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_PIDFD;
    step_add(l, (struct step){ .verb = &v_filter, .at = filter_name(p) });
    step_add(l, (struct step){ .verb = &v_files, .at = "the server's files" });
    if (p->has_image)
        step_add(l, (struct step){ .verb = &v_image, .at = "the image", .flags = sealed });
    else
        step_add(l, (struct step){ .verb = &v_usr, .at = "/usr", .flags = sealed });
    step_add(l, (struct step){ .verb = &v_home, .at = "the server's files", .flags = p->read_only ? sealed : plain });
    step_add(l, (struct step){ .verb = &v_init, .at = p->init });
    step_add(l, (struct step){ .verb = &v_shim, .at = p->shim });
    if (p->has_cgroup)
        step_add(l, (struct step){ .verb = &v_group, .at = "the cgroup", .number = 0755 });
    step_add(l, (struct step){ .verb = &v_kill, .at = p->has_cgroup ? "cgroup.kill" : "/dev/null" });
    stdio_steps(l, p);
    step_add(l, (struct step){ .verb = &v_links, .at = "to the child, to init" });
    step_add(l, (struct step){ .verb = &v_own, .at = "of the namespaces", .number = p->base + PLAN_OWNER_UID });
    step_add(l, (struct step){ .verb = &v_clone, .at = "namespaces", .flags = p->has_cgroup ? own | CLONE_INTO_CGROUP : own });
}

static const struct verb v_users = { "open", .host = open_users }, v_map = { "map", .host = write_map }, v_tell = { "tell", .host = tell }, v_hear = { "hear", .host = hear },
    v_hear_terminal = { "hear", .host = hear_terminal },
    v_hear_notify = { "hear", .host = hear_notify };

void run_steps_ids(struct steps *l, const struct plan *p)
{
    const char *map = step_text(l, mem_fmt("0 %u %u\n", p->base, (unsigned)PLAN_UIDS));
    step_add(l, (struct step){ .verb = &v_users, .at = "its user namespace" });
    step_add(l, (struct step){ .verb = &v_map, .at = "uid_map", .with = map });
    step_add(l, (struct step){ .verb = &v_map, .at = "gid_map", .with = map });
    step_add(l, (struct step){ .verb = &v_own, .at = "no more" });
    step_add(l, (struct step){ .verb = &v_tell, .at = "mapped", .number = CHILD_MAPPED });
}

static const struct bit space_bits[] = { { CLONE_NEWUSER, "user" }, { CLONE_NEWNET, "net" }, { 0 } };

static const struct verb v_space = { "network-namespace", .host = network_space, .bits = space_bits }, v_tell_network = { "tell", .host = tell_network },
    v_veth = { "veth", .host = network_host }, v_inside = { "network", .host = network_inside };

static const char *address(struct steps *l, uint32_t a, const char *six)
{
    return step_text(l, mem_fmt("%u.%u.%u.%u/30%s%s%s", a >> 24, a >> 16 & 255, a >> 8 & 255, a & 255, six[0] ? " " : "", six, six[0] ? "/126" : ""));
}

void run_steps_network(struct steps *l, const struct plan *p)
{
    bool private = p->network == NETWORK_PRIVATE;
    step_add(l, (struct step){ .verb = &v_space, .at = "in the server's", .flags = CLONE_NEWUSER | CLONE_NEWNET });
    step_add(l, (struct step){ .verb = &v_tell_network, .at = "network", .number = CHILD_NETWORK });
    if (private)
        step_add(l, (struct step){ .verb = &v_veth, .at = p->interface, .with = address(l, p->host, p->host6) });
    step_add(l, (struct step){ .verb = &v_inside, .at = private ? "lo and eth0" : "lo", .with = private ? address(l, p->inside, p->inside6) : NULL });
}

void run_steps_end(struct steps *l, const struct plan *p)
{
    if (p->tty)
        step_add(l, (struct step){ .verb = &v_hear_terminal, .at = "terminal", .number = CHILD_TERMINAL });
    if (p->notify)
        step_add(l, (struct step){ .verb = &v_hear_notify, .at = "notify socket", .number = CHILD_NOTIFY });
    step_add(l, (struct step){ .verb = &v_hear, .at = "ready", .number = CHILD_READY });
    step_add(l, (struct step){ .verb = &v_hear, .at = "exec", .number = 0 });
}

static const struct verb v_start = { "tell-init", .host = tell_init, .number = "environment=" };

static const char *words(struct steps *l, const struct plan_list *list)
{
    struct buf b BUF_FREE = BUF(2 * MSG_MOST);
    for (uint32_t i = 0; i < list->n; i++)
        buf_put_fmt(&b, "%s%s", i ? " " : "", list->each[i]);
    return step_text(l, mem_strn(b.p ? (const void *)buf_head(&b) : "", buf_size(&b)));
}

void run_steps_start(struct steps *l, const struct plan *p)
{
    step_add(l, (struct step){ .verb = &v_start, .at = p->directory, .with = words(l, &p->argv), .number = p->env.n });
}

static int walk(struct run *r, struct err *e)
{
    for (size_t i = 0; i < r->steps.n; i++) {
        const struct step *s = &r->steps.each[i];
        if (s->verb->host && s->verb->host(r, s, e) < 0 && step_failed(s, e) < 0)
            return -1;
    }
    bug("the last step came back");
}

int job_run(struct msg *m, struct err *e)
{
    /* Lives until the process is the shim, or ends. */
    static struct run r = { .shim.stdio = { -1, -1, -1 }, .shim.pidfd = -1, .shim.notify = -1, .inside = -1, .net = -1, .users = -1 };
    if (plan_read(&r.plan, m, true, e) < 0)
        return -1;
    log_init("holdfast-launch", (enum log_level)r.plan.log_level);
    log_context("server=%s", r.plan.server);
    sequence(&r.steps, &r.plan);
    r.child.steps = &r.steps;
    r.shim.started = wall_ms();
    walk(&r, e);
    if (r.pid) {
        ask_why(&r, e);
        undo(&r);
    }
    return -1;
}

int job_print(struct msg *m, struct err *e)
{
    struct plan plan;
    struct steps steps = { 0 };
    struct buf b BUF_FREE = BUF(1 << 20);
    if (plan_read(&plan, m, false, e) < 0)
        return -1;
    sequence(&steps, &plan);
    steps_print(&steps, &b);
    steps_free(&steps);
    plan_free(&plan);
    if (b.bad || io_write_all(STDOUT_FILENO, buf_head(&b), buf_size(&b)) < 0)
        return err_set(e, b.bad ? EFBIG : errno, "print", "the plan");
    return 0;
}
