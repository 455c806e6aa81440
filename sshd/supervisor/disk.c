#include "sshd/supervisor/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/die.h"
#include "base/io.h"
#include "base/mem.h"
#include "sandbox/proto.h"
#include "sshd/supervisor/child.h"
#include "sshd/supervisor/launch.h"
#include "sshd/supervisor/told.h"
#include "sshd/supervisor/usage_disk.h"

enum { JOBS_MOST = 4, ROUNDING = 65536 };

struct disk_waiter {
    struct disk_waiter *next;
    bool up;                /* wants it up, or down */
    disk_fn *fn;
    void *data;
};

struct job {
    struct job *next;
    struct server *server;
    int fd;
    uint16_t type;
    uint64_t bytes_before, inodes_before, inodes_asked_before;   /* of a change of limits */
    char error[400];
};

struct disk_queue {
    struct job *first;      /* waiting for a place */
    unsigned running;
};

static void next_job(struct super *s);

static void enqueue(struct server *v, uint16_t type);

static struct disk_waiter *waiter_take(struct server *v, bool up)
{
    for (struct disk_waiter **at = &v->disk_waiters; *at; at = &(*at)->next)
        if ((*at)->up == up) {
            struct disk_waiter *w = *at;
            *at = w->next;
            return w;
        }
    return NULL;
}

/* Those who want UP and nothing else: the others came while the job was under way, and it is not theirs. */
static void tell(struct server *v, bool up, const char *error)
{
    for (struct disk_waiter *w; (w = waiter_take(v, up)) != NULL; free(w))
        w->fn(w->data, error);
}

static const struct conf_server *conf_of(const struct server *v)
{
    return conf_server(&v->super->conf, v->name);
}

/* Its limits were changed since they were last asked for. */
static bool stale(const struct server *v)
{
    const struct conf_server *c = conf_of(v);
    return c && (c->disk != v->disk_asked || c->inodes != v->inodes_asked);
}

static void go_on(struct server *v)
{
    bool up = v->disk == DISK_UP;
    if (v->disk == DISK_WORKING)
        return;
    tell(v, up, NULL);
    if (v->disk == DISK_WORKING)
        return;
    if (v->disk_waiters)
        enqueue(v, up ? LAUNCH_DISK_DOWN : LAUNCH_DISK_UP);
    else if (up && stale(v))
        enqueue(v, LAUNCH_DISK_RESIZE);
}

/* ---- limits ---- */

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Never above what was asked for, also where the wall could not be moved so far. */
static int gate_of(struct server *v, struct err *e)
{
    if (v->gate == NULL) {
        v->gate_fd = gate_create();
        v->gate = v->gate_fd < 0 ? NULL : gate_map(v->gate_fd);
        if (v->gate == NULL)
            return err_set(e, errno, "gate", "%s", v->name);
    }
    gate_set_limit(v->gate, least(v->disk_limit, v->disk_asked));
    gate_set_inodes_limit(v->gate, v->inodes_limit);
    return 0;
}

/* Backends round down, some of them inodes by a lot. */
static bool reached(const struct job *j)
{
    const struct server *v = j->server;
    if (v->disk_limit > v->disk_asked || v->disk_asked - v->disk_limit > ROUNDING || v->inodes_limit > v->inodes_asked)
        return false;
    return j->type != LAUNCH_DISK_RESIZE || v->inodes_asked <= j->inodes_asked_before || v->inodes_limit > j->inodes_before;
}

static void limits_set(const struct job *j)
{
    struct server *v = j->server;
    v->limits_late[0] = '\0';
    if (!reached(j))
        snprintf(v->limits_late, sizeof v->limits_late, "%llu bytes and %llu files are asked for; %llu and %llu are in force until its disk is next unmounted",
                 (unsigned long long)v->disk_asked, (unsigned long long)v->inodes_asked, (unsigned long long)v->disk_limit,
                 (unsigned long long)v->inodes_limit);
    if (j->type == LAUNCH_DISK_RESIZE || v->limits_late[0])
        log_info("server.limit", "server=%s disk=%llu inodes=%llu was=%llu,%llu late=\"%s\"", v->name, (unsigned long long)v->disk_limit,
                 (unsigned long long)v->inodes_limit, (unsigned long long)j->bytes_before, (unsigned long long)j->inodes_before, v->limits_late);
}

static void limits_failed(const struct job *j)
{
    struct server *v = j->server;
    snprintf(v->limits_late, sizeof v->limits_late, "its limits could not be changed: %.150s", j->error);
    log_error("server.limit", "server=%s error=\"%s\"", v->name, j->error);
}

/* ---- the end of a job ---- */

static void resized(struct job *j)
{
    struct server *v = j->server;
    struct err e;
    v->disk = DISK_UP;
    if (j->error[0])
        limits_failed(j);
    else
        limits_set(j);
    gate_of(v, &e);
    tell(v, true, NULL);
    go_on(v);
    server_tidy(v);
}

