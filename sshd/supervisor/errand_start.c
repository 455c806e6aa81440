/* An errand in a sandbox of its own: its plan, and the link to its launch, which becomes its shim. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/rights.h"
#include "sandbox/proto.h"
#include "sshd/supervisor/cgroup.h"
#include "sshd/supervisor/disk.h"
#include "sshd/supervisor/errand_run.h"
#include "sshd/supervisor/image.h"
#include "sshd/supervisor/launch.h"
#include "sshd/supervisor/plan.h"
#include "sshd/supervisor/policy.h"
#include "sshd/supervisor/spare.h"
#include "sshd/supervisor/store.h"

enum { PIDS = 32, NOFILE = 1024 };
#define MEMORY_MOST ((uint64_t)512 << 20)
#define TMP ((uint64_t)1 << 20)

/* ---- the shim ---- */

/* A shell is there for the session only now: with its terminal, if it has one. */
static void take_done(struct errand *r, struct msg *m)
{
    struct err e;
    char line[400];
    if (launch_answer(m, &e)) {
        msg_get_u32(m);
        if (r->terminal)
            r->ends.in = msg_get_fd(m);
        if (msg_end(m) && r->words && r->why[0] == '\0')
            errand_answer(r);
        return;
    }
    log_error("errand.launch", "errand=%u server=%s error=\"%s\"", r->number, r->server->name, err_text(&e, line, sizeof line));
    snprintf(r->why, sizeof r->why, "it could not be started: see the log");
    errand_finish(r, CODE_DISABLED, 0);
}

static void take_ended(struct errand *r, struct msg *m)
{
    uint32_t code = msg_get_u32(m), sig = msg_get_u32(m), killed = msg_get_u32(m);
    if (!msg_end(m))
        return;
    if (killed == KILLED_BY_TIME)
        errand_too_long(r);
    errand_finish(r, code, sig);
}

static const struct errand_word table[] = {
    { LAUNCH_DONE, take_done },
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
    cgroup_kill_errand(r->super, r->number);
    if (r->why[0] == '\0')
        snprintf(r->why, sizeof r->why, "its shim died");
    errand_finish(r, 0, 9);
}

static const struct link_events shim_events = { .msg = on_shim, .gone = on_shim_gone, .client = true };

/* ---- starting ---- */

/* rsync's, made of the server's.  The command is ours whatever the session says: what rsync is to do it is told on its
   stdin, by arguments that stand for a file system with nothing but this server's files and a public /usr in it. */
static void as_rsync(struct conf_server *t)
{
    static char command[] = "/usr/bin/rsync --server -s", folder[] = "/home";
    t->command = command;
    t->directory = folder;
    t->environment = (struct conf_list){ 0 };
    t->memory = t->memory < MEMORY_MOST ? t->memory : MEMORY_MOST;
    t->memory_high = 0;
    t->tmp = TMP;
    t->pids = t->pids < PIDS ? t->pids : PIDS;
    t->nofile = t->nofile < NOFILE ? t->nofile : NOFILE;
}

/* The server's configuration, turned into the errand's: a shell stands under all the limits of the server's. */
static struct conf_server conf_of(const struct errand *r)
{
    static char folder[] = "/home/server";
    struct conf_server t = *conf_server(&r->super->conf, r->server->name);
    if (r->words)
        t.directory = folder;
    else
        as_rsync(&t);
    t.port = (struct conf_ports){ 0 };
    t.ready = (struct conf_how){ .kind = HOW_NONE };
    t.watchdog = 0;
    t.tty = r->terminal ? CONF_YES : CONF_NO;
    t.network = NETWORK_NONE;
    t.memory_reservation = 0;
    return t;
}

/* Our end of the link, or -1 with E. */
static int launch_plan(struct errand *r, const struct conf_server *c, int filter, struct err *e)
{
    struct super *s = r->super;
    bool imported = r->words && !image_is_host(c->image);
    CLOSE_FD int root = disk_open(r->server, e);
    if (root < 0)
        return -1;
    CLOSE_FD int image = imported ? image_open(&s->conf, c->image, e) : -1;
    if (imported && image < 0)
        return -1;
    e->no = 0;
    CLOSE_FD int group = cgroup_make_errand(r->server, r->number, c, e);
    if (group < 0 && e->no != 0)
        return -1;
    struct msg m MSG_FREE;
    const struct plan_errand plan = { .writes = r->words || (r->needs & RIGHT_FILES_WRITE), .seconds = r->kind->seconds, .words = r->words, .columns = r->columns, .rows = r->rows,
                                      .root = root, .image = image, .group = group, .filter = filter, .stdio = r->stdio };
    return plan_write_errand(r->server, c, &plan, &m, e) < 0 ? -1 : spare_launch(s, &m, e);
}

static int launch(struct errand *r, int filter, struct err *e)
{
    struct conf_server c = conf_of(r);
    int link = errand_pipes(r, e) < 0 ? -1 : launch_plan(r, &c, filter, e);
    if (link < 0)
        return -1;
    r->shim = link_new(r->super->loop, link, &shim_events, r);
    return 0;
}

static void refuse(struct errand *r, const char *why, const char *error)
{
    errand_refuse(r, why ? CODE_DENIED : CODE_UNAVAILABLE, why ? why : error);
}

static void filter_ready(void *data, int filter, const char *error)
{
    struct errand *r = data;
    const char *why = r->why[0] ? r->why : errand_unfit(r);
    struct err e = { 0 };
    char line[400];
    FREE_MEM char *failed = mem_fmt("%s cannot be started: see the log", r->kind->program);
    if (error || why)
        refuse(r, why, failed);
    else if (launch(r, filter, &e) < 0) {
        log_error("errand.start", "server=%s error=\"%s\"", r->server->name, err_text(&e, line, sizeof line));
        refuse(r, NULL, failed);
    } else {
        for (int i = 0; i < 3; i++)
            if (r->stdio[i] >= 0)
                close(fd_steal(&r->stdio[i]));
        if (r->words == NULL)
            errand_answer(r);
    }
}

static void disk_ready(void *data, const char *error)
{
    struct errand *r = data;
    const char *why = r->why[0] ? r->why : errand_unfit(r);
    if (error || why)
        refuse(r, why, "its files are not available");
    else
        policy_need(r->super, conf_server(&r->super->conf, r->server->name), r->words ? PROFILE_SERVER : PROFILE_TOOL, filter_ready, r);
}

void errand_start(struct errand *r)
{
    disk_need(r->server, disk_ready, r);
}

void errand_change_limits(const struct errand *r)
{
    struct conf_server c = conf_of(r);
    cgroup_limits_errand(r->server, r->number, &c);
}
