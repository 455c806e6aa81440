#include "sshd/supervisor/order.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/die.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/rights.h"
#include "sshd/proto.h"
#include "sshd/supervisor/backup.h"
#include "sshd/supervisor/child.h"
#include "sshd/supervisor/disk.h"
#include "sshd/supervisor/errand.h"
#include "sshd/supervisor/launch.h"
#include "sshd/supervisor/prompt.h"
#include "sshd/supervisor/standing.h"
#include "sshd/supervisor/store.h"
#include "sshd/supervisor/worker.h"

enum { LAUNCH_WAIT = 20000, KILL_WAIT = 15000, WAIT_MOST = 3600000 };

uint32_t order_rights(const struct conf *conf, const struct conf_server *v, const char *account)
{
    const struct conf_account *a = conf_account(conf, account);
    if (v == NULL || a == NULL || a->suspended == CONF_YES)
        return 0;
    uint32_t rights = strcmp(v->owner, account) == 0 ? RIGHT_ALL : 0;
    for (size_t i = 0; i < v->allow.n; i++)
        if (strcmp(v->allow.v[i].account, account) == 0)
            rights |= v->allow.v[i].rights;
    return rights & a->rights;
}

uint32_t order_session_rights(const struct conf *conf, const struct session *s, const struct conf_server *v)
{
    if (v == NULL || (s->servers[0] && !name_listed(s->servers, v->name)))
        return 0;
    return order_rights(conf, v, s->account) & s->rights;
}

/* O->NUMBER of them are known to the asker; as many of the others as fit a message. */
static void do_status_all(struct super *s, struct order *o)
{
    enum { MOST = MSG_MOST - 1024 };
    struct msg rows, out;
    uint32_t n = 0;
    uint64_t skip = o->number;
    FREE_MEM char *names = mem_fmt(" %s ", o->text);
    msg_begin(&rows, 0, 0);
    for (struct server *v = s->servers; v; v = v->next) {
        FREE_MEM char *word = mem_fmt(" %s ", v->name);
        const struct conf_server *c = conf_server(&s->conf, v->name);
        if (c == NULL || strstr(names, word) == NULL || !(order_session_rights(&s->conf, o->session, c) & RIGHT_STATUS) || (skip > 0 && skip--))
            continue;
        size_t before = rows.body.len;
        server_put_status(v, &rows);
        if (rows.body.len > MOST || rows.body.bad) {
            rows.body.len = before;
            rows.body.bad = false;
            break;
        }
        n++;
    }
    result_begin(&out, o->id, CODE_DONE, "");
    msg_put_u32(&out, n);
    buf_put(&out.body, buf_head(&rows.body), buf_size(&rows.body));
    msg_free(&rows);
    result_send(s, &out);
}

static void do_status(struct super *s, struct order *o)
{
    if (o->server == NULL) {
        do_status_all(s, o);
        return;
    }
    struct msg m;
    result_begin(&m, o->id, CODE_DONE, "");
    msg_put_u32(&m, 1);
    server_put_status(o->server, &m);
    result_send(s, &m);
}

static const struct { enum event event; bool always_waits; uint64_t least; } powers[] = {
    [OP_START] = { EVENT_START, true, LAUNCH_WAIT },
    [OP_STOP] = { EVENT_STOP, false, 0 },
    [OP_RESTART] = { EVENT_RESTART, false, 0 },
    [OP_KILL] = { EVENT_KILL, true, KILL_WAIT },
};

static void do_power(struct super *s, struct order *o)
{
    struct server *v = o->server;
    const char *why = server_order(v, powers[o->op].event, o->account);
    log_info("order", "session=%llu account=%s server=%s op=%d refused=\"%s\"", (unsigned long long)o->session->id, o->account,
             v->name, (int)o->op, why ? why : "");
    if (why) {
        result(s, o->id, CODE_STATE, "%s %s", v->name, why);
        return;
    }
    bool full = o->number > 0;
    if (full || powers[o->op].always_waits) {
        uint64_t ms = full ? o->number : powers[o->op].least;
        server_wait_reply(v, o->session->id, o->id, powers[o->op].event, full, ms < WAIT_MOST ? ms : WAIT_MOST);
        return;
    }
    do_status(s, o);
}

