#include "sshd/supervisor/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/die.h"
#include "base/io.h"
#include "base/mem.h"
#include "sandbox/proto.h"
#include "sshd/supervisor/adopt.h"
#include "sshd/supervisor/cgroup.h"
#include "sshd/supervisor/disk.h"
#include "sshd/supervisor/filter.h"
#include "sshd/supervisor/policy.h"
#include "sshd/supervisor/folder.h"
#include "sshd/supervisor/image.h"
#include "sshd/supervisor/plan.h"
#include "sshd/supervisor/spare.h"

/* ---- the link: first the launch program's, then the shim's ---- */

bool launch_answer(struct msg *m, struct err *e)
{
    uint32_t ok = msg_get_u32(m);
    int no = (int)msg_get_u32(m);
    FREE_MEM char *step = msg_get_str(m);
    FREE_MEM char *text = msg_get_str(m);
    err_set(e, no, step, "%s", text);
    return ok != 0;
}

static void take_done(struct server *v, struct msg *m)
{
    struct err e;
    bool ok = launch_answer(m, &e);
    pid_t pid = ok ? (pid_t)msg_get_u32(m) : 0;
    if (!msg_end(m))
        return;
    if (ok) {
        v->pid = pid;
        v->started = wall_ms();
        v->life.version = SHIM_VERSION;
        adopt_hold_init(v);
        server_event(v, EVENT_LAUNCHED);
        return;
    }
    err_text(&e, v->reason, sizeof v->reason);
    server_event(v, EVENT_LAUNCH_FAILED);
}

void launch_ended(struct server *v, uint32_t code, uint32_t sig, uint32_t killed)
{
    v->has_exit = true;
    v->code = code;
    v->signal = sig;
    v->life.how = killed <= KILLED_BY_WATCHDOG ? (enum shim_killed)killed : KILLED_NOT;
    server_event(v, EVENT_ENDED);
}

static void take_ready(struct server *v, struct msg *m)
{
    if (msg_end(m))
        server_event(v, EVENT_READY);
}

static void take_ended(struct server *v, struct msg *m)
{
    uint32_t code = msg_get_u32(m), sig = msg_get_u32(m), killed = msg_get_u32(m);
    FREE_MEM char *by = v->life.version >= 2 ? msg_get_text(m, SHIM_BY_MOST) : mem_str("");
    if (!msg_end(m))
        return;
    if (by[0])
        snprintf(v->life.by, sizeof v->life.by, "%s", esc_text(by));
    launch_ended(v, code, sig, killed);
}

static void take_status(struct server *v, struct msg *m)
{
    FREE_MEM char *text = msg_get_text(m, SHIM_STATUS_MOST);
    bool stopping = msg_get_u32(m) != 0;
    if (!msg_end(m))
        return;
    snprintf(v->life.status, sizeof v->life.status, "%s", text);
    v->life.says_stopping = stopping;
}

static const struct {
    uint16_t type;
    void (*take)(struct server *v, struct msg *m);
} table[] = {
    { LAUNCH_DONE, take_done },
    { SHIM_STATE, adopt_take_state },
    { SHIM_READY, take_ready },
    { SHIM_ENDED, take_ended },
    { SHIM_STATUS, take_status },
};

static void on_msg(void *data, struct link *l, struct msg *m)
{
    struct server *v = data;
    if (l != v->shim)
        return;
    for (size_t i = 0; i < countof(table); i++)
        if (table[i].type == m->type) {
            table[i].take(v, m);
            return;
        }
    log_warn("shim.message", "server=%s type=%u", v->name, m->type);
}

/* Who held the server has died: its init dies of that, and the cgroup makes sure. */
static void on_gone(void *data, struct link *l)
{
    struct server *v = data;
    if (l != v->shim)
        return;
    link_free(v->shim);
    v->shim = NULL;
    cgroup_kill(v);
    snprintf(v->life.lost, sizeof v->life.lost, "%s", v->launched ? "its shim died" : "launch died");
    v->signal = SIGKILL;
    v->has_exit = v->launched;
    log_error("shim.died", "server=%s", v->name);
    if (!v->launched && v->reason[0] == '\0')
        snprintf(v->reason, sizeof v->reason, "%s", v->life.lost);
    server_event(v, v->launched ? EVENT_ENDED : EVENT_LAUNCH_FAILED);
}

static const struct link_events events = { .msg = on_msg, .gone = on_gone, .client = true };

void launch_link(struct server *v, int fd)
{
    v->shim = link_new(v->super->loop, fd, &events, v);
}

