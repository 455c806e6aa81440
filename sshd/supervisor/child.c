#include "sshd/supervisor/child.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/die.h"
#include "base/io.h"
#include "base/mem.h"
#include "config.h"

/* What a role may be, decided here and nowhere else. */
static const struct role_row {
    const char *name, *program, *argument;
    bool root;          /* keeps uid 0 and its capabilities */
    bool logs;          /* has the log on descriptor 2; the others speak through the store or not at all */
    bool with_us;       /* is killed when the supervisor dies */
    bool net_admin;     /* its one capability */
    bool secrets;       /* may keep all its memory out of swap */
} roles[ROLE_COUNT] = {
    [ROLE_SESSION] = { .name = "session", .program = "holdfast-session", .with_us = true },
    [ROLE_FILES] = { .name = "files", .program = "holdfast-files", .logs = true, .with_us = true },
    [ROLE_STORE] = { .name = "store", .program = "holdfast-store", .logs = true, .with_us = true, .secrets = true },
    [ROLE_AID] = { .name = "aid", .program = "holdfast-store", .argument = "aid", .logs = true, .with_us = true },
    [ROLE_LAUNCH] = { .name = "launch", .program = "holdfast-launch", .root = true, .logs = true },
    [ROLE_ARCHIVE] = { .name = "archive", .program = "holdfast-archive", .logs = true, .with_us = true },
    [ROLE_COUNT_FILES] = { .name = "count", .program = "holdfast-count", .logs = true, .with_us = true },
    [ROLE_PLAN] = { .name = "plan", .program = "holdfast-launch", .argument = "-n", .logs = true, .with_us = true },
    [ROLE_POLICY] = { .name = "policy", .program = "holdfast-policy", .logs = true, .with_us = true },
    [ROLE_FILTER] = { .name = "filter", .program = "holdfast-filter", .logs = true, .with_us = true, .net_admin = true },
    [ROLE_PROMPT] = { .name = "prompt", .program = "holdfast-prompt", .logs = true, .with_us = true },
    [ROLE_SINK] = { .name = "sink", .program = "holdfast-sink", .logs = true, .with_us = true },
};

struct child {
    struct child *next;
    pid_t pid;
    enum role role;
    child_fn *fn;
    void *data;
};

static struct child *children;

const char *role_name(enum role role)
{
    return roles[role].name;
}

const char *status_text(int status)
{
    static char text[80];
    if (WIFSIGNALED(status))
        snprintf(text, sizeof text, "signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        snprintf(text, sizeof text, "exit code %d", WEXITSTATUS(status));
    return text;
}

static void inherit(cap_value_t which)
{
    cap_t now = cap_get_proc();
    if (now == NULL || cap_set_flag(now, CAP_INHERITABLE, 1, &which, CAP_SET) < 0 || cap_set_proc(now) < 0)
        die_errno("child: capability %d", which);
    cap_free(now);
}

/* Held across the change of uid, and then across exec. */
static void keep_capability(cap_value_t which)
{
    cap_t one = cap_init();
    if (one == NULL || cap_set_flag(one, CAP_PERMITTED, 1, &which, CAP_SET) < 0 || cap_set_flag(one, CAP_EFFECTIVE, 1, &which, CAP_SET) < 0 ||
        cap_set_flag(one, CAP_INHERITABLE, 1, &which, CAP_SET) < 0 || cap_set_proc(one) < 0 ||
        prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, which, 0, 0) < 0)
        die_errno("child: capability %d", which);
    cap_free(one);
}

