#include "sshd/supervisor/launch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/die.h"
#include "base/io.h"
#include "base/mem.h"
#include "sandbox/proto.h"
#include "sshd/supervisor/cgroup.h"
#include "sshd/supervisor/child.h"
#include "sshd/supervisor/disk.h"
#include "sshd/supervisor/filter.h"
#include "sshd/supervisor/policy.h"
#include "sshd/supervisor/folder.h"
#include "sshd/supervisor/image.h"
#include "sshd/supervisor/plan.h"

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
        server_event(v, EVENT_LAUNCHED);
        return;
    }
    err_text(&e, v->reason, sizeof v->reason);
    server_event(v, EVENT_LAUNCH_FAILED);
}

static void end(struct server *v, uint32_t code, uint32_t sig, bool killed)
{
    v->has_exit = true;
    v->code = code;
    v->signal = sig;
    v->killed |= killed;
    server_event(v, EVENT_ENDED);
}

/* Whether a sandbox that was found again has the ids of its server.  One that has gone has none. */
static bool has_its_ids(const struct server *v)
{
    char path[64];
    unsigned inside, outside;
    snprintf(path, sizeof path, "/proc/%d/uid_map", (int)v->pid);
    FREE_MEM char *map = v->pid > 0 ? io_read_file(path, 4096, NULL, NULL) : NULL;
    return map == NULL || sscanf(map, "%u %u", &inside, &outside) != 2 || (inside == 0 && outside == server_uid_base(v));
}

static void take_state(struct server *v, struct msg *m)
{
    uint32_t version = msg_get_u32(m);
    v->pid = (pid_t)msg_get_u32(m);
    v->started = (int64_t)msg_get_u64(m);
    bool is_ready = msg_get_u32(m), stopping = msg_get_u32(m), ended = msg_get_u32(m);
    uint32_t code = msg_get_u32(m), sig = msg_get_u32(m);
    bool killed = msg_get_u32(m);
    if (!msg_end(m) || version > SHIM_VERSION)
        return;
    if (is_ready)
        server_event(v, EVENT_READY);
    v->since = v->started;
    if (stopping && v->state != STATE_STOPPING)
        server_set(v, STATE_STOPPING);
    if (ended) {
        end(v, code, sig, killed);
    } else if (!has_its_ids(v)) {
        /* Numbered anew, by a store that lost its database: another server may have these ids now. */
        log_error("server.ids", "server=%s action=kill why=\"it runs with other ids than the store gives it\"", v->name);
        server_event(v, EVENT_KILL);
        snprintf(v->reason, sizeof v->reason, "its ids have changed");
    }
}

static void take_ready(struct server *v, struct msg *m)
{
    if (msg_end(m))
        server_event(v, EVENT_READY);
}

static void take_ended(struct server *v, struct msg *m)
{
    uint32_t code = msg_get_u32(m), sig = msg_get_u32(m);
    bool killed = msg_get_u32(m);
    if (msg_end(m))
        end(v, code, sig, killed);
}

static const struct {
    uint16_t type;
    void (*take)(struct server *v, struct msg *m);
} table[] = {
    { LAUNCH_DONE, take_done },
    { SHIM_STATE, take_state },
    { SHIM_READY, take_ready },
    { SHIM_ENDED, take_ended },
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
    if (v->reason[0] == '\0')
        snprintf(v->reason, sizeof v->reason, "%s", v->launched ? "its shim died" : "launch died");
    v->signal = SIGKILL;
    v->has_exit = v->launched;
    log_error("shim.died", "server=%s", v->name);
    server_event(v, v->launched ? EVENT_ENDED : EVENT_LAUNCH_FAILED);
}

static const struct link_events events = { .msg = on_msg, .gone = on_gone, .client = true };

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

static int socket_address(const struct server *v, struct sockaddr_un *a, struct err *e)
{
    memset(a, 0, sizeof *a);
    a->sun_family = AF_UNIX;
    int n = snprintf(a->sun_path, sizeof a->sun_path, "%s/shims/%s.sock", v->super->conf.paths.run, v->name);
    if (n >= (int)sizeof a->sun_path)
        return err_set(e, ENAMETOOLONG, "paths.run", "%s", v->super->conf.paths.run);
    return 0;
}

static int listener(const struct server *v, struct err *e)
{
    struct sockaddr_un a;
    if (socket_address(v, &a, e) < 0)
        return -1;
    CLOSE_FD int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    unlink(a.sun_path);
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) < 0 || chmod(a.sun_path, 0600) < 0 || listen(fd, 64) < 0)
        return err_set(e, errno, "socket", "%s", a.sun_path);
    return fd_steal(&fd);
}

static void on_launch_end(void *data, pid_t pid, int status)
{
    (void)data, (void)pid, (void)status;   /* the link tells; reaping is all that is left */
}

static int run(struct server *v, const struct conf_server *c, int filter, struct err *e)
{
    struct super *s = v->super;
    if (s->limits_missing[0] && s->conf.sandbox.limits == LIMITS_REQUIRED)
        return err_set(e, 0, "limits", "%s; [sandbox] limits = available would start it without", s->limits_missing);
    int pair[2];
    if (io_pair(pair) < 0)
        return err_set(e, errno, "socketpair", "%s", "");
    CLOSE_FD int ours = pair[0], theirs = pair[1];
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
    if (msg_send(ours, &m) < 0)
        return err_set(e, errno, "plan", "send");
    pid_t pid = child_start(s, ROLE_LAUNCH, 0, theirs, on_launch_end, NULL, e);
    if (pid < 0)
        return -1;
    cgroup_take_shim(s, pid);
    v->shim = link_new(s->loop, fd_steal(&ours), &events, v);
    return 0;
}