static void moved(struct job *j)
{
    struct server *v = j->server;
    struct err e;
    char line[400];
    bool failed = j->error[0] != '\0';
    if (!failed && j->type == LAUNCH_DISK_UP && gate_of(v, &e) < 0) {
        snprintf(j->error, sizeof j->error, "%s", err_text(&e, line, sizeof line));
        failed = true;
    }
    bool up = (j->type == LAUNCH_DISK_UP) != failed;
    v->disk = up ? DISK_UP : DISK_DOWN;
    if (up)
        usage_begin(v);
    if (failed)
        log_error("disk", "server=%s error=\"%s\"", v->name, j->error);
    else if (up)
        limits_set(j);
    tell(v, j->type == LAUNCH_DISK_UP, failed ? j->error : NULL);
    go_on(v);
    /* It may have left the configuration meanwhile. */
    if (up && !failed)
        server_tidy(v);
}

static void finished(struct job *j)
{
    if (j->type == LAUNCH_DISK_RESIZE)
        resized(j);
    else
        moved(j);
}

static void take_limits(struct server *v, struct msg *m)
{
    v->disk_limit = msg_get_u64(m);
    v->inodes_limit = msg_get_u64(m);
    msg_get_u64(m);
    msg_get_u64(m);
    FREE_MEM char *word = msg_get_str(m);
    uint32_t kind = msg_get_u32(m);
    FREE_MEM char *path = msg_get_str(m);
    snprintf(v->backend, sizeof v->backend, "%s", word);
    snprintf(v->count_path, sizeof v->count_path, "%s", path);
    v->usage = kind <= DISK_COUNT_TOLD ? (enum disk_count)kind : DISK_COUNT_STATFS;
    if (msg_has_fd(m))
        told_begin(v, msg_get_fd(m));
}

/* One answer a job, read when the process has ended. */
static void take_answer(struct job *j, int status)
{
    struct msg m MSG_FREE;
    if (msg_recv_client(j->fd, &m) != 1) {
        msg_begin(&m, 0, 0);
        snprintf(j->error, sizeof j->error, "launch: %s", status_text(status));
        return;
    }
    struct err e;
    bool ok = launch_answer(&m, &e);
    if (ok && j->type != LAUNCH_DISK_DOWN)
        take_limits(j->server, &m);
    if (!msg_end(&m) || !ok)
        err_text(&e, j->error, sizeof j->error);
}

static void on_end(void *data, pid_t pid, int status)
{
    (void)pid;
    struct job *j = data;
    struct super *s = j->server->super;
    take_answer(j, status);
    close(j->fd);
    s->disks->running--;
    finished(j);
    free(j);
    next_job(s);
}

void disk_put(const struct server *v, struct msg *m)
{
    const struct conf *conf = &v->super->conf;
    const struct conf_server *c = conf_of(v);
    msg_put_str(m, v->name);
    msg_put_str(m, conf->paths.state);
    msg_put_str(m, conf->paths.run);
    msg_put_str(m, conf->paths.libexec);
    msg_put_str(m, c ? conf_backend(conf, c) : "auto");
    msg_put_u64(m, c ? c->disk : v->disk_asked);
    msg_put_u64(m, c ? c->inodes : v->inodes_asked);
    msg_put_u32(m, server_uid(v));
    msg_put_u32(m, v->number + 1);
}

/* What the job is about to ask for.  A smaller disk is held by the gate from now on, a larger one when the wall has moved. */
static void ask(struct job *j)
{
    struct server *v = j->server;
    const struct conf_server *c = conf_of(v);
    j->bytes_before = v->disk_limit;
    j->inodes_before = v->inodes_limit;
    j->inodes_asked_before = v->inodes_asked;
    if (j->type == LAUNCH_DISK_DOWN || c == NULL)
        return;
    v->disk_asked = c->disk;
    v->inodes_asked = c->inodes;
    if (j->type == LAUNCH_DISK_RESIZE && v->gate && c->disk < gate_limit(v->gate))
        gate_set_limit(v->gate, c->disk);
}

static int run(struct job *j, struct err *e)
{
    struct server *v = j->server;
    struct super *s = v->super;
    int pair[2];
    if (io_pair(pair) < 0)
        return err_set(e, errno, "socketpair", "%s", "");
    CLOSE_FD int ours = pair[0], theirs = pair[1];
    struct msg m MSG_FREE;
    msg_begin(&m, j->type, 0);
    disk_put(v, &m);
    ask(j);
    if (io_nonblock(ours) < 0 || msg_send(ours, &m) < 0)
        return err_set(e, errno, "launch", "send");
    if (child_start(s, ROLE_LAUNCH, 0, theirs, on_end, j, e) < 0)
        return -1;
    j->fd = fd_steal(&ours);
    s->disks->running++;
    return 0;
}

static void next_job(struct super *s)
{
    while (s->disks->first && s->disks->running < JOBS_MOST) {
        struct job *j = s->disks->first;
        s->disks->first = j->next;
        struct err e;
        if (run(j, &e) == 0)
            continue;
        err_text(&e, j->error, sizeof j->error);
        finished(j);
        free(j);
    }
}

