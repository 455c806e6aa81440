#include "sshd/supervisor/adopt.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "sandbox/proto.h"
#include "sshd/supervisor/cgroup.h"
#include "sshd/supervisor/filter.h"
#include "sshd/supervisor/image.h"
#include "sshd/supervisor/launch.h"

enum { PATIENCE_MS = 10000 };

static const struct conf_server *conf_of(const struct server *v)
{
    return conf_server(&v->super->conf, v->name);
}

int adopt_door(const struct server *v, struct sockaddr_un *a, struct err *e)
{
    memset(a, 0, sizeof *a);
    a->sun_family = AF_UNIX;
    int n = snprintf(a->sun_path, sizeof a->sun_path, "%s/shims/%s.sock", v->super->conf.paths.run, v->name);
    if (n >= (int)sizeof a->sun_path)
        return err_set(e, ENAMETOOLONG, "paths.run", "%s", v->super->conf.paths.run);
    return 0;
}

int adopt_connect(const struct server *v, struct err *e)
{
    struct sockaddr_un a;
    if (adopt_door(v, &a, e) < 0)
        return -1;
    CLOSE_FD int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof a) < 0)
        return err_set(e, errno, "connect", "%s", a.sun_path);
    return fd_steal(&fd);
}

/* ---- who is there ---- */