static void do_console(struct super *s, struct order *o)
{
    struct err e;
    if (!server_alive(o->server)) {
        result(s, o->id, CODE_STATE, "%s is not running", o->server->name);
        return;
    }
    bool write = strcmp(o->text, "rw") == 0 && (o->rights & RIGHT_SEND);
    CLOSE_FD int fd = launch_viewer(o->server, o->account, write, o->number, &e);
    if (fd < 0) {
        char line[400];
        log_error("console", "server=%s error=\"%s\"", o->server->name, err_text(&e, line, sizeof line));
        result(s, o->id, CODE_LATER, "the console of %s cannot be reached now", o->server->name);
        return;
    }
    struct msg m;
    result_begin(&m, o->id, CODE_DONE, "");
    msg_put_fd(&m, fd);
    result_send(s, &m);
}

/* The folder is the shim's: a link to somebody else's file must not be read for it. */
static bool is_log(const struct super *s, int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == s->conf.ids.shim && st.st_nlink == 1;
}

static void do_logs(struct super *s, struct order *o)
{
    static const char *const files[] = { "console.log", "console.log.1", "console.log.2", "console.log.3" };
    int fds[countof(files)];
    uint32_t n = 0;
    for (size_t i = 0; i < countof(files); i++) {
        FREE_MEM char *path = mem_fmt("%s/logs/%s/%s", s->conf.paths.state, o->server->name, files[i]);
        CLOSE_FD int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd >= 0 && is_log(s, fd))
            fds[n++] = fd_steal(&fd);
    }
    struct msg m;
    result_begin(&m, o->id, CODE_DONE, "");
    msg_put_u32(&m, n);
    for (uint32_t i = 0; i < n; i++)
        msg_put_fd(&m, fds[i]);
    result_send(s, &m);
    for (uint32_t i = 0; i < n; i++)
        close(fds[i]);
}

/* What must wait for the disk keeps what it needs of its order: the session may go meanwhile. */
struct pending {
    struct super *super;
    struct server *server;
    uint64_t session;
    uint32_t id, rights;
};

static struct pending *pend(struct super *s, const struct order *o, uint32_t rights)
{
    struct pending *p = mem_new(sizeof *p);
    *p = (struct pending){ .super = s, .server = o->server, .session = o->session->id, .id = o->id, .rights = rights };
    return p;
}

static void quota_ready(void *data, const char *error)
{
    FREE_MEM struct pending *p = data;
    if (error) {
        result(p->super, p->id, CODE_UNAVAILABLE, "the disk of %s is not available", p->server->name);
        return;
    }
    uint64_t inodes, used = server_disk_used(p->server, &inodes);
    struct msg m;
    result_begin(&m, p->id, CODE_DONE, "");
    msg_put_u64(&m, used);
    msg_put_u64(&m, p->server->disk_limit);
    msg_put_u64(&m, inodes);
    msg_put_u64(&m, p->server->inodes_limit);
    msg_put_str(&m, disk_backend(p->server));
    result_send(p->super, &m);
}

static void do_quota(struct super *s, struct order *o)
{
    disk_need(o->server, quota_ready, pend(s, o, 0));
}

static void files_ready(void *data, const char *error)
{
    FREE_MEM struct pending *p = data;
    struct super *s = p->super;
    struct session *c = conn_find(s, p->session);
    if (error || c == NULL) {
        result(s, p->id, CODE_UNAVAILABLE, "the files of %s are not available", p->server->name);
        return;
    }
    struct err e;
    /* The disk may have taken its time, and rights may have gone. */
    uint32_t now = order_session_rights(&s->conf, c, conf_server(&s->conf, p->server->name));
    if (p->rights & ~now) {
        result(s, p->id, CODE_DENIED, "the right to do this was taken away");
        return;
    }
    CLOSE_FD int link = worker_start(s, c, p->server, p->rights, &e);
    if (link < 0) {
        char line[400];
        log_error("files", "server=%s error=\"%s\"", p->server->name, err_text(&e, line, sizeof line));
        result(s, p->id, e.no == EAGAIN ? CODE_LATER : CODE_UNAVAILABLE, "the files of %s are not available: %s", p->server->name,
               e.no == EAGAIN ? e.text : "see the log");
        return;
    }
    struct msg m;
    result_begin(&m, p->id, CODE_DONE, "");
    msg_put_fd(&m, link);
    result_send(s, &m);
}

