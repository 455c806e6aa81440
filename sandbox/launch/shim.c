#include "sandbox/launch/shim.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/die.h"
#include "base/io.h"
#include "base/mem.h"
#include "sandbox/launch/drop.h"
#include "sandbox/proto.h"

/* sandbox/proto.h: the shim's descriptors. */
enum { SHIM_NULL = 0, SHIM_LOG = 2, SHIM_INIT = 4, SHIM_STDIO = 5, SHIM_LISTENER = 8, SHIM_LOGS, SHIM_KILL_FD, SHIM_PIDFD, SHIM_FDS };

/* The sources may lie where others go: all are moved above the plan first. */
static int place(const int from[SHIM_FDS], struct err *e)
{
    int high[SHIM_FDS];
    for (int i = 0; i < SHIM_FDS; i++)
        if ((high[i] = fcntl(from[i], F_DUPFD_CLOEXEC, SHIM_FDS)) < 0)
            return err_set(e, errno, "shim: dup", "%d", i);
    for (int i = 0; i < SHIM_FDS; i++)
        if (dup2(high[i], i) < 0)
            return err_set(e, errno, "shim: dup2", "%d", i);
    return io_close_from(SHIM_FDS) < 0 ? err_set(e, errno, "shim: close_range", "%s", "") : 0;
}

static int place_all(struct shim *s, struct err *e)
{
    CLOSE_FD int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0)
        return err_set(e, errno, "open", "/dev/null");
    bool quiet = s->plan->tty || s->plan->errand;
    const int from[SHIM_FDS] = {
        null, null, SHIM_LOG, LINK_FD, s->init, s->plan->errand ? null : s->stdio[0], quiet ? null : s->stdio[1],
        quiet ? null : s->stdio[2], s->plan->errand ? null : s->plan->listener, s->plan->errand ? null : s->plan->logs, s->kill, s->pidfd,
    };
    if (place(from, e) < 0)
        return -1;
    s->pidfd = SHIM_PIDFD;
    null = -1;   /* closed by exec like every number that is not in the plan */
    return 0;
}

static void tell_supervisor(const struct shim *s)
{
    struct msg m MSG_FREE;
    msg_begin(&m, LAUNCH_DONE, 0);
    msg_put_u32(&m, 1);
    msg_put_u32(&m, 0);
    msg_put_str(&m, "");
    msg_put_str(&m, "");
    msg_put_u32(&m, (uint32_t)s->pid);
    if (msg_send(LINK_FD, &m) < 0)
        die_errno("answer");
}

static NORETURN void execute(const struct shim *s)
{
    const struct plan *p = s->plan;
    char level[12], tty[2] = { p->tty ? '1' : '0', 0 }, kind[12], number[12], address[INET_ADDRSTRLEN] = "", pid[12], started[24];
    char name[] = "holdfast-shim";
    struct in_addr inside = { htonl(p->inside) };
    snprintf(level, sizeof level, "%u", p->log_level);
    snprintf(kind, sizeof kind, "%u", p->ready_kind);
    snprintf(number, sizeof number, "%u", p->ready_number);
    snprintf(pid, sizeof pid, "%d", (int)s->pid);
    snprintf(started, sizeof started, "%lld", (long long)s->started);
    if (p->network == NETWORK_PRIVATE && inet_ntop(AF_INET, &inside, address, sizeof address) == NULL)
        bug("inet_ntop");
    char *argv[] = { name, p->server, level, tty, kind, number, p->ready_text, address, pid, started, NULL };
    char *errand[] = { name, p->server, level, pid, NULL };
    char *env[] = { NULL };
    execve(p->shim, p->errand ? errand : argv, env);
    die_errno("exec %s", p->shim);
}

int shim_become(struct shim *s, struct err *e)
{
    setsid();   /* refused when we lead one already, which is as good */
    if (chdir("/") < 0)
        return err_set(e, errno, "shim: chdir", "/");
    if (place_all(s, e) < 0 || drop_rights(s->plan->shim_uid, s->plan->shim_uid, e) < 0)
        return -1;
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        return err_set(e, errno, "shim: dumpable", "%s", "");
    /* All that is left to fail is the exec. */
    tell_supervisor(s);
    execute(s);
}