static void enqueue(struct server *v, uint16_t type)
{
    struct super *s = v->super;
    if (s->disks == NULL)
        s->disks = mem_new(sizeof *s->disks);
    struct job *j = mem_new(sizeof *j);
    *j = (struct job){ .server = v, .type = type };
    if (type == LAUNCH_DISK_DOWN)
        usage_end(v);
    struct job **at = &s->disks->first;
    while (*at)
        at = &(*at)->next;
    *at = j;
    v->disk = DISK_WORKING;
    v->resizing = type == LAUNCH_DISK_RESIZE;
    next_job(s);
}

static void wait_for(struct server *v, bool up, disk_fn *fn, void *data)
{
    if (fn == NULL)
        return;
    struct disk_waiter *w = mem_new(sizeof *w);
    *w = (struct disk_waiter){ .next = v->disk_waiters, .up = up, .fn = fn, .data = data };
    v->disk_waiters = w;
}

void disk_need(struct server *v, disk_fn *fn, void *data)
{
    if (v->migrating) {
        if (fn)
            fn(data, "its files are being moved to another backend");
        return;
    }
    if (v->disk == DISK_UP) {
        if (fn)
            fn(data, NULL);
        return;
    }
    wait_for(v, true, fn, data);
    if (v->disk == DISK_DOWN)
        enqueue(v, LAUNCH_DISK_UP);
}

void disk_down(struct server *v, disk_fn *fn, void *data)
{
    if (v->disk == DISK_DOWN) {
        if (fn)
            fn(data, NULL);
        return;
    }
    wait_for(v, false, fn, data);
    if (v->disk == DISK_UP)
        enqueue(v, LAUNCH_DISK_DOWN);
}

static char *root_of(const struct server *v)
{
    return mem_fmt("%s/servers/%s", v->super->conf.paths.state, v->name);
}

int disk_open(const struct server *v, struct err *e)
{
    FREE_MEM char *root = root_of(v);
    /* Not even looked at: the process behind it may not answer. */
    if (v->usage == DISK_COUNT_TOLD) {
        int path = open(root, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return path < 0 ? err_set(e, errno, "open", "%s", root) : path;
    }
    CLOSE_FD int fd = open(root, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_set(e, errno, "open", "%s", root);
    /* The folder is the server's own, and it may have shut it: its owner could neither look nor mend that. */
    if ((st.st_mode & S_IRWXU) != S_IRWXU && fchmod(fd, 0750) < 0)
        return err_set(e, errno, "chmod", "%s", root);
    return fd_steal(&fd);
}

/* Its mount is dead, in the sandbox too: that must be made anew, and the disk is there again before. */
void disk_lost(struct server *v)
{
    if (v->disk != DISK_UP)
        return;
    log_error("disk.lost", "server=%s why=\"the process that counts it has ended\"", v->name);
    usage_end(v);
    v->disk = DISK_DOWN;
    if (server_alive(v) && v->state != STATE_STOPPING)
        server_force(v, EVENT_RESTART, "the daemon, as its disk had gone");
    if (conf_of(v) && !v->super->leaving)
        disk_need(v, NULL, NULL);
}

/* ---- what is told ---- */

void disk_apply(struct server *v, struct buf *told)
{
    char why[400];
    if (v->disk == DISK_DOWN)
        return;
    if (told && disk_refusal(v, why, sizeof why)[0])
        buf_put_fmt(told, "; server %s: %s", v->name, why);
    if (!stale(v))
        return;
    const struct conf_server *c = conf_of(v);
    if (told)
        buf_put_fmt(told, "; server %s: disk = %llu, inodes = %u", v->name, (unsigned long long)c->disk, c->inodes);
    if (v->disk == DISK_UP)
        enqueue(v, LAUNCH_DISK_RESIZE);
}

const char *disk_backend(const struct server *v)
{
    return strcmp(v->backend, "none") == 0 ? "none, unsafe" : v->backend;
}

const char *disk_refusal(const struct server *v, char *buf, size_t size)
{
    const struct conf_server *c = conf_of(v);
    const char *word = c ? conf_backend(&v->super->conf, c) : "auto";
    bool automatic = strcmp(word, "auto") == 0, none = strcmp(v->backend, "none") == 0;
    buf[0] = '\0';
    if (v->backend[0] && strcmp(word, v->backend) != 0 && (!automatic || none))
        snprintf(buf, size, "its files are on %s; configured: %s; move them with 'holdfast quota migrate %s %s', or set quota = %s", v->backend, word,
                 v->name, automatic ? "BACKEND" : word, disk_backend(v));
    return buf;
}

const char *disk_note(const struct server *v, char *buf, size_t size)
{
    char why[400];
    const char *none = strcmp(v->backend, "none") == 0 ? "nothing holds it to its disk limit" : "";
    const char *late = v->disk == DISK_DOWN ? "" : v->limits_late;
    disk_refusal(v, why, sizeof why);
    snprintf(buf, size, "%s%s%s%s%s", none, none[0] && (late[0] || why[0]) ? "; " : "", late, late[0] && why[0] ? "; " : "", why);
    return buf;
}
