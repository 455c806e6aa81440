/* A shell in the sandbox of a server that runs.  It is a child of the sandbox's init, as the server is: nothing of the host's ever enters, and
   its rights are the server's by birth.  (A process of ours that joined the namespaces would have a landlock domain of its own: it could neither see nor
   signal one process of the server.)  Only its terminal is made by launch, so that no end of it is shared with the server.

   First the terminal; then the shim is asked; init makes a process, which waits; that is put into a group of its own, which its end is sure by; then it
   is told to go. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "sandbox/proto.h"
#include "sshd/supervisor/adopt.h"
#include "sshd/supervisor/cgroup.h"
#include "sshd/supervisor/cgroup_shell.h"
#include "sshd/supervisor/child.h"
#include "sshd/supervisor/errand_run.h"
#include "sshd/supervisor/launch.h"
#include "sshd/supervisor/plan.h"
#include "sshd/supervisor/store.h"

enum { SHELL_VERSION = 3, PATIENCE_MS = 15000, DYING_MS = 5000 };

/* ---- the end ---- */

static void no_word(void *data)
{
    struct errand *r = data;
    r->wall = NULL;
    if (r->why[0] == '\0')
        snprintf(r->why, sizeof r->why, "its shim does not answer");
    errand_finish(r, 0, 9);
}

void shell_kill(struct errand *r)
{
    cgroup_kill_shell(r->server, r->number);
    /* It tells of its end soon; where it does not, nobody waits for it. */
    timer_free(r->wall);
    r->wall = loop_timer(r->super->loop, r->shim ? DYING_MS : 0, no_word, r);
}

/* The link's end makes the shim kill it, too. */
void shell_gone(struct errand *r)
{
    link_free(r->shim);
    r->shim = NULL;
    cgroup_remove_shell(r->server, r->number);
}

static void too_long(void *data)
{
    struct errand *r = data;
    r->wall = NULL;
    errand_too_long(r);
    errand_end(r, r->why);
}

void shell_change_limits(const struct errand *r)
{
    cgroup_nproc_shell(r->server, r->number, cgroup_nproc(r->super, conf_server(&r->super->conf, r->server->name)));
}

static void fail(struct errand *r, const struct err *e)
{
    char line[400];
    log_error("errand.start", "errand=%u server=%s error=\"%s\"", r->number, r->server->name, err_text(e, line, sizeof line));
    errand_refuse(r, CODE_UNAVAILABLE, "a shell cannot be started: see the log");
}

/* ---- the shim ---- */

static void take_made(struct errand *r, struct msg *m)
{
    uint32_t ok = msg_get_u32(m), no = msg_get_u32(m);
    FREE_MEM char *step = msg_get_text(m, SHIM_STEP_MOST);
    CLOSE_FD int pidfd = ok ? msg_get_fd(m) : -1;
    struct err e = { 0 };
    if (!msg_end(m) || r->answered)
        return;
    if (r->why[0]) {
        errand_refuse(r, CODE_DENIED, r->why);
        return;
    }
    if (!ok)
        err_set(&e, (int)no, "init", "%s", esc_text(step));
    if (!ok || cgroup_put_shell(r->server, r->number, pidfd, &e) < 0) {
        fail(r, &e);
        return;
    }
    struct msg out;
    msg_begin(&out, SHIM_SHELL_GO, 0);
    link_send(r->shim, &out);
    timer_free(r->wall);
    r->wall = loop_timer(r->super->loop, (uint64_t)r->kind->seconds * 1000, too_long, r);
    errand_answer(r);
}

static void take_ended(struct errand *r, struct msg *m)
{
    uint32_t code = msg_get_u32(m), sig = msg_get_u32(m), with_server = msg_get_u32(m);
    if (!msg_end(m))
        return;
    if (with_server && r->why[0] == '\0')
        snprintf(r->why, sizeof r->why, "the server has ended");
    errand_finish(r, code, sig);
}

static const struct errand_word table[] = {
    { SHIM_SHELL_MADE, take_made },
    { SHIM_ENDED, take_ended },
};

static void on_shim(void *data, struct link *l UNUSED, struct msg *m)
{
    errand_word(data, table, countof(table), m);
}

static void on_shim_gone(void *data, struct link *l)
{
    struct errand *r = data;
    (void)l;
    if (r->why[0] == '\0')
        snprintf(r->why, sizeof r->why, "%s", server_alive(r->server) ? "its shim refused it" : "the server has ended");
    errand_finish(r, 0, 9);
}

