#include "sshd/supervisor/tool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/die.h"
#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "sshd/proto.h"
#include "sshd/supervisor/conn.h"
#include "sshd/supervisor/disk.h"
#include "sshd/supervisor/doctor.h"
#include "sshd/supervisor/filter.h"
#include "sshd/supervisor/leave.h"
#include "sshd/supervisor/metrics.h"
#include "sshd/supervisor/reload.h"
#include "sshd/supervisor/server.h"
#include "sshd/supervisor/store.h"
#include "sshd/supervisor/tool_client.h"
#include "sshd/supervisor/tool_ban.h"
#include "sshd/supervisor/tool_image.h"
#include "sshd/supervisor/tool_quota.h"
#include "sshd/supervisor/tool_server.h"
#include "sshd/supervisor/tool_store.h"

struct tool {
    int fd;
    char *path;
    struct watch *watch;
    struct client *clients;
};

static void drop(struct client *c)
{
    if (c->calls || !c->gone)
        return;
    for (struct client **at = &c->super->tool->clients; *at; at = &(*at)->next)
        if (*at == c) {
            *at = c->next;
            break;
        }
    for (unsigned i = 0; i < c->argc; i++)
        free(c->argv[i]);
    buf_wipe(&c->secret);
    if (c->fd >= 0)
        close(c->fd);
    free(c);
}

void client_hold(struct client *c)
{
    c->calls++;
}

void client_release(struct client *c)
{
    c->calls--;
    drop(c);
}

void client_put(struct client *c, const char *bytes, size_t size)
{
    while (size > 0 && !c->gone) {
        size_t part = size < 32768 ? size : 32768;
        struct msg m;
        msg_begin(&m, TOOL_OUTPUT, 0);
        msg_put_bytes(&m, bytes, part);
        link_send(c->link, &m);
        bytes += part;
        size -= part;
    }
}

void client_progress(struct client *c, const char *text)
{
    if (c->gone || link_waiting(c->link))
        return;
    struct msg m;
    msg_begin(&m, TOOL_PROGRESS, 0);
    msg_put_str(&m, text);
    link_send(c->link, &m);
}

void client_done(struct client *c, int code, const char *text)
{
    if (c->gone)
        return;
    struct msg m;
    msg_begin(&m, TOOL_DONE, 0);
    msg_put_u32(&m, (uint32_t)code);
    size_t n = strlen(text);
    msg_put_bytes(&m, text, n < 60000 ? n : 60000);
    link_send(c->link, &m);
}

/* ---- verbs ---- */

static void do_status(struct client *c)
{
    struct super *s = c->super;
    struct buf b = BUF(4 << 20);
    char since[24], why[WISH_REASON_MOST + 1], note[600];
    if (!c->json) {
        unsigned all = 0;
        for (const struct session *o = s->sessions; o; o = o->next)
            all++;
        buf_put_fmt(&b, "holdfastd %s, pid %d, %u session%s, %u of them not logged in\n", VERSION, (int)getpid(), all,
                    all == 1 ? "" : "s", s->unauthenticated);
        buf_put_fmt(&b, "limits: %s%s\n", s->limits_missing[0] ? "NOT ENFORCED: " : "enforced", s->limits_missing);
        filter_status(s, &b);
    }
    for (struct server *v = s->servers; v; v = v->next) {
        uint64_t inodes, used = server_disk_used(v, &inodes);
        if (conf_server(&s->conf, v->name) == NULL && !server_alive(v))
            continue;
        wall_text(v->since, since, sizeof since);
        if (c->json)
            buf_put_fmt(&b,
                        "{\"server\":\"%s\",\"state\":\"%s\",\"since\":\"%s\",\"pid\":%d,\"restarts\":%u,\"disk_used\":%llu,"
                        "\"limits\":\"%s\",\"quota\":\"%s\",\"quota_note\":\"%s\"}\n",
                        v->name, server_word(v), since, (int)v->pid, v->restarts, (unsigned long long)used,
                        s->limits_missing[0] ? "missing" : "enforced", disk_backend(v), disk_note(v, note, sizeof note));
        else
            buf_put_fmt(&b, "%-32s %-10s since %s  %s%s%s\n", v->name, server_word(v), since, server_reason(v, why, sizeof why),
                        why[0] && disk_note(v, note, sizeof note)[0] ? "; " : "", disk_note(v, note, sizeof note));
    }
    client_put(c, (const char *)buf_head(&b), buf_size(&b));
    buf_free(&b);
    client_done(c, 0, "");
}

