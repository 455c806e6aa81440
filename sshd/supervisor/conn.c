#include "sshd/supervisor/conn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/die.h"
#include "base/io.h"
#include "base/mem.h"
#include "sshd/proto.h"
#include "sshd/supervisor/child.h"
#include "sshd/supervisor/handles.h"
#include "sshd/supervisor/listen.h"
#include "sshd/supervisor/server.h"
#include "sshd/supervisor/source.h"
#include "sshd/supervisor/store.h"

enum { CODE_MS = 60000 };     /* beyond login_grace, for a code */

static struct super *super;   /* timers and child ends carry the session alone */

static int slot_free(const struct super *s)
{
    for (unsigned i = 0; i < s->conf.limits.connections; i++)
        if (s->slots[i] == NULL)
            return (int)i;
    return -1;
}

static unsigned address_text(const struct sockaddr_storage *from, char *text, size_t size)
{
    if (from->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)from;
        inet_ntop(AF_INET6, &in6->sin6_addr, text, (socklen_t)size);
        return ntohs(in6->sin6_port);
    }
    const struct sockaddr_in *in = (const struct sockaddr_in *)from;
    inet_ntop(AF_INET, &in->sin_addr, text, (socklen_t)size);
    return ntohs(in->sin_port);
}

static void waited(struct session *c)
{
    if (c->account[0])
        return;
    super->unauthenticated--;
    source_leave(c->source);
}

static void free_session(struct session *c)
{
    for (struct session **at = &super->sessions; *at; at = &(*at)->next)
        if (*at == c) {
            *at = c->next;
            break;
        }
    super->slots[c->slot] = NULL;
    source_release(c->source);
    timer_free(c->grace);
    timer_free(c->killing);
    if (c->link >= 0)
        close(c->link);
    free(c->login);
    free(c);
}

static bool crashed(int status)
{
    return (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL) || (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_BUG);
}

static void punish(struct session *c, int status)
{
    const struct conf_limits *limits = &super->conf.limits;
    if (crashed(status))
        source_punish(super, c->source, limits->penalty_crash, "session died");
    else if (c->account[0])
        return;
    else if (c->grace_over)
        source_punish(super, c->source, limits->penalty_grace, "login grace exceeded");
    else if (!c->tried)
        source_punish(super, c->source, limits->penalty_noauth, "left without a try");
}

static void on_end(void *data, pid_t pid, int status)
{
    struct session *c = data;
    punish(c, status);
    waited(c);
    log_info("session.end", "session=%llu account=%s from=%s pid=%d end=\"%s\"", (unsigned long long)c->id,
             c->account[0] ? c->account : "-", c->address, (int)pid, status_text(status));
    store_session_gone(super, c->id, crashed(status));
    server_waits_drop(super, c->id);
    free_session(c);
}

static void on_grace(void *data)
{
    struct session *c = data;
    c->grace = NULL;
    c->grace_over = true;
    log_info("session.grace", "session=%llu from=%s", (unsigned long long)c->id, c->address);
    kill(c->pid, SIGKILL);
}

static void on_killing(void *data)
{
    struct session *c = data;
    c->killing = NULL;
    kill(c->pid, SIGKILL);
}

void conn_kill(struct super *s, struct session *c, bool at_once)
{
    if (at_once)
        kill(c->pid, SIGKILL);
    else if (c->killing == NULL)
        c->killing = loop_timer(s->loop, 500, on_killing, c);
}

void conn_kill_all(struct super *s)
{
    for (struct session *c = s->sessions; c; c = c->next)
        kill(c->pid, SIGKILL);
}

/* A descriptor of its own on the same memfd: a shared one would share its offset as well. */
static int reopen(int fd)
{
    char path[40];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return open(path, O_RDONLY | O_CLOEXEC);
}

static int send_start(struct super *s, const struct session *c, int link, int client, const char *address, unsigned port,
                      struct err *e)
{
    const struct conf_limits *l = &s->conf.limits;
    CLOSE_FD int keys = reopen(s->hostkeys);
    if (keys < 0)
        return err_set(e, errno, "host keys", "reopen");
    struct msg m MSG_FREE;
    msg_begin(&m, START_SESSION, 0);
    msg_put_u64(&m, c->id);
    msg_put_str(&m, address);
    msg_put_u32(&m, port);
    msg_put_u32(&m, l->channels);
    msg_put_u32(&m, l->auth_tries);
    msg_put_u32(&m, l->password_tries);
    /* What it tells its client must be what a channel can have. */
    msg_put_u32(&m, handles_most(s));
    msg_put_u32(&m, (uint32_t)(l->keepalive / 1000));
    msg_put_u32(&m, l->keepalive_misses);
    msg_put_u32(&m, (uint32_t)s->conf.log.level);
    msg_put_fd(&m, client);
    msg_put_fd(&m, keys);
    return msg_send(link, &m) < 0 ? err_set(e, errno, "session", "start message") : 0;
}

