#include "sshd/supervisor/errand.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/rights.h"
#include "sandbox/proto.h"
#include "sshd/proto.h"
#include "sshd/supervisor/cgroup.h"
#include "sshd/supervisor/disk.h"
#include "sshd/supervisor/policy.h"
#include "sshd/supervisor/launch.h"
#include "sshd/supervisor/plan.h"
#include "sshd/supervisor/spare.h"
#include "sshd/supervisor/store.h"

enum { SERVER_MOST = 2, ACCOUNT_MOST = 4, PIDS = 32, NOFILE = 1024, SECONDS = 6 * 3600, PIPE_BYTES = 256 * 1024 };
#define MEMORY_MOST ((uint64_t)512 << 20)
#define TMP ((uint64_t)1 << 20)

struct errand {
    struct errand *next;
    struct super *super;
    struct server *server;
    char account[NAME_MOST + 1];
    uint64_t session;
    uint32_t order, number;
    uint32_t needs;             /* rights without which it ends */
    struct link *shim;          /* first launch's; NULL until the disk is up */
    struct link *status;        /* the session's; NULL when it has let go */
    char why[100];              /* it was ended by us */
};

/* All the session has of it; the rest of the pipes is the program's. */
struct ends { int in, out, err, status; };

static void forget(struct errand *r)
{
    struct server *v = r->server;
    for (struct errand **at = &r->super->errands; *at; at = &(*at)->next)
        if (*at == r) {
            *at = r->next;
            break;
        }
    link_free(r->shim);
    link_free(r->status);
    cgroup_remove_errand(r->super, r->number);
    free(r);
    v->workers--;
    server_tidy(v);
}

static void finish(struct errand *r, uint32_t code, uint32_t sig)
{
    log_info("errand.end", "errand=%u session=%llu account=%s server=%s code=%u signal=%u why=\"%s\"", r->number,
             (unsigned long long)r->session, r->account, r->server->name, code, sig, r->why);
    struct msg m;
    msg_begin(&m, ERRAND_ENDED, 0);
    msg_put_u32(&m, code);
    msg_put_u32(&m, sig);
    msg_put_str(&m, r->why);
    if (r->status)
        link_send(r->status, &m);
    else
        msg_free(&m);
    msg_begin(&m, SHIM_COLLECTED, 0);
    link_send(r->shim, &m);
    forget(r);
}

/* Its end is told by the shim: only then nothing of it is left that holds the disk. */
static void end(struct errand *r, const char *why)
{
    if (r->why[0] == '\0')
        snprintf(r->why, sizeof r->why, "%s", why);
    if (r->shim == NULL)
        return;
    struct msg m;
    msg_begin(&m, SHIM_KILL, 0);
    link_send(r->shim, &m);
    cgroup_kill_errand(r->super, r->number);
}

/* ---- the shim ---- */

static void take_done(struct errand *r, struct msg *m)
{
    struct err e;
    char line[400];
    if (launch_answer(m, &e)) {
        msg_get_u32(m);
        msg_end(m);
        return;
    }
    log_error("errand.launch", "errand=%u server=%s error=\"%s\"", r->number, r->server->name, err_text(&e, line, sizeof line));
    snprintf(r->why, sizeof r->why, "it could not be started: see the log");
    finish(r, CODE_DISABLED, 0);
}

static void take_ended(struct errand *r, struct msg *m)
{
    uint32_t code = msg_get_u32(m), sig = msg_get_u32(m), killed = msg_get_u32(m);
    if (!msg_end(m))
        return;
    if (killed == KILLED_BY_TIME && r->why[0] == '\0')
        snprintf(r->why, sizeof r->why, "it ran longer than %d s, the most that is allowed", SECONDS);
    finish(r, code, sig);
}

static const struct {
    uint16_t type;
    void (*take)(struct errand *r, struct msg *m);
} table[] = {
    { LAUNCH_DONE, take_done },
    { SHIM_ENDED, take_ended },
};

static void on_shim(void *data, struct link *l, struct msg *m)
{
    struct errand *r = data;
    (void)l;
    for (size_t i = 0; i < countof(table); i++)
        if (table[i].type == m->type) {
            table[i].take(r, m);
            return;
        }
    log_warn("errand.message", "errand=%u type=%u", r->number, m->type);
}

static void on_shim_gone(void *data, struct link *l)
{
    struct errand *r = data;
    (void)l;
    cgroup_kill_errand(r->super, r->number);
    if (r->why[0] == '\0')
        snprintf(r->why, sizeof r->why, "its shim died");
    finish(r, 0, 9);
}