/* The second number of /proc/PID/stat behind the name, which may hold anything. */
static pid_t parent_of(pid_t pid)
{
    char path[64], state;
    int parent;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FREE_MEM char *text = io_read_file(path, 4096, NULL, NULL);
    const char *end = text ? strrchr(text, ')') : NULL;
    return end && sscanf(end + 1, " %c %d", &state, &parent) == 2 ? (pid_t)parent : 0;
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

/* Who listens: the shim itself since version 2; before, root, who bound the socket for it in a folder that nobody else can enter. */
static void look_who(struct server *v, uint32_t version, char *why, size_t size)
{
    struct ucred who = { 0 };
    socklen_t n = sizeof who;
    uid_t shim = v->super->conf.ids.shim;
    why[0] = '\0';
    bool known = getsockopt(link_fd(v->shim), SOL_SOCKET, SO_PEERCRED, &who, &n) == 0;
    bool parent = v->pid > 0 && v->life.pidfd >= 0 && parent_of(v->pid) == who.pid && has_its_ids(v);
    if (known && parent && version > SHIM_VERSION)
        v->life.shim_pidfd = (int)syscall(SYS_pidfd_open, who.pid, 0);
    /* Another uid may be that of a shim from before [ids] shim was changed, if it holds the server's init. */
    if (!known || (who.uid != shim && !parent && !(who.uid == 0 && version < 2)))
        snprintf(why, size, "whoever listens in place of its shim is uid %u, not %u", who.uid, shim);
    else if (who.uid == shim && v->pid > 0 && v->life.pidfd >= 0 && parent_of(v->pid) != who.pid)
        snprintf(why, size, "process %d, which its shim calls its own, is not", (int)v->pid);
    else if (version > SHIM_VERSION)
        snprintf(why, size, "its shim speaks version %u, this daemon %d at most: it can be killed, and steered by the newer daemon", version, SHIM_VERSION);
    else if (version < SHIM_OLDEST)
        snprintf(why, size, "its shim speaks version %u, this daemon %d at least: it can be killed", version, SHIM_OLDEST);
}

/* ---- one that is left alone ---- */

void adopt_forget(struct server *v)
{
    watch_free(v->life.pidfd_watch);
    v->life.pidfd_watch = NULL;
    if (v->life.pidfd >= 0)
        close(fd_steal(&v->life.pidfd));
    if (v->life.shim_pidfd >= 0)
        close(fd_steal(&v->life.shim_pidfd));
}

/* Nothing hangs on the shim any more, and what it knows it tells nobody who is here; the next start needs its place. */
static void ended_unseen(struct server *v)
{
    if (v->life.shim_pidfd >= 0)
        syscall(SYS_pidfd_send_signal, v->life.shim_pidfd, SIGKILL, NULL, 0);
    snprintf(v->life.lost, sizeof v->life.lost, "it ended, and only its shim knew how");
    v->signal = SIGKILL;
    server_event(v, EVENT_ENDED);
}

static void on_init_end(void *data, int fd, unsigned events)
{
    (void)fd, (void)events;
    struct server *v = data;
    watch_free(v->life.pidfd_watch);
    v->life.pidfd_watch = NULL;
    ended_unseen(v);
}

void adopt_hold_init(struct server *v)
{
    adopt_forget(v);
    v->life.pidfd = v->pid > 0 ? (int)syscall(SYS_pidfd_open, v->pid, 0) : -1;
}

/* It may live or not; nothing is done to it but what an order says. */
static void leave_alone(struct server *v, const char *why)
{
    log_error("shim.foreign", "server=%s pid=%d action=none why=\"%s\"", v->name, (int)v->pid, why);
    snprintf(v->life.foreign, sizeof v->life.foreign, "%s", why);
    if (v->state == STATE_STARTING)
        server_set(v, STATE_RUNNING);
}

/* Its link is of no use. */
static void let_go(struct server *v, const char *why)
{
    link_free(v->shim);
    v->shim = NULL;
    leave_alone(v, why);
    if (v->life.pidfd >= 0)
        v->life.pidfd_watch = loop_watch(v->super->loop, v->life.pidfd, LOOP_READ, on_init_end, v);
    else
        ended_unseen(v);
}

static void no_word(void *data)
{
    struct server *v = data;
    v->life.start_timer = NULL;
    leave_alone(v, "its shim does not answer: it can be killed");
}

static void killed_unseen(void *data)
{
    struct server *v = data;
    if (v->state == STATE_STOPPING && v->life.foreign[0])
        ended_unseen(v);
}

void adopt_killed(struct server *v)
{
    if (v->life.foreign[0] && v->life.pidfd_watch == NULL)
        loop_timer(v->super->loop, 0, killed_unseen, v);
}

/* ---- its word ---- */

static void take_of_2(struct server *v, struct msg *m)
{
    FREE_MEM char *by = msg_get_text(m, SHIM_BY_MOST);
    FREE_MEM char *status = msg_get_text(m, SHIM_STATUS_MOST);
    v->life.says_stopping = msg_get_u32(m) != 0;
    snprintf(v->life.by, sizeof v->life.by, "%s", esc_text(by));
    snprintf(v->life.status, sizeof v->life.status, "%s", esc_text(status));
}

static void take_life(struct server *v, uint32_t version, struct msg *m)
{
    v->started = (int64_t)msg_get_u64(m);
    bool is_ready = msg_get_u32(m), stopping = msg_get_u32(m), ended = msg_get_u32(m);
    uint32_t code = msg_get_u32(m), sig = msg_get_u32(m), killed = msg_get_u32(m);
    if (version >= 2)
        take_of_2(v, m);
    if (!msg_end(m))
        return;
    if (is_ready)
        server_event(v, EVENT_READY);
    v->since = v->started;
    if (stopping && v->state != STATE_STOPPING)
        server_set(v, STATE_STOPPING);
    life_found(v);
    if (ended) {
        launch_ended(v, code, sig, killed);
    } else if (!has_its_ids(v)) {
        /* Numbered anew, by a store that lost its database: another server may have these ids now. */
        log_error("server.ids", "server=%s action=kill why=\"it runs with other ids than the store gives it\"", v->name);
        server_force(v, EVENT_KILL, "the daemon, as its ids have changed");
    }
}

void adopt_take_state(struct server *v, struct msg *m)
{
    char why[sizeof v->life.foreign];
    uint32_t version = msg_get_u32(m);
    v->pid = (pid_t)msg_get_u32(m);
    if (m->bad)
        return;
    timer_free(v->life.start_timer);
    v->life.start_timer = NULL;
    v->life.foreign[0] = '\0';
    adopt_hold_init(v);
    v->life.version = version;
    look_who(v, version, why, sizeof why);
    if (why[0])
        let_go(v, why);
    else
        take_life(v, version, m);
}

/* ---- all of them ---- */

static void nobody(struct server *v)
{
    struct sockaddr_un a;
    struct err e;
    cgroup_kill(v);
    cgroup_remove(v);
    if (adopt_door(v, &a, &e) == 0)
        unlink(a.sun_path);
    image_forget(v);
}

static void adopt(struct server *v)
{
    struct err e;
    int fd = adopt_connect(v, &e);
    if (fd < 0) {
        nobody(v);
        return;
    }
    launch_link(v, fd);
    v->launched = true;
    image_noted(v);
    server_set(v, STATE_STARTING);
    struct msg m;
    msg_begin(&m, SHIM_SUPERVISOR, 0);
    msg_put_u32(&m, SHIM_VERSION);
    link_send(v->shim, &m);
    v->life.start_timer = loop_timer(v->super->loop, PATIENCE_MS, no_word, v);
    log_info("server.adopted", "server=%s", v->name);
    if (conf_of(v) == NULL) {
        log_warn("server.unknown", "server=%s action=kill why=\"no longer configured\"", v->name);
        server_force(v, EVENT_KILL, "the daemon, as it is no longer configured");
        return;
    }
    /* What was changed while there was no daemon. */
    cgroup_limits(v, conf_of(v), NULL);
}

void adopt_all(struct super *s)
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
        if (v && v->shim == NULL && !server_alive(v))
            adopt(v);
        else if (v == NULL)
            log_warn("server.unknown", "server=%s action=none why=\"its shim lives, the store does not know it\"", esc(name));
    }
    closedir(d);
    filter_begin(s);
}