static void do_sessions(struct client *c)
{
    struct buf b = BUF(4 << 20);
    char since[24];
    for (struct session *o = c->super->sessions; o; o = o->next) {
        wall_text(o->since, since, sizeof since);
        if (c->json)
            buf_put_fmt(&b, "{\"id\":%llu,\"account\":\"%s\",\"generation\":%llu,\"from\":\"%s\",\"since\":\"%s\",\"pid\":%d}\n",
                        (unsigned long long)o->id, o->account, (unsigned long long)o->generation, o->address, since, (int)o->pid);
        else
            buf_put_fmt(&b, "%-8llu %-32s %-28s since %s\n", (unsigned long long)o->id, o->account[0] ? o->account : "-",
                        o->address, since);
    }
    client_put(c, (const char *)buf_head(&b), buf_size(&b));
    buf_free(&b);
    client_done(c, 0, "");
}

static void do_kick(struct client *c)
{
    char *end, line[64];
    unsigned n = 0;
    uint64_t id = strtoull(c->argv[0], &end, 10);
    /* A number is a session's; an account may be named by one, too, and comes second. */
    const struct session *one = *end ? NULL : conn_find(c->super, id);
    for (struct session *o = c->super->sessions; o; o = o->next)
        if (one ? o == one : c->argv[0][0] && strcmp(o->account, c->argv[0]) == 0) {
            conn_end(c->super, o, "an admin ended this connection");
            n++;
        }
    snprintf(line, sizeof line, "%u session%s closed\n", n, n == 1 ? "" : "s");
    if (n)
        client_put(c, line, strlen(line));
    client_done(c, n ? 0 : CODE_FAILED, n ? "" : "no such session, and no account of that name is logged in; see 'holdfast sessions'");
}

static void reloaded(void *data, bool ok, const char *text)
{
    struct client *c = data;
    if (ok) {
        FREE_MEM char *line = mem_fmt("%s\n", text);
        client_put(c, line, strlen(line));
    }
    client_done(c, ok ? 0 : CODE_FAILED, ok ? "" : text);
    client_release(c);
}

static void do_reload(struct client *c)
{
    client_hold(c);
    reload(c->super, reloaded, c);
}

static void account_told(void *data, const char *error)
{
    struct client *c = data;
    client_done(c, error[0] ? CODE_FAILED : 0, error);
    client_release(c);
}

static void account_totp_reset(struct client *c, const struct conf_account *a)
{
    if (a->second_factor == SECOND_FACTOR_TOTP) {
        static const char note[] = "note: the account must set up another one before it can do anything; its next login with a key may\n";
        client_put(c, note, sizeof note - 1);
    }
    client_hold(c);
    store_totp_reset(c->super, a->name, account_told, c);
}

static void account_passwd(struct client *c, const struct conf_account *a)
{
    if (buf_size(&c->secret) == 0) {
        client_done(c, CODE_USAGE, "an empty password is not allowed");
        return;
    }
    if (a->password != CONF_YES) {
        static const char note[] = "note: the account has 'password = no'; the password cannot be used until that changes\n";
        client_put(c, note, sizeof note - 1);
    }
    client_hold(c);
    store_passwd(c->super, a->name, buf_head(&c->secret), buf_size(&c->secret), account_told, c);
}

static const struct { const char *word; void (*run)(struct client *c, const struct conf_account *a); } account_words[] = {
    { "passwd", account_passwd },
    { "totp-reset", account_totp_reset },
};

static void do_account(struct client *c)
{
    const struct conf_account *a = conf_account(&c->super->conf, c->argv[1]);
    for (size_t i = 0; i < countof(account_words); i++) {
        if (strcmp(account_words[i].word, c->argv[0]) != 0)
            continue;
        if (a)
            account_words[i].run(c, a);
        else
            client_done(c, CODE_FAILED, "no such account");
        return;
    }
    client_done(c, CODE_USAGE, "usage: account passwd|totp-reset NAME");
}

static void do_doctor(struct client *c)
{
    struct buf b = BUF(65536);
    unsigned bad = doctor(&c->super->conf, c->super->folder, true, &b);
    client_put(c, (const char *)buf_head(&b), buf_size(&b));
    buf_free(&b);
    client_done(c, bad ? CODE_FAILED : 0, "");
}

static void left(void *data, const char *error)
{
    struct client *c = data;
    client_done(c, error[0] ? CODE_FAILED : 0, error);
    client_release(c);
}

static void do_shutdown(struct client *c)
{
    client_hold(c);
    leave(c->super, left, c);
}