static void on_disk(void *data, const char *error);

static void fail_later(void *data)
{
    server_event(data, EVENT_LAUNCH_FAILED);
}

static void fail(struct server *v)
{
    log_error("server.launch", "server=%s error=\"%s\"", v->name, v->reason);
    /* From the loop: the order that asked is still being answered. */
    loop_timer(v->super->loop, 0, fail_later, v);
}

static void on_rules(struct server *v, const char *error);

/* Asked anew: the configuration may have changed meanwhile, and with it the system calls. */
static void on_policy(void *data, int filter, const char *error)
{
    struct server *v = data;
    const struct conf_server *c = conf_server(&v->super->conf, v->name);
    FREE_MEM char *changes = c ? policy_changes(c) : NULL;
    struct err e = { 0 };
    if (error)
        snprintf(v->reason, sizeof v->reason, "%s", error);
    else if (v->abort || c == NULL)
        ;
    else if (strcmp(changes, v->changes) != 0) {
        on_rules(v, NULL);
        return;
    } else if (run(v, c, filter, &e) == 0) {
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
    if (error)
        snprintf(v->reason, sizeof v->reason, "%s", error);
    if (error || v->abort || c == NULL) {
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
    if (why == NULL && !v->abort && c && c->network == NETWORK_PRIVATE && server_net(v, &net))
        filter_set(v, on_rules);
    else
        on_rules(v, why);
}

void launch_begin(struct server *v)
{
    disk_need(v, on_disk, v);
}

/* ---- steering ---- */

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
    link_send(v->shim, &m);
}

void launch_kill(struct server *v)
{
    struct msg m;
    msg_begin(&m, SHIM_KILL, 0);
    if (v->shim)
        link_send(v->shim, &m);
    /* Not by the shim's good will alone: kill always wins. */
    cgroup_kill(v);
}

static void remove_socket(const struct server *v)
{
    struct sockaddr_un a;
    struct err e;
    if (socket_address(v, &a, &e) == 0)
        unlink(a.sun_path);
}

static void forget_image(struct server *v)
{
    struct err e;
    char line[400];
    if (image_note(v, "", &e) < 0)
        log_warn("image.note", "server=%s error=\"%s\"", v->name, err_text(&e, line, sizeof line));
}

void launch_end(struct server *v)
{
    if (v->shim) {
        struct msg m;
        msg_begin(&m, SHIM_COLLECTED, 0);
        link_send(v->shim, &m);
        link_free(v->shim);
        v->shim = NULL;
    }
    v->pid = 0;
    v->launched = v->ready = false;
    filter_drop(v);
    cgroup_remove(v);
    remove_socket(v);
    forget_image(v);
}

/* ---- finding shims again ---- */

static int connect_shim(const struct server *v, struct err *e)
{
    struct sockaddr_un a;
    if (socket_address(v, &a, e) < 0)
        return -1;
    CLOSE_FD int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof a) < 0)
        return err_set(e, errno, "connect", "%s", a.sun_path);
    return fd_steal(&fd);
}

static void adopt(struct server *v)
{
    struct err e;
    int fd = connect_shim(v, &e);
    if (fd < 0) {
        cgroup_kill(v);
        cgroup_remove(v);
        remove_socket(v);
        forget_image(v);
        return;
    }
    v->shim = link_new(v->super->loop, fd, &events, v);
    v->launched = true;
    image_noted(v);
    server_set(v, STATE_STARTING);
    struct msg m;
    msg_begin(&m, SHIM_SUPERVISOR, 0);
    msg_put_u32(&m, SHIM_VERSION);
    link_send(v->shim, &m);
    log_info("server.adopted", "server=%s", v->name);
    if (conf_server(&v->super->conf, v->name) == NULL) {
        log_warn("server.unknown", "server=%s action=kill why=\"no longer configured\"", v->name);
        server_event(v, EVENT_KILL);
        return;
    }
    /* What was changed while there was no daemon. */
    cgroup_limits(v, conf_server(&v->super->conf, v->name), NULL);
}

void launch_adopt_all(struct super *s)
{
    FREE_MEM char *folder = mem_fmt("%s/shims", s->conf.paths.run);
    DIR *d = opendir(folder);
    if (d == NULL) {
        filter_begin(s);
        return;
    }
    for (struct dirent *entry; (entry = readdir(d)) != NULL;) {
        char name[NAME_MOST + 8];
        size_t n = strlen(entry->d_name);
        if (n < 6 || n >= sizeof name || strcmp(entry->d_name + n - 5, ".sock") != 0)
            continue;
        snprintf(name, sizeof name, "%.*s", (int)(n - 5), entry->d_name);
        struct server *v = server_find(s, name);
        if (v && v->shim == NULL && v->state == STATE_OFFLINE)
            adopt(v);
        else if (v == NULL)
            log_warn("server.unknown", "server=%s action=none why=\"its shim lives, the store does not know it\"", esc(name));
    }
    closedir(d);
    filter_begin(s);
}

int launch_viewer(struct server *v, const char *account, bool may_write, uint64_t history, struct err *e)
{
    CLOSE_FD int fd = connect_shim(v, e);
    if (fd < 0)
        return -1;
    struct msg m MSG_FREE;
    msg_begin(&m, SHIM_VIEWER, 0);
    msg_put_u32(&m, SHIM_VERSION);
    msg_put_u32(&m, may_write);
    msg_put_u64(&m, history);
    msg_put_str(&m, account);
    return msg_send(fd, &m) < 0 ? err_set(e, errno, "shim", "%s", v->name) : fd_steal(&fd);
}