static int start(struct super *s, struct session *c, int client, const char *address, unsigned port, struct err *e)
{
    int pair[2];
    if (io_pair(pair) < 0)
        return err_set(e, errno, "socketpair", "%s", "");
    CLOSE_FD int ours = pair[0], theirs = pair[1];
    /* The start message goes in first, then our end becomes the store's: from there on the session speaks with the store alone, and the
       store knows from us, not from the session, whom it speaks with. */
    if (send_start(s, c, ours, client, address, port, e) < 0)
        return -1;
    uid_t uid = s->conf.ids.sessions + c->slot;
    c->pid = child_start(s, ROLE_SESSION, uid, theirs, on_end, c, e);
    if (c->pid < 0)
        return -1;
    c->link = fd_steal(&ours);
    store_session_new(s, c);
    return 0;
}

void conn_new(struct super *s, int fd, const struct sockaddr_storage *from, struct source *src)
{
    super = s;
    CLOSE_FD int client = fd;
    int slot = slot_free(s);
    if (slot < 0) {
        log_warn("connection.refused", "source=%s why=max_connections", source_text(src));
        return;
    }
    struct session *c = mem_new(sizeof *c);
    *c = (struct session){ .next = s->sessions, .id = ++s->next_session, .slot = (unsigned)slot, .source = src,
                           .since = wall_ms(), .link = -1 };
    char address[48] = "";
    unsigned port = address_text(from, address, sizeof address);
    snprintf(c->address, sizeof c->address, "%s port %u", address, port);
    s->sessions = c;
    s->slots[slot] = c;
    s->unauthenticated++;
    source_enter(src);
    struct err e;
    if (start(s, c, client, address, port, &e) < 0) {
        char line[400];
        log_error("session.start", "error=\"%s\"", err_text(&e, line, sizeof line));
        waited(c);
        free_session(c);
        return;
    }
    c->grace = loop_timer(s->loop, s->conf.limits.login_grace, on_grace, c);
    log_info("session.new", "session=%llu from=%s pid=%d", (unsigned long long)c->id, address, (int)c->pid);
}

struct session *conn_find(struct super *s, uint64_t id)
{
    for (struct session *c = s->sessions; c; c = c->next)
        if (c->id == id)
            return c;
    return NULL;
}

void conn_hand_over(struct super *s)
{
    for (struct session *c = s->sessions; c; c = c->next)
        if (c->account[0])
            store_session_new(s, c);
        else
            kill(c->pid, SIGKILL);
}

void conn_partial(struct super *s, struct session *c)
{
    if (c->account[0] || c->partial)
        return;
    c->partial = c->tried = true;
    timer_free(c->grace);
    c->grace = loop_timer(s->loop, s->conf.limits.login_grace + CODE_MS, on_grace, c);
}

void conn_login_changed(struct session *c, const void *login, size_t size)
{
    free(c->login);
    c->login = mem_new(size);
    memcpy(c->login, login, size);
    c->nlogin = size;
}

const char *conn_logged_in(struct super *s, struct session *c, const char *account, const void *login, size_t size)
{
    const struct conf_account *a = conf_account(&s->conf, account);
    if (a == NULL || a->suspended == CONF_YES)
        return "this account may not log in";
    if (c->account[0])
        return "logged in already";
    unsigned n = 0;
    for (struct session *o = s->sessions; o; o = o->next)
        n += strcmp(o->account, account) == 0;
    c->tried = true;
    if (n >= a->max_connections)
        return "too many connections of this account";
    source_forgive(c->source);
    waited(c);
    snprintf(c->account, sizeof c->account, "%s", account);
    conn_login_changed(c, login, size);
    timer_free(c->grace);
    c->grace = NULL;
    return NULL;
}

void conn_auth_failed(struct super *s, struct session *c, enum auth_failure kind)
{
    const struct conf_limits *l = &s->conf.limits;
    const struct { const char *word; enum source_try try; uint32_t most; uint64_t penalty; } rows[AUTH_FAILURES] = {
        [AUTH_BAD_KEY] = { "failed key", TRY_KEY, l->auth_tries, l->penalty_auth },
        [AUTH_BAD_PASSWORD] = { "failed password", TRY_PASSWORD, l->password_tries, l->penalty_auth },
        [AUTH_UNKNOWN_ACCOUNT] = { "unknown account", TRY_KEY, l->auth_tries, l->penalty_auth },
        [AUTH_UNKNOWN_KEY] = { "unknown keys", TRY_KEY, l->auth_tries, 0 },
    };
    if (kind != AUTH_UNKNOWN_KEY)
        c->tried = true;
    source_punish(s, c->source, rows[kind].penalty, rows[kind].word);
    source_try(s, c->source, rows[kind].try, rows[kind].most);
}