static void drop(const struct role_row *r, uid_t uid)
{
    if (r->net_admin && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
        die_errno("child: keepcaps");
    /* Into the inheritable set as long as the bounding set has it. */
    if (r->net_admin)
        inherit(CAP_NET_ADMIN);
    /* The bounding set first: dropping from it needs the capability that setuid takes away. */
    for (cap_value_t cap = 0; cap_get_bound(cap) >= 0; cap++)
        if (cap_drop_bound(cap) < 0)
            die_errno("child: bounding set");
    if (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0)
        die_errno("child: uid %u", uid);
    if (r->net_admin)
        keep_capability(CAP_NET_ADMIN);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        die_errno("child: no_new_privs");
}

/* What the supervisor itself needs, and nobody it starts: exec gives root all that is in the bounding set. */
static void drop_own(void)
{
    static const cap_value_t own[] = { CAP_NET_BIND_SERVICE, CAP_SYS_CHROOT, CAP_MKNOD };
    for (size_t i = 0; i < countof(own); i++)
        if (cap_get_bound(own[i]) > 0 && cap_drop_bound(own[i]) < 0)
            die_errno("child: bounding set");
}

static NORETURN void become(const struct super *s, const struct role_row *r, uid_t uid, int link, int out, const char *path)
{
    int log = r->logs ? s->log_fd : s->null_fd;
#ifdef SANITIZERS
    log = s->log_fd;
#endif
    /* Each for itself (autogroup, sched(7)): else the kernel gives all of us together what one game server gets, and shares it out unevenly: of 200
       uploads at once some ran ahead, and a file's 99th percentile was 288 ms; it is 135, OpenSSH's 133.  In a control group with shares of its own it changes
       nothing. */
    if (r->with_us && setsid() < 0)
        die_errno("child: setsid");
    /* Above the plan's numbers before they are laid, so that none is overwritten while still needed. */
    int high_link = fcntl(link, F_DUPFD, 10), high_log = fcntl(log, F_DUPFD, 10), high_out = fcntl(out, F_DUPFD, 10);
    if (high_link < 0 || high_log < 0 || high_out < 0 || dup2(s->null_fd, 0) < 0 || dup2(high_out, 1) < 0 ||
        dup2(high_log, 2) < 0 || dup2(high_link, LINK_FD) < 0 || close_range(LINK_FD + 1, ~0U, 0) < 0)
        die_errno("child: descriptors");
    sigset_t none;
    sigemptyset(&none);
    for (int sig = 1; sig < NSIG; sig++)
        signal(sig, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    /* Where we may not raise it, the role says that it runs unlocked. */
    struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
    if (r->secrets)
        setrlimit(RLIMIT_MEMLOCK, &all);
    if (r->root)
        drop_own();
    else
        drop(r, uid);
    /* After the uid: changing it clears the death signal. */
    if (r->with_us && prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
        die_errno("child: death signal");
    /* 0 would still run a piped core handler, as root of the host; 1 does not. */
    struct rlimit no_core = { 1, 1 };
    setrlimit(RLIMIT_CORE, &no_core);
    umask(077);
    char *argv[] = { (char *)(uintptr_t)r->program, (char *)(uintptr_t)r->argument, NULL };
    static char lang[] = "LC_ALL=C.UTF-8", bin[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
    char *envp[] = { lang, bin, NULL };
    if (chdir("/") < 0)
        die_errno("child: chdir");
    execve(path, argv, envp);
    die_errno("child: exec %s", path);
}

pid_t child_start(struct super *s, enum role role, uid_t uid, int link, child_fn *fn, void *data, struct err *e)
{
    return child_start_out(s, role, uid, link, s->null_fd, fn, data, e);
}

pid_t child_start_out(struct super *s, enum role role, uid_t uid, int link, int out, child_fn *fn, void *data, struct err *e)
{
    const struct role_row *r = &roles[role];
    if (!r->root && uid == 0)
        bug("role %s as root", r->name);
    FREE_MEM char *path = mem_fmt("%s/%s", s->conf.paths.libexec, r->program);
    pid_t pid = fork();
    if (pid < 0)
        return (pid_t)err_set(e, errno, "fork", "%s", r->name);
    if (pid == 0)
        become(s, r, uid, link, out, path);
    struct child *c = mem_new(sizeof *c);
    *c = (struct child){ .next = children, .pid = pid, .role = role, .fn = fn, .data = data };
    children = c;
    return pid;
}

void child_forget(pid_t pid)
{
    for (struct child *c = children; c; c = c->next)
        if (c->pid == pid)
            c->fn = NULL;
}

static struct child *child_take(pid_t pid)
{
    for (struct child **at = &children; *at; at = &(*at)->next)
        if ((*at)->pid == pid) {
            struct child *c = *at;
            *at = c->next;
            return c;
        }
    return NULL;
}

void child_reap(void)
{
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
        struct child *c = child_take(pid);
        if (c == NULL)
            continue;
        if (status != 0)
            log_warn("role.died", "role=%s pid=%d end=\"%s\"", roles[c->role].name, (int)pid, status_text(status));
        if (c->fn)
            c->fn(c->data, pid, status);
        free(c);
    }
}
