#include "sandbox/launch/child.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/die.h"
#include "base/io.h"
#include "sandbox/launch/clock.h"
#include "sandbox/launch/drop.h"
#include "sandbox/launch/filter.h"
#include "sandbox/launch/root.h"
#include "sandbox/launch/terminal.h"
#include "sandbox/proto.h"

/* Launch is gone or has given up: then so do we, without a word. */
static int hear(struct child *c, const struct step *s, struct msg *m)
{
    msg_begin(m, 0, 0);
    int n = msg_recv(c->talk, m);
    if (n == 0 || (n > 0 && m->type != s->number))
        _exit(1);
    return n < 0 ? -1 : 0;
}

static int wait_for(struct child *c, const struct step *s, struct err *e UNUSED)
{
    struct msg m MSG_FREE;
    return hear(c, s, &m);
}

static int enter_network(struct child *c, const struct step *s, struct err *e UNUSED)
{
    struct msg m MSG_FREE;
    if (hear(c, s, &m) < 0)
        return -1;
    CLOSE_FD int net = msg_get_fd(&m);
    return s->flags ? setns(net, (int)s->flags) : 0;
}

static int set_umask(struct child *c UNUSED, const struct step *s, struct err *e UNUSED)
{
    umask((mode_t)strtoul(s->at, NULL, 8));
    return 0;
}

static int become_root_inside(struct child *c UNUSED, const struct step *s UNUSED, struct err *e UNUSED)
{
    return setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0 ? -1 : 0;
}

/* Not asked of clone: that would make the launcher's own group the root of the namespace, not the server's. */
static int own_namespaces(struct child *c UNUSED, const struct step *s, struct err *e UNUSED)
{
    return unshare((int)s->flags);
}

static int own_clocks(struct child *c UNUSED, const struct step *s UNUSED, struct err *e)
{
    return clock_enter(e);
}

static int name_host(struct child *c UNUSED, const struct step *s, struct err *e UNUSED)
{
    return sethostname(s->at, strlen(s->at));
}

static int send_fd(struct child *c, uint16_t word, int fd)
{
    struct msg m MSG_FREE;
    msg_begin(&m, word, 0);
    msg_put_fd(&m, fd);
    return msg_send(c->talk, &m);
}

/* Of the sandbox's own instance, so that its name there and its numbers are the sandbox's; the master goes home. */
static int open_terminal(struct child *c, const struct step *s, struct err *e UNUSED)
{
    int slave;
    CLOSE_FD int master = terminal_open((uint16_t)(s->number >> 16), (uint16_t)s->number, &slave);
    if (master < 0)
        return -1;
    for (int i = 0; i < 3; i++)
        c->stdio[i] = slave;
    return send_fd(c, CHILD_TERMINAL, master);
}

/* Bound by root inside, in a folder with the sticky bit: the server can send to it, but neither remove nor replace it.  Its mount namespace is the only
   one that has it. */
static int open_notify(struct child *c, const struct step *s, struct err *e UNUSED)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    snprintf(a.sun_path, sizeof a.sun_path, "%s", s->at);
    CLOSE_FD int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&a, sizeof a) < 0 || chmod(s->at, 0666) < 0)
        return -1;
    return send_fd(c, CHILD_NOTIFY, fd);
}

/* Never raised: what the host allows less of stays less. */
static int limit(struct child *c UNUSED, const struct step *s, struct err *e UNUSED)
{
    struct rlimit r;
    if (getrlimit((__rlimit_resource_t)s->flags, &r) < 0)
        return -1;
    if (r.rlim_max > s->number)
        r.rlim_max = s->number;
    r.rlim_cur = r.rlim_max;
    return setrlimit((__rlimit_resource_t)s->flags, &r);
}

static int drop(struct child *c UNUSED, const struct step *s, struct err *e)
{
    return drop_rights((uid_t)s->number, (gid_t)s->number, e) < 0 ? err_wrap(e, s->verb->name) : 0;
}

static int leave_keyring(struct child *c UNUSED, const struct step *s UNUSED, struct err *e UNUSED)
{
    return syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 ? -1 : 0;
}