/* ---- starting ---- */

static int log_folder(const struct server *v, struct err *e)
{
    const struct conf *conf = &v->super->conf;
    FREE_MEM char *path = mem_fmt("%s/logs/%s", conf->paths.state, v->name);
    if (folder_make(path, conf->ids.shim, 0700, e) < 0)
        return -1;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? err_set(e, errno, "open", "%s", path) : fd;
}

static int listener(const struct server *v, struct err *e)
{
    struct sockaddr_un a;
    if (adopt_door(v, &a, e) < 0)
        return -1;
    CLOSE_FD int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    unlink(a.sun_path);
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) < 0 || chmod(a.sun_path, 0600) < 0 || listen(fd, 64) < 0)
        return err_set(e, errno, "socket", "%s", a.sun_path);
    return fd_steal(&fd);
}

static int run(struct server *v, const struct conf_server *c, int filter, struct err *e)
{
    struct super *s = v->super;
    if (s->limits_missing[0] && s->conf.sandbox.limits == LIMITS_REQUIRED)
        return err_set(e, 0, "limits", "%s; [sandbox] limits = available would start it without", s->limits_missing);
    CLOSE_FD int root = disk_open(v, e);
    if (root < 0)
        return -1;
    CLOSE_FD int logs = log_folder(v, e);
    if (logs < 0)
        return -1;
    CLOSE_FD int sock = listener(v, e);
    if (sock < 0)
        return -1;
    bool imported = !image_is_host(c->image);
    CLOSE_FD int image = imported ? image_open(&s->conf, c->image, e) : -1;
    if ((imported && image < 0) || image_note(v, imported ? c->image : "", e) < 0)
        return -1;
    CLOSE_FD int group = cgroup_make(v, c, e);
    if (group < 0 && e->no != 0)
        return -1;
    struct msg m MSG_FREE;
    if (plan_write(v, c, &m, (int[]){ root, logs, sock, image, group, filter }, e) < 0)
        return -1;
    int link = spare_launch(s, &m, e);
    if (link < 0)
        return -1;
    launch_link(v, link);
    return 0;
}

static void on_disk(void *data, const char *error);

static void fail_later(void *data)
{
    struct server *v = data;
    v->life.beginning = false;
    /* Stopped and started again meanwhile: that start has not failed. */
    if (v->state == STATE_STARTING && v->life.failing != v->life.starts)
        launch_begin(v);
    else
        server_event(v, EVENT_LAUNCH_FAILED);
}

static void fail(struct server *v)
{
    log_error("server.launch", "server=%s error=\"%s\"", v->name, esc_text(v->reason));
    v->life.failing = v->life.starts;
    /* From the loop: the order that asked is still being answered. */
    loop_timer(v->super->loop, 0, fail_later, v);
}

/* What was asked for has come.  False: nobody wants it any more, and what was made for it has gone.  (Stopped and started again meanwhile it is
   wanted: there is one such errand at a time, and the later start goes on with it.) */
static bool still_wanted(struct server *v)
{
    if (v->state == STATE_STARTING && !v->life.queued)
        return true;
    v->life.beginning = false;
    launch_end(v);
    server_tidy(v);
    return false;
}

static void on_rules(struct server *v, const char *error);

/* Asked anew: the configuration may have changed meanwhile, and with it the system calls; and the disk of a server that was stopped meanwhile may
   have gone. */
static void on_policy(void *data, int filter, const char *error)
{
    struct server *v = data;
    const struct conf_server *c = conf_server(&v->super->conf, v->name);
    FREE_MEM char *changes = c ? policy_changes(c) : NULL;
    struct err e = { 0 };
    if (!still_wanted(v))
        return;
    if (error)
        snprintf(v->reason, sizeof v->reason, "%s", error);
    else if (c == NULL)
        ;
    else if (v->disk != DISK_UP) {
        disk_need(v, on_disk, v);
        return;
    } else if (strcmp(changes, v->changes) != 0) {
        on_rules(v, NULL);
        return;
    } else if (run(v, c, filter, &e) == 0) {
        v->life.beginning = false;
        if (v->super->limits_missing[0])
            log_warn("server.unlimited", "server=%s why=\"%s\"", v->name, v->super->limits_missing);
        return;
    } else
        err_text(&e, v->reason, sizeof v->reason);
    fail(v);
}