static const struct link_events shim_events = { .msg = on_shim, .gone = on_shim_gone, .client = true };

/* ---- the session ---- */

/* It has nothing to say here. */
static void on_status(void *data, struct link *l, struct msg *m)
{
    struct errand *r = data;
    (void)l;
    log_warn("errand.word", "errand=%u session=%llu account=%s type=%u", r->number, (unsigned long long)r->session, r->account, m->type);
    end(r, "its session broke a rule");
}

static void on_status_gone(void *data, struct link *l)
{
    struct errand *r = data;
    link_free(l);
    r->status = NULL;
    end(r, "its session let go");
}

static const struct link_events status_events = { .msg = on_status, .gone = on_status_gone, .client = true, .queue = 4 };

/* ---- starting ---- */

/* The server's configuration, turned into the errand's.  The command is ours whatever the session says: what rsync is to do it is told on its
   stdin, by arguments that stand for a file system with nothing but this server's files and a public /usr in it. */
static struct conf_server conf_of(const struct conf_server *c)
{
    static char command[] = "/usr/bin/rsync --server -s", folder[] = "/home";
    struct conf_server t = *c;
    t.command = command;
    t.directory = folder;
    t.environment = (struct conf_list){ 0 };
    t.port = (struct conf_ports){ 0 };
    t.ready = (struct conf_how){ .kind = HOW_NONE };
    t.tty = CONF_NO;
    t.network = NETWORK_NONE;
    t.memory = c->memory < MEMORY_MOST ? c->memory : MEMORY_MOST;
    t.memory_high = 0;
    t.memory_reservation = 0;
    t.tmp = TMP;
    t.pids = c->pids < PIDS ? c->pids : PIDS;
    t.nofile = c->nofile < NOFILE ? c->nofile : NOFILE;
    return t;
}

/* PAIR[0] is read, PAIR[1] written. */
static int open_pipe(int pair[2], struct err *e)
{
    if (pipe2(pair, O_CLOEXEC) < 0)
        return err_set(e, errno, "pipe", "%s", "");
    fcntl(pair[0], F_SETPIPE_SZ, PIPE_BYTES);   /* the usual size does as well */
    return 0;
}

static int launch(struct errand *r, const int stdio[3], int filter, int status, struct err *e)
{
    struct super *s = r->super;
    struct conf_server c = conf_of(conf_server(&s->conf, r->server->name));
    CLOSE_FD int root = disk_open(r->server, e);
    if (root < 0)
        return -1;
    CLOSE_FD int group = cgroup_make_errand(r->server, r->number, &c, e);
    if (group < 0 && e->no != 0)
        return -1;
    struct msg m MSG_FREE;
    if (plan_write_errand(r->server, &c, (r->needs & RIGHT_FILES_WRITE) != 0, SECONDS, &m,
                          (int[]){ root, stdio[0], stdio[1], stdio[2], group, filter }, e) < 0)
        return -1;
    int link = spare_launch(s, &m, e);
    if (link < 0)
        return -1;
    r->shim = link_new(s->loop, link, &shim_events, r);
    r->status = link_new(s->loop, status, &status_events, r);
    return 0;
}

static int start(struct errand *r, int filter, struct ends *ends, struct err *e)
{
    int in[2], out[2], err[2], status[2];
    if (open_pipe(in, e) < 0)
        return -1;
    CLOSE_FD int in_read = in[0], in_write = in[1];
    if (open_pipe(out, e) < 0)
        return -1;
    CLOSE_FD int out_read = out[0], out_write = out[1];
    if (open_pipe(err, e) < 0)
        return -1;
    CLOSE_FD int err_read = err[0], err_write = err[1];
    if (io_pair(status) < 0)
        return err_set(e, errno, "socketpair", "%s", "");
    CLOSE_FD int ours = status[0], theirs = status[1];
    if (launch(r, (int[]){ in_read, out_write, err_write }, filter, ours, e) < 0)
        return -1;
    fd_steal(&ours);
    *ends = (struct ends){ fd_steal(&in_write), fd_steal(&out_read), fd_steal(&err_read), fd_steal(&theirs) };
    return 0;
}

static void answer(struct errand *r, struct ends *ends)
{
    CLOSE_FD int in = ends->in, out = ends->out, err = ends->err, status = ends->status;
    struct msg m;
    result_begin(&m, r->order, CODE_DONE, "");
    msg_put_fd(&m, in);
    msg_put_fd(&m, out);
    msg_put_fd(&m, err);
    msg_put_fd(&m, status);
    result_send(r->super, &m);
}

static const char *unfit(const struct errand *r);