static const struct link_events shim_events = { .msg = on_shim, .gone = on_shim_gone, .client = true };

static int ask(struct errand *r, struct err *e)
{
    const struct server *v = r->server;
    const struct conf_server *c = conf_server(&r->super->conf, v->name);
    CLOSE_FD int kill = cgroup_make_shell(v, r->number, e);
    if (kill < 0)
        return -1;
    int fd = adopt_connect(v, e);
    if (fd < 0)
        return -1;
    r->shim = link_new(r->super->loop, fd, &shim_events, r);
    struct msg m;
    msg_begin(&m, SHIM_SHELL, 0);
    msg_put_u32(&m, v->life.version);
    plan_put_shell(v, c, r->words, r->terminal, &m);
    msg_put_fd(&m, kill);
    for (int i = 0; i < 3; i++)
        if (r->stdio[i] >= 0)
            msg_put_fd(&m, r->stdio[i]);
    if (link_send(r->shim, &m) < 0)
        return err_set(e, EPIPE, "shim", "%s", v->name);
    for (int i = 0; i < 3; i++)
        if (r->stdio[i] >= 0)
            close(fd_steal(&r->stdio[i]));
    timer_free(r->wall);
    r->wall = loop_timer(r->super->loop, PATIENCE_MS, no_word, r);
    return 0;
}

/* ---- the terminal ---- */

static void take_terminal(struct errand *r, struct msg *m)
{
    struct err e;
    const char *why = r->why[0] ? r->why : errand_unfit(r);
    if (!launch_answer(m, &e)) {
        fail(r, &e);
        return;
    }
    r->ends.in = msg_get_fd(m);
    r->stdio[0] = msg_get_fd(m);
    if (!msg_end(m))
        return;
    link_free(r->job);
    r->job = NULL;
    if (why)
        errand_refuse(r, CODE_DENIED, why);
    else if (ask(r, &e) < 0)
        fail(r, &e);
}

static void on_job(void *data, struct link *l, struct msg *m)
{
    struct errand *r = data;
    (void)l;
    if (m->type == LAUNCH_DONE)
        take_terminal(r, m);
}

static void on_job_gone(void *data, struct link *l)
{
    (void)l;
    fail(data, &(struct err){ .step = "launch", .text = "died" });
}

static const struct link_events job_events = { .msg = on_job, .gone = on_job_gone, .client = true };

static int begin_terminal(struct errand *r, struct err *e)
{
    struct super *s = r->super;
    struct msg m MSG_FREE;
    int pair[2];
    if (io_pair(pair) < 0)
        return err_set(e, errno, "socketpair", "%s", "");
    CLOSE_FD int ours = pair[0], theirs = pair[1];
    msg_begin(&m, LAUNCH_TERMINAL, 0);
    msg_put_str(&m, r->server->name);
    msg_put_u32(&m, server_uid_base(r->server));
    msg_put_u32(&m, r->columns);
    msg_put_u32(&m, r->rows);
    msg_put_fd(&m, r->server->life.pidfd);
    if (msg_send(ours, &m) < 0)
        return err_set(e, errno, "launch", "send");
    if (child_start(s, ROLE_LAUNCH, 0, theirs, NULL, NULL, e) < 0)
        return -1;
    r->job = link_new(s->loop, fd_steal(&ours), &job_events, r);
    return 0;
}

/* ---- the beginning ---- */

/* Why there cannot be one in the sandbox as it is now; NULL: there can. */
static const char *not_now(const struct server *v)
{
    if (!v->launched || v->shim == NULL || v->life.version == 0 || v->life.pidfd < 0)
        return v->life.foreign[0] ? v->life.foreign : "it is starting: try again when it runs";
    if (v->life.version < SHELL_VERSION)
        return "it was started by an older version of this service: restart it first";
    return cgroup_frozen(v) ? "it is frozen while a backup is made: try again later" : NULL;
}

void shell_join(struct errand *r)
{
    const char *why = not_now(r->server);
    struct err e = { 0 };
    r->joined = true;
    if (why)
        errand_refuse(r, CODE_STATE, why);
    else if (r->super->cgroup == NULL)
        errand_refuse(r, CODE_DISABLED, "no shell while it runs: this machine has no cgroup v2, without which its processes could outlive it");
    else if (errand_pipes(r, &e) < 0 || (r->terminal ? begin_terminal(r, &e) : ask(r, &e)) < 0)
        fail(r, &e);
}