static void do_files(struct super *s, struct order *o)
{
    /* What the store asked for, and never more than the configuration gives. */
    uint32_t rights = (uint32_t)o->number & o->rights & RIGHT_FILES;
    disk_need(o->server, files_ready, pend(s, o, rights));
}

static const struct row {
    uint32_t any_of;        /* the account needs one of these */
    bool all;               /* or all of them */
    bool no_server;         /* may name none */
    void (*run)(struct super *s, struct order *o);
} table[OP_COUNT] = {
    [OP_STATUS] = { RIGHT_STATUS, false, true, do_status },
    [OP_START] = { RIGHT_START, false, false, do_power },
    [OP_STOP] = { RIGHT_STOP, false, false, do_power },
    [OP_RESTART] = { RIGHT_START | RIGHT_STOP, true, false, do_power },
    [OP_KILL] = { RIGHT_KILL, false, false, do_power },
    [OP_FILES] = { RIGHT_FILES, false, false, do_files },
    [OP_CONSOLE] = { RIGHT_CONSOLE | RIGHT_SEND | RIGHT_LOGS, false, false, do_console },
    [OP_LOGS] = { RIGHT_LOGS, false, false, do_logs },
    [OP_QUOTA] = { RIGHT_STATUS, false, false, do_quota },
    [OP_RSYNC] = { RIGHT_FILES_READ, true, false, errand_rsync },
    [OP_SHELL] = { RIGHT_SHELL, true, false, errand_shell },
    [OP_LIMITS] = { 0, true, true, standing_tell },
    [OP_PROMPT] = { 0, true, true, prompt_order },
    [OP_BACKUP_CREATE] = { RIGHT_BACKUP_CREATE, false, false, backup_create },
    [OP_BACKUP_GET] = { RIGHT_BACKUP_READ, false, false, backup_get },
};

static bool allowed(const struct row *r, uint32_t rights)
{
    return r->all ? (rights & r->any_of) == r->any_of : (rights & r->any_of) != 0;
}

static void check_and_run(struct super *s, struct order *o, const char *server)
{
    const struct row *r = &table[o->op];
    if (server[0]) {
        o->server = server_find(s, server);
        o->conf = conf_server(&s->conf, server);
    }
    if (o->session == NULL || strcmp(o->session->account, o->account) != 0)
        result(s, o->id, CODE_DENIED, "the session has gone");
    else if (o->generation != o->session->generation) {
        /* What the store knew of the account when it judged is not what it told us last. */
        log_warn("order.stale", "session=%llu account=%s op=%d generation=%llu known=%llu", (unsigned long long)o->session->id, o->account,
                 (int)o->op, (unsigned long long)o->generation, (unsigned long long)o->session->generation);
        result(s, o->id, CODE_LATER, "the account was just changed, please try again");
    } else if (s->leaving)
        result(s, o->id, CODE_LATER, "the daemon is going down");
    else if (server[0] == '\0' && r->no_server)
        r->run(s, o);
    else if (o->server == NULL || o->conf == NULL)
        result(s, o->id, CODE_FAILED, "no such server");
    else if (o->rights = order_session_rights(&s->conf, o->session, o->conf), !allowed(r, o->rights)) {
        log_warn("order.refused", "session=%llu account=%s server=%s op=%d", (unsigned long long)o->session->id, o->account,
                 o->server->name, (int)o->op);
        result(s, o->id, CODE_DENIED, "not permitted");
    } else
        r->run(s, o);
}

void order_take(struct super *s, struct msg *m)
{
    struct order o = { .id = m->id, .session = conn_find(s, msg_get_u64(m)) };
    FREE_MEM char *account = msg_get_text(m, NAME_MOST);
    uint32_t op = msg_get_u32(m);
    FREE_MEM char *server = msg_get_text(m, NAME_MOST);
    o.number = msg_get_u64(m);
    FREE_MEM char *text = msg_get_str(m);
    o.generation = msg_get_u64(m);
    msg_end(m);
    if (op >= OP_COUNT || table[op].run == NULL)
        die("the store broke a rule: order %u", op);
    o.op = (enum op)op;
    o.account = account;
    o.text = text;
    check_and_run(s, &o, server);
}