static void do_version(struct client *c)
{
    static const char text[] = "holdfastd " VERSION "\n";
    client_put(c, text, sizeof text - 1);
    client_done(c, 0, "");
}

static void do_metrics(struct client *c)
{
    struct buf b = BUF(64 << 20);
    metrics_put(c->super, &b);
    client_put(c, (const char *)buf_head(&b), buf_size(&b));
    buf_free(&b);
    client_done(c, 0, "");
}

static const struct { const char *name; unsigned least, most; void (*run)(struct client *c); } verbs[] = {
    { "status", 0, 0, do_status },   { "sessions", 0, 0, do_sessions }, { "kick", 1, 1, do_kick },
    { "reload", 0, 0, do_reload },   { "account", 2, 2, do_account },   { "doctor", 0, 0, do_doctor },
    { "shutdown", 0, 0, do_shutdown }, { "version", 0, 0, do_version },   { "server", 2, 3, tool_server },
    { "image", 1, 3, tool_image },   { "key", 1, 2, tool_key },         { "store", 1, 1, tool_store },
    { "ban", 1, 3, tool_ban },           { "metrics", 0, 0, do_metrics },    { "quota", 1, 4, tool_quota },
};

static bool parse(struct client *c, struct msg *m, char **verb)
{
    *verb = msg_get_text(m, 64);
    c->json = msg_get_u32(m) != 0;
    uint32_t n = msg_get_u32(m);
    for (uint32_t i = 0; i < n && !m->bad; i++) {
        char *arg = msg_get_text(m, 1024);
        if (c->argc < ARGS_MOST)
            c->argv[c->argc++] = arg;
        else
            free(arg);
    }
    size_t size;
    const uint8_t *secret = msg_get_bytes(m, &size);
    if (secret && size <= 1024)
        buf_put(&c->secret, secret, size);
    if (msg_has_fd(m))
        c->fd = msg_get_fd(m);
    bool good = msg_end(m);
    msg_wipe(m);
    return good && m->type == TOOL_REQUEST;
}

static void on_msg(void *data, struct link *l, struct msg *m)
{
    struct client *c = data;
    (void)l;
    FREE_MEM char *verb = NULL;
    if (c->argc || !parse(c, m, &verb)) {
        client_done(c, CODE_USAGE, "bad request");
        return;
    }
    for (size_t i = 0; i < countof(verbs); i++)
        if (strcmp(verbs[i].name, verb) == 0) {
            if (c->argc < verbs[i].least || c->argc > verbs[i].most)
                client_done(c, CODE_USAGE, "wrong number of arguments");
            else
                verbs[i].run(c);
            return;
        }
    client_done(c, 127, "unknown verb");
}

static void on_gone(void *data, struct link *l)
{
    struct client *c = data;
    c->gone = true;
    link_free(l);
    client_hold(c);
    void (*tell)(void *data) = c->left;
    c->left = NULL;
    if (tell)
        tell(c->left_data);
    client_release(c);
}

static const struct link_events events = { .msg = on_msg, .gone = on_gone, .client = true };

static void on_connect(void *data, int fd, unsigned ev)
{
    (void)ev;
    struct super *s = data;
    struct ucred peer;
    socklen_t size = sizeof peer;
    CLOSE_FD int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    /* The mode of the socket says it already; who changed that mode must not have opened us to everybody. */
    if (client < 0 || getsockopt(client, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 || peer.uid != 0)
        return;
    struct client *c = mem_new(sizeof *c);
    *c = (struct client){ .next = s->tool->clients, .super = s, .secret = BUF(1024), .fd = -1 };
    s->tool->clients = c;
    c->link = link_new(s->loop, fd_steal(&client), &events, c);
}

int tool_open(struct super *s, struct err *e)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    if (snprintf(a.sun_path, sizeof a.sun_path, "%s/holdfast.sock", s->conf.paths.run) >= (int)sizeof a.sun_path)
        return err_set(e, ENAMETOOLONG, "paths.run", "%s", s->conf.paths.run);
    unlink(a.sun_path);
    CLOSE_FD int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) < 0 || chmod(a.sun_path, 0600) < 0 || listen(fd, 16) < 0)
        return err_set(e, errno, "socket", "%s", a.sun_path);
    s->tool = mem_new(sizeof *s->tool);
    s->tool->path = mem_str(a.sun_path);
    s->tool->fd = fd_steal(&fd);
    s->tool->watch = loop_watch(s->loop, s->tool->fd, LOOP_READ, on_connect, s);
    return 0;
}

void tool_close(struct super *s)
{
    if (s->tool)
        unlink(s->tool->path);
}
