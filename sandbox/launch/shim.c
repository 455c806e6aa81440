#include "sandbox/launch/run.h"

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
enum { SHIM_NULL = 0, SHIM_LOG = 2, SHIM_INIT = 4, SHIM_STDIO = 5, SHIM_LISTENER = 8, SHIM_LOGS, SHIM_KILL_FD, SHIM_PIDFD, SHIM_NOTIFY, SHIM_FDS };

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

static int place_all(struct run *r, const struct step *step UNUSED, struct err *e)
{
    struct shim *s = &r->shim;
    CLOSE_FD int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0)
        return err_set(e, errno, "open", "/dev/null");
    bool quiet = r->plan.tty || r->plan.errand;
    const int from[SHIM_FDS] = {
        null, null, SHIM_LOG, LINK_FD, s->init, r->plan.errand ? null : s->stdio[0], quiet ? null : s->stdio[1],
        quiet ? null : s->stdio[2], r->plan.errand ? null : r->plan.listener, r->plan.errand ? null : r->plan.logs, s->kill, s->pidfd,
        s->notify >= 0 ? s->notify : null,
    };
    if (r->plan.shell && r->plan.tty && (s->master = fcntl(s->stdio[0], F_DUPFD_CLOEXEC, SHIM_FDS)) < 0)
        return -1;
    if (place(from, e) < 0)
        return -1;
    s->init = SHIM_INIT;
    s->pidfd = SHIM_PIDFD;
    null = -1;   /* closed by exec like every number that is not in the plan */
    return 0;
}

static int begin_session(struct run *r UNUSED, const struct step *s UNUSED, struct err *e UNUSED)
{
    return setsid() < 0 ? -1 : 0;
}

static int change_folder(struct run *r UNUSED, const struct step *s, struct err *e UNUSED)
{
    return chdir(s->at);
}

static int drop(struct run *r UNUSED, const struct step *s, struct err *e)
{
    return drop_rights((uid_t)s->number, (gid_t)s->number, e) < 0 ? err_wrap(e, s->verb->name) : 0;
}

static int become_undumpable(struct run *r UNUSED, const struct step *s UNUSED, struct err *e UNUSED)
{
    return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

/* All that is left to fail is the exec: such a failure ends the link, and with it the sandbox. */
static int tell_supervisor(struct run *r, const struct step *s UNUSED, struct err *e UNUSED)
{
    struct msg m MSG_FREE;
    msg_begin(&m, LAUNCH_DONE, 0);
    msg_put_u32(&m, 1);
    msg_put_u32(&m, 0);
    msg_put_str(&m, "");
    msg_put_str(&m, "");
    msg_put_u32(&m, (uint32_t)r->pid);
    if (r->shim.master)
        msg_put_fd(&m, r->shim.master);
    if (msg_send(LINK_FD, &m) < 0)
        die_errno("answer");
    return 0;
}

static int execute(struct run *r, const struct step *step, struct err *e UNUSED)
{
    const struct plan *p = &r->plan;
    char level[12], wall[12], tty[2] = { p->tty ? '1' : '0', 0 }, kind[12], number[12], address[INET_ADDRSTRLEN] = "", pid[12], started[24],
        watchdog[24];
    char name[] = "holdfast-shim";
    struct in_addr inside = { htonl(p->inside) };
    snprintf(level, sizeof level, "%u", p->log_level);
    snprintf(wall, sizeof wall, "%u", p->wall);
    snprintf(kind, sizeof kind, "%u", p->ready_kind);
    snprintf(number, sizeof number, "%u", p->ready_number);
    snprintf(pid, sizeof pid, "%d", (int)r->pid);
    snprintf(started, sizeof started, "%lld", (long long)r->shim.started);
    snprintf(watchdog, sizeof watchdog, "%llu", (unsigned long long)p->watchdog);
    if (p->network == NETWORK_PRIVATE && inet_ntop(AF_INET, &inside, address, sizeof address) == NULL)
        bug("inet_ntop");
    char *argv[] = { name, p->server, level, tty, kind, number, p->ready_text, address, pid, started, watchdog, NULL };
    char *errand[] = { name, p->server, level, pid, wall, NULL };
    char *env[] = { NULL };
    execve(step->at, p->errand ? errand : argv, env);
    die_errno("exec %s", step->at);
}

static const struct verb v_session = { "session", .host = begin_session }, v_chdir = { "chdir", .host = change_folder },
    v_place = { "descriptors", .host = place_all }, v_drop = { "drop", .host = drop, .number = "uid=" },
    v_undumpable = { "undumpable", .host = become_undumpable }, v_tell = { "tell", .host = tell_supervisor },
    v_exec = { "exec", .host = execute, .number = "seconds=" };

void shim_steps(struct steps *l, const struct plan *p)
{
    /* Refused when we lead one already, which is as good. */
    step_add(l, (struct step){ .verb = &v_session, .at = "of its own", .tolerates = EPERM });
    step_add(l, (struct step){ .verb = &v_chdir, .at = "/" });
    step_add(l, (struct step){ .verb = &v_place, .at = "0 to 12" });
    step_add(l, (struct step){ .verb = &v_drop, .at = "rights", .number = p->shim_uid });
    step_add(l, (struct step){ .verb = &v_undumpable, .at = "until exec" });
    step_add(l, (struct step){ .verb = &v_tell, .at = "supervisor" });
}

void shim_steps_exec(struct steps *l, const struct plan *p)
{
    step_add(l, (struct step){ .verb = &v_exec, .at = p->shim, .number = p->wall });
}
