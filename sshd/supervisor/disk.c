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
#include "sshd/supervisor/usage_disk.h"

enum { JOBS_MOST = 4 };

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

static void go_on(struct server *v)
{
    bool up = v->disk == DISK_UP;
    if (v->disk == DISK_WORKING)
        return;
    tell(v, up, NULL);
    if (v->disk_waiters && v->disk != DISK_WORKING)
        enqueue(v, up ? LAUNCH_DISK_DOWN : LAUNCH_DISK_UP);
}

static int gate_of(struct server *v, struct err *e)
{
    if (v->gate == NULL) {
        v->gate_fd = gate_create();
        v->gate = v->gate_fd < 0 ? NULL : gate_map(v->gate_fd);
        if (v->gate == NULL)
            return err_set(e, errno, "gate", "%s", v->name);
    }
    gate_set_limit(v->gate, v->disk_limit);
    return 0;
}

static void finished(struct job *j)
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
    tell(v, j->type == LAUNCH_DISK_UP, failed ? j->error : NULL);
    go_on(v);
    /* It may have left the configuration meanwhile. */
    if (up && !failed)
        server_tidy(v);
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
    if (ok && j->type == LAUNCH_DISK_UP) {
        j->server->disk_limit = msg_get_u64(&m);
        j->server->inodes_limit = msg_get_u64(&m);
    }
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

static int run(struct job *j, struct err *e)
{
    struct server *v = j->server;
    struct super *s = v->super;
    const struct conf_server *c = conf_server(&s->conf, v->name);
    int pair[2];
    if (io_pair(pair) < 0)
        return err_set(e, errno, "socketpair", "%s", "");
    CLOSE_FD int ours = pair[0], theirs = pair[1];
    struct msg m MSG_FREE;
    msg_begin(&m, j->type, 0);
    msg_put_str(&m, v->name);
    msg_put_str(&m, s->conf.paths.state);
    if (j->type == LAUNCH_DISK_UP) {
        msg_put_u64(&m, c ? c->disk : 0);
        msg_put_u64(&m, c ? c->inodes : 0);
        msg_put_u32(&m, server_uid(v));
    }
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
    CLOSE_FD int fd = open(root, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_set(e, errno, "open", "%s", root);
    /* The folder is the server's own, and it may have shut it: its owner could neither look nor mend that. */
    if ((st.st_mode & S_IRWXU) != S_IRWXU && fchmod(fd, 0750) < 0)
        return err_set(e, errno, "chmod", "%s", root);
    return fd_steal(&fd);
}