/* Its rules are in force before its interface is there. */
static void on_rules(struct server *v, const char *error)
{
    const struct conf_server *c = conf_server(&v->super->conf, v->name);
    if (!still_wanted(v))
        return;
    if (error)
        snprintf(v->reason, sizeof v->reason, "%s", error);
    if (error || c == NULL) {
        fail(v);
        return;
    }
    free(v->changes);
    v->changes = policy_changes(c);
    policy_need(v->super, c, PROFILE_SERVER, on_policy, v);
}

static void on_disk(void *data, const char *error)
{
    struct server *v = data;
    const struct conf_server *c = conf_server(&v->super->conf, v->name);
    char other[400];
    if (error == NULL && disk_refusal(v, other, sizeof other)[0])
        error = other;
    FREE_MEM char *why = error ? mem_fmt("disk: %s", error) : NULL;
    struct server_net net;
    if (!still_wanted(v))
        return;
    if (why == NULL && c && c->network == NETWORK_PRIVATE && server_net(v, &net))
        filter_set(v, on_rules);
    else
        on_rules(v, why);
}

void launch_begin(struct server *v)
{
    if (v->life.beginning)
        return;
    v->life.beginning = true;
    disk_need(v, on_disk, v);
}

bool launch_none(const struct server *v)
{
    return v->shim == NULL;
}

/* ---- steering ---- */

/* Of version 2.  The shim keeps it, for a daemon that comes after us. */
static void put_by(const struct server *v, struct msg *m)
{
    if (v->life.version >= 2)
        msg_put_str(m, v->life.by);
}

void launch_stop(struct server *v)
{
    struct err e;
    /* Frozen it could not hear of it. */
    if (cgroup_frozen(v))
        cgroup_freeze(v, false, &e);
    const struct conf_server *c = conf_server(&v->super->conf, v->name);
    bool line = c && c->stop.kind == HOW_LINE;
    struct msg m;
    msg_begin(&m, SHIM_STOP, 0);
    msg_put_u32(&m, line ? HOW_LINE : HOW_SIGNAL);
    msg_put_u32(&m, c && !line ? (uint32_t)c->stop.number : SIGTERM);
    msg_put_str(&m, line ? c->stop.text : "");
    msg_put_u64(&m, c ? c->stop_timeout : 30000);
    put_by(v, &m);
    if (v->shim)
        link_send(v->shim, &m);
    else
        msg_free(&m);
}

void launch_kill(struct server *v)
{
    struct msg m;
    msg_begin(&m, SHIM_KILL, 0);
    put_by(v, &m);
    if (v->shim && v->launched)
        link_send(v->shim, &m);
    else
        msg_free(&m);
    /* Not by the shim's good will alone: kill always wins. */
    cgroup_kill(v);
    if (v->super->cgroup == NULL && v->life.pidfd >= 0)
        syscall(SYS_pidfd_send_signal, v->life.pidfd, SIGKILL, NULL, 0);
    adopt_killed(v);
}

void launch_watch(struct server *v, bool on)
{
    struct msg m;
    if (v->shim == NULL || !v->launched || v->life.version < 2)
        return;
    msg_begin(&m, SHIM_WATCH, 0);
    msg_put_u32(&m, on);
    link_send(v->shim, &m);
}

static void remove_socket(const struct server *v)
{
    struct sockaddr_un a;
    struct err e;
    if (adopt_door(v, &a, &e) == 0)
        unlink(a.sun_path);
}

void launch_down(struct server *v)
{
    v->pid = 0;
    adopt_forget(v);
    v->launched = v->ready = false;
    filter_drop(v);
    cgroup_remove(v);
    image_forget(v);
}

void launch_collect(struct server *v)
{
    if (v->shim) {
        struct msg m;
        msg_begin(&m, SHIM_COLLECTED, 0);
        link_send(v->shim, &m);
        link_free(v->shim);
        v->shim = NULL;
    }
    remove_socket(v);
}

void launch_end(struct server *v)
{
    launch_collect(v);
    launch_down(v);
}

int launch_viewer(struct server *v, const char *account, bool may_write, uint64_t history, struct err *e)
{
    CLOSE_FD int fd = adopt_connect(v, e);
    if (fd < 0)
        return -1;
    struct msg m MSG_FREE;
    msg_begin(&m, SHIM_VIEWER, 0);
    msg_put_u32(&m, v->life.version ? v->life.version : SHIM_VERSION);
    msg_put_u32(&m, may_write);
    msg_put_u64(&m, history);
    msg_put_str(&m, account);
    return msg_send(fd, &m) < 0 ? err_set(e, errno, "shim", "%s", v->name) : fd_steal(&fd);
}