static int reset_signals(struct child *c UNUSED, const struct step *s UNUSED, struct err *e UNUSED)
{
    sigset_t none;
    sigemptyset(&none);
    for (int i = 1; i < __SIGRTMIN; i++)
        if (i != SIGKILL && i != SIGSTOP && signal(i, SIG_DFL) == SIG_ERR)
            return -1;
    return sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Everything we hold has a number above 3 (run.c sees to it), so none of these steps on the next. */
static int place_descriptors(struct child *c, const struct step *s UNUSED, struct err *e UNUSED)
{
    for (int i = 0; i < 3; i++)
        if (dup2(c->stdio[i], i) < 0)
            return -1;
    return dup2(c->link, LINK_FD) < 0 ? -1 : io_close_from(LINK_FD + 1);
}

static int become_undumpable(struct child *c UNUSED, const struct step *s UNUSED, struct err *e UNUSED)
{
    return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

static int load_filter(struct child *c, const struct step *s UNUSED, struct err *e UNUSED)
{
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &c->filter) < 0 ? -1 : 0;
}

static int tell(struct child *c, const struct step *s, struct err *e UNUSED)
{
    struct msg m MSG_FREE;
    msg_begin(&m, (uint16_t)s->number, 0);
    return msg_send(c->talk, &m);
}

static int execute_init(struct child *c, const struct step *s UNUSED, struct err *e UNUSED)
{
    char name[] = "holdfast-init";
    char *argv[] = { name, NULL }, *env[] = { NULL };
    syscall(SYS_execveat, c->init, "", argv, env, AT_EMPTY_PATH);
    return -1;
}

static const struct bit namespaces[] = { { CLONE_NEWCGROUP, "cgroup" }, { 0 } };

static const struct verb v_umask = { "umask", .child = set_umask },
    v_unshare = { "unshare", .child = own_namespaces, .bits = namespaces }, v_clocks = { "clocks", .child = own_clocks }, v_hostname = { "hostname", .child = name_host },
    v_hear = { "hear", .child = wait_for }, v_root = { "become", .child = become_root_inside };

void child_steps_alone(struct steps *l, const struct plan *p)
{
    step_add(l, (struct step){ .verb = &v_umask, .at = "0000" });
    step_add(l, (struct step){ .verb = &v_unshare, .at = "namespaces", .flags = CLONE_NEWCGROUP });
    step_add(l, (struct step){ .verb = &v_clocks, .at = "of its own" });
    step_add(l, (struct step){ .verb = &v_hostname, .at = p->server });
}

void child_steps_root(struct steps *l, const struct plan *p UNUSED)
{
    step_add(l, (struct step){ .verb = &v_hear, .at = "mapped", .number = CHILD_MAPPED });
    step_add(l, (struct step){ .verb = &v_root, .at = "root inside" });
}

static const struct bit network_bits[] = { { CLONE_NEWNET, "net" }, { 0 } };

static const struct verb v_enter = { "enter", .child = enter_network, .bits = network_bits };

void child_steps_network(struct steps *l, const struct plan *p UNUSED)
{
    step_add(l, (struct step){ .verb = &v_enter, .at = "network namespace", .number = CHILD_NETWORK, .flags = CLONE_NEWNET });
}

static const struct verb v_terminal = { "terminal", .child = open_terminal };

void child_steps_terminal(struct steps *l, const struct plan *p)
{
    if (p->tty)
        step_add(l, (struct step){ .verb = &v_terminal, .at = "dev/pts", .number = (uint64_t)p->columns << 16 | p->rows });
}

static const struct verb v_notify = { "notify-socket", .child = open_notify };

void child_steps_notify(struct steps *l, const struct plan *p)
{
    if (p->notify)
        step_add(l, (struct step){ .verb = &v_notify, .at = NOTIFY_SOCKET });
}

static const struct verb v_limit = { "limit", .child = limit, .number = "" }, v_drop = { "drop", .child = drop, .number = "uid=" },
    v_keyring = { "keyring", .child = leave_keyring }, v_signals = { "signals", .child = reset_signals },
    v_place = { "descriptors", .child = place_descriptors }, v_undumpable = { "undumpable", .child = become_undumpable },
    v_filter = { "filter", .child = load_filter }, v_tell = { "tell", .child = tell },
    v_exec = { "exec", .child = execute_init };

static void limits(struct steps *l, const struct plan *p)
{
    /* Core: 0 would still run a core_pattern that is a pipe, as root on the host; 1 does not. */
    const struct { int resource; const char *name; rlim_t most; } each[] = {
        { RLIMIT_CORE, "core", 1 },
        { RLIMIT_NOFILE, "nofile", p->nofile },
        { RLIMIT_MEMLOCK, "memlock", 64 << 10 },
        { RLIMIT_STACK, "stack", 8 << 20 },
        { RLIMIT_MSGQUEUE, "msgqueue", 800 << 10 },
        { RLIMIT_SIGPENDING, "sigpending", 4096 },
        { RLIMIT_NICE, "nice", 0 },
        { RLIMIT_RTPRIO, "rtprio", 0 },
        /* Beside the cgroup's: there may be none, or one without that controller. */
        { RLIMIT_NPROC, "nproc", p->pids },
    };
    for (size_t i = 0; i < countof(each); i++)
        step_add(l, (struct step){ .verb = &v_limit, .at = each[i].name, .flags = (uint64_t)each[i].resource, .number = each[i].most });
}

void child_steps_rights(struct steps *l, const struct plan *p)
{
    limits(l, p);
    step_add(l, (struct step){ .verb = &v_drop, .at = "rights", .number = PLAN_SERVER_UID });
    /* The session keyring of the daemon would be inherited.  A kernel without keys has none to give. */
    step_add(l, (struct step){ .verb = &v_keyring, .at = "of its own", .tolerates = ENOSYS });
    step_add(l, (struct step){ .verb = &v_signals, .at = "as new" });
    step_add(l, (struct step){ .verb = &v_place, .at = "0 1 2 3" });
    step_add(l, (struct step){ .verb = &v_umask, .at = "0022" });
    step_add(l, (struct step){ .verb = &v_undumpable, .at = "until exec" });
}

void child_steps_end(struct steps *l, const struct plan *p)
{
    step_add(l, (struct step){ .verb = &v_filter, .at = filter_name(p) });
    step_add(l, (struct step){ .verb = &v_tell, .at = "ready", .number = CHILD_READY });
    step_add(l, (struct step){ .verb = &v_exec, .at = p->init });
}

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
    for (size_t i = 0; i < c->steps->n; i++) {
        const struct step *s = &c->steps->each[i];
        if (s->verb->child && s->verb->child(c, s, &e) < 0 && step_failed(s, &e) < 0)
            give_up(c, &e);
    }
    bug("the last step came back");
}