/* ERROR: it is in the log. */
static void refuse(struct errand *r, const char *why, const char *error)
{
    result(r->super, r->order, why ? CODE_DENIED : CODE_UNAVAILABLE, "%s: %s", r->server->name, why ? why : error);
    forget(r);
}

static void filter_ready(void *data, int filter, const char *error)
{
    struct errand *r = data;
    struct super *s = r->super;
    const char *why = r->why[0] ? r->why : unfit(r);
    struct ends ends;
    struct err e;
    char line[400];
    if (error || why)
        refuse(r, why, "rsync cannot be started: see the log");
    else if (start(r, filter, &ends, &e) < 0) {
        log_error("errand.start", "server=%s error=\"%s\"", r->server->name, err_text(&e, line, sizeof line));
        result(s, r->order, CODE_UNAVAILABLE, "rsync cannot be started on %s: see the log", r->server->name);
        forget(r);
    } else {
        log_info("errand", "errand=%u session=%llu account=%s server=%s program=rsync writes=%d", r->number, (unsigned long long)r->session,
                 r->account, r->server->name, (r->needs & RIGHT_FILES_WRITE) != 0);
        answer(r, &ends);
    }
}

static void disk_ready(void *data, const char *error)
{
    struct errand *r = data;
    const char *why = r->why[0] ? r->why : unfit(r);
    if (error || why)
        refuse(r, why, "its files are not available");
    else
        policy_need(r->super, conf_server(&r->super->conf, r->server->name), PROFILE_TOOL, filter_ready, r);
}

/* ---- who may ---- */

/* Why there are no errands on this server at all, whoever asks. */
static const char *refusal(const struct super *s, const struct conf_server *c)
{
    /* rsync goes by the sandbox, where nothing is hidden. */
    if (c->deny.n)
        return "some of its files are hidden by the admin (deny), which rsync would not know";
    if (s->limits_missing[0] && s->conf.sandbox.limits == LIMITS_REQUIRED)
        return "limits cannot be enforced on this machine";
    return NULL;
}

/* Why R may not go on: asked again when the disk is there, and after each change of the configuration. */
static const char *unfit(const struct errand *r)
{
    const struct conf *conf = &r->super->conf;
    const struct conf_server *c = conf_server(conf, r->server->name);
    const struct conf_account *a = conf_account(conf, r->account);
    if (a == NULL || a->suspended == CONF_YES)
        return a ? "the account is suspended" : "the account was removed";
    if ((order_rights(conf, c, r->account) & r->needs) != r->needs)
        return "the right to do this was taken away";
    return refusal(r->super, c);
}

static const char *too_many(const struct super *s, const struct order *o)
{
    unsigned on_server = 0, of_account = 0;
    for (const struct errand *r = s->errands; r; r = r->next) {
        on_server += r->server == o->server;
        of_account += strcmp(r->account, o->account) == 0;
    }
    return on_server >= SERVER_MOST ? "on this server" : of_account >= ACCOUNT_MOST ? "of this account" : NULL;
}

void errand_rsync(struct super *s, struct order *o)
{
    static uint32_t numbers;
    uint32_t needs = o->number ? RIGHT_FILES_READ | RIGHT_FILES_WRITE | RIGHT_FILES_DELETE : RIGHT_FILES_READ;
    const char *why = refusal(s, o->conf), *many = too_many(s, o);
    if ((o->rights & needs) != needs)
        result(s, o->id, CODE_DENIED, "not permitted");
    else if (why)
        result(s, o->id, CODE_DISABLED, "%s: no rsync here: %s", o->server->name, why);
    else if (many)
        result(s, o->id, CODE_LATER, "%s: too many rsync run %s already, try later; allowed at once: %d a server, %d an account",
               o->server->name, many, SERVER_MOST, ACCOUNT_MOST);
    else {
        struct errand *r = mem_new(sizeof *r);
        *r = (struct errand){ .next = s->errands, .super = s, .server = o->server, .session = o->session->id, .order = o->id,
                              .number = ++numbers, .needs = needs };
        snprintf(r->account, sizeof r->account, "%s", o->account);
        s->errands = r;
        r->server->workers++;
        disk_need(r->server, disk_ready, r);
    }
}

static void change_limits(const struct errand *r)
{
    struct conf_server c = conf_of(conf_server(&r->super->conf, r->server->name));
    cgroup_limits_errand(r->server, r->number, &c);
}

void errands_apply(struct super *s)
{
    for (struct errand *r = s->errands; r; r = r->next) {
        const char *why = unfit(r);
        if (why)
            end(r, why);
        else if (r->shim)
            change_limits(r);
    }
}
