#include "sshd/supervisor/leave.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "sshd/supervisor/cgroup.h"
#include "sshd/supervisor/conn.h"
#include "sshd/supervisor/disk.h"
#include "sshd/supervisor/filter.h"
#include "sshd/supervisor/listen.h"
#include "sshd/supervisor/server.h"
#include "sshd/supervisor/spare.h"
#include "sshd/supervisor/tool_quota_migrate.h"

enum { TICK = 20, GRACE = 10000, BEGIN_WAIT = 30000 };

static struct {
    leave_fn *fn;
    void *data;
    uint64_t begin_by, kill_at, give_up_at;
    bool unmounting;
    unsigned disks;
    char error[400];
} going;

static void finish(void *data)
{
    super_leave(data, going.error[0] ? 1 : 0);
}

static void on_filter(struct super *s, const char *error)
{
    if (error[0])
        snprintf(going.error, sizeof going.error, "%s", error);
    cgroup_leave(s);
    log_info("shutdown", "error=\"%s\"", going.error);
    going.fn(going.data, going.error);
    /* The answer is on its way first. */
    loop_timer(s->loop, 50, finish, s);
}

static void end(struct super *s)
{
    filter_leave(s, on_filter);
}

static void on_disk(void *data, const char *error)
{
    struct server *v = data;
    going.disks--;
    if (error)
        snprintf(going.error, sizeof going.error, "%s: %s", v->name, error);
    if (going.disks == 0)
        end(v->super);
}

static void unmount_all(struct super *s)
{
    going.unmounting = true;
    going.disks = 1;
    for (struct server *v = s->servers; v; v = v->next) {
        going.disks++;
        disk_down(v, on_disk, v);
    }
    if (--going.disks == 0)
        end(s);
}

static bool quiet(struct super *s)
{
    if (s->sessions)
        return false;
    for (struct server *v = s->servers; v; v = v->next)
        if (server_alive(v) || v->workers || v->backing_up || v->migrating || v->disk == DISK_WORKING)
            return false;
    return true;
}

/* Nothing is known yet of what an earlier daemon left: stopping now would leave its servers running and its disks mounted. */
static bool too_early(const struct super *s)
{
    return !s->begun && now_ms() < going.begin_by;
}

static void stop_all(struct super *s)
{
    uint64_t longest = 0;
    for (struct server *v = s->servers; v; v = v->next) {
        const struct conf_server *c = conf_server(&s->conf, v->name);
        if (server_alive(v) && c && c->stop_timeout > longest)
            longest = c->stop_timeout;
        if (server_alive(v) || v->state == STATE_BACKOFF)
            server_force(v, EVENT_STOP, "the daemon, which was shut down");
    }
    going.kill_at = now_ms() + longest + 5000;
    going.give_up_at = going.kill_at + GRACE;
    if (!s->begun)
        snprintf(going.error, sizeof going.error, "the store does not start: servers of an earlier daemon may run on");
}

static void tick(void *data)
{
    struct super *s = data;
    uint64_t now = now_ms();
    conn_kill_all(s);
    migrations_end(s);
    if (going.kill_at == 0 && !too_early(s))
        stop_all(s);
    if (going.kill_at && (quiet(s) || now >= going.give_up_at)) {
        unmount_all(s);
        return;
    }
    if (going.kill_at && now >= going.kill_at) {
        going.kill_at = now + 1000;
        for (struct server *v = s->servers; v; v = v->next)
            if (server_alive(v))
                server_force(v, EVENT_KILL, "the daemon, which was shut down");
    }
    loop_timer(s->loop, TICK, tick, s);
}

void leave(struct super *s, leave_fn *fn, void *data)
{
    if (s->leaving) {
        fn(data, "going down already");
        return;
    }
    s->leaving = true;
    going.fn = fn;
    going.data = data;
    going.begin_by = now_ms() + BEGIN_WAIT;
    listen_close(s);
    spare_end();
    tick(s);
}
