#include "sshd/supervisor/conn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/die.h"
#include "base/io.h"
#include "base/mem.h"
#include "sshd/proto.h"
#include "sshd/supervisor/child.h"
#include "sshd/supervisor/backup.h"
#include "sshd/supervisor/handles.h"
#include "sshd/supervisor/listen.h"
#include "sshd/supervisor/news.h"
#include "sshd/supervisor/prompt.h"
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
    if (c->account[0] || c->put_out)
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
    source_release(super, c->source);
    timer_free(c->grace);
    timer_free(c->killing);
    if (c->link >= 0)
        close(c->link);
    free(c->login);
    free(c->servers);
    free(c);
}

static bool crashed(int status)
{
    return (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL) || (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_BUG);
}

static void punish(struct session *c, int status)
{
    if (crashed(status))
        source_punish(super, c->source, PENALTY_CRASH);
    else if (c->account[0] || c->put_out)
        return;
    else if (c->grace_over)
        source_punish(super, c->source, PENALTY_GRACE);
    else if (!c->tried) {
        /* As OpenSSH words it: the ddos mode of filters reads it. */
        log_as(c->id);
        log_info("Connection", "closed by %s [preauth]", c->address);
        source_punish(super, c->source, PENALTY_NOAUTH);
    }
}

static void kill_now(const struct session *c)
{
    if (c->pid > 0)
        kill(c->pid, SIGKILL);
}

static void on_end(void *data, pid_t pid, int status)
{
    struct session *c = data;
    /* What the store has said of it may lie unread still, and was earned all the same. */
    c->pid = 0;
    store_listen(super);
    punish(c, status);
    waited(c);
    log_info("session.end", "session=%llu account=%s from=%s pid=%d end=\"%s\"", (unsigned long long)c->id,
             c->account[0] ? c->account : "-", c->address, (int)pid, status_text(status));
    store_session_gone(super, c->id, crashed(status));
    server_waits_drop(super, c->id, c->account[0] ? c->account : "-");
    prompts_end(c->id);
    free_session(c);
}

static void on_grace(void *data)
{
    struct session *c = data;
    c->grace = NULL;
    c->grace_over = true;
    log_info("session.grace", "session=%llu account=- from=%s", (unsigned long long)c->id, c->address);
    log_as(c->id);
    log_info("Timeout", "before authentication for %s", c->address);
    kill_now(c);
}

static void on_killing(void *data)
{
    struct session *c = data;
    c->killing = NULL;
    kill_now(c);
}

void conn_kill(struct super *s, struct session *c, bool at_once)
{
    if (at_once)
        kill_now(c);
    else if (c->killing == NULL)
        c->killing = loop_timer(s->loop, 500, on_killing, c);
}

void conn_end(struct super *s, struct session *c, const char *why)
{
    struct msg m MSG_FREE;
    log_info("session.kick", "session=%llu account=%s why=\"%s\"", (unsigned long long)c->id, c->account, why);
    /* In the store's name, whose end of the link we keep: one that has left no room for it is told by its end alone. */
    msg_begin(&m, STORE_CLOSE, 0);
    msg_put_str(&m, why);
    if (io_nonblock(c->link) < 0 || msg_send(c->link, &m) < 0)
        log_warn("session.kick", "session=%llu account=%s could not be told", (unsigned long long)c->id, c->account);
    conn_kill(s, c, false);
    backups_end(c->id, why);
}

unsigned conns_apply(struct super *s)
{
    unsigned n = 0;
    for (struct session *c = s->sessions; c; c = c->next) {
        const struct conf_account *a = conf_account(&s->conf, c->account);
        unsigned older = 0;
        /* The list is newest first. */
        for (const struct session *o = c->next; o; o = o->next)
            older += o->killing == NULL && strcmp(o->account, c->account) == 0;
        if (a == NULL || c->killing || older < a->max_connections)
            continue;
        conn_end(s, c, "too many connections of this account: it may have fewer now");
        n++;
    }
    return n;
}

void conn_kill_all(struct super *s)
{
    for (struct session *c = s->sessions; c; c = c->next)
        kill_now(c);
}

static bool may_put_out(const struct session *c, uint64_t now)
{
    enum { LOGIN_TIME = 1000 };
    return c->account[0] == '\0' && !c->put_out && now - c->began >= LOGIN_TIME;
}

bool conn_put_out(struct super *s)
{
    uint64_t now = now_ms();
    uint32_t n = 0, chosen = 0;
    unsigned crowd = 0;
    for (struct session *c = s->sessions; c; c = c->next)
        if (may_put_out(c, now) && source_pending(c->source) > crowd)
            crowd = source_pending(c->source);
    /* Of sources that have many, if there are such: whoever comes alone is not to suffer from them. */
    for (struct session *c = s->sessions; c; c = c->next)
        n += may_put_out(c, now) && source_pending(c->source) * 2 >= crowd;
    if (n == 0 || getrandom(&chosen, sizeof chosen, GRND_NONBLOCK) != sizeof chosen)
        return false;
    /* The list begins with the youngest: they may yet log in, on a machine that is slow because of all of them. */
    chosen = n - 1 - chosen % ((n + 3) / 4);
    for (struct session *c = s->sessions; c; c = c->next)
        if (may_put_out(c, now) && source_pending(c->source) * 2 >= crowd && chosen-- == 0) {
            /* Its end takes a while on a busy machine; its place is another's now. */
            waited(c);
            c->put_out = true;
            log_info("session.put_out", "session=%llu from=%s waiting=%u", (unsigned long long)c->id, c->address, s->unauthenticated);
            kill(c->pid, SIGKILL);
            break;
        }
    return true;
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

bool conn_new(struct super *s, int fd, const struct sockaddr_storage *from)
{
    super = s;
    int slot = slot_free(s);
    if (slot < 0)
        return false;
    CLOSE_FD int client = fd;
    struct session *c = mem_new(sizeof *c);
    *c = (struct session){ .next = s->sessions, .id = ++s->next_session, .slot = (unsigned)slot, .source = source_enter(s, from),
                           .since = wall_ms(), .began = now_ms(), .link = -1, .servers = mem_str("") };
    char address[48] = "";
    unsigned port = address_text(from, address, sizeof address);
    snprintf(c->address, sizeof c->address, "%s port %u", address, port);
    s->sessions = c;
    s->slots[slot] = c;
    s->unauthenticated++;
    struct err e;
    if (start(s, c, client, address, port, &e) < 0) {
        char line[400];
        log_error("session.start", "error=\"%s\"", err_text(&e, line, sizeof line));
        waited(c);
        free_session(c);
        return true;
    }
    c->grace = loop_timer(s->loop, s->conf.limits.login_grace, on_grace, c);
    log_info("session.new", "session=%llu account=- from=%s pid=%d", (unsigned long long)c->id, address, (int)c->pid);
    return true;
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
            kill_now(c);
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

const char *conn_logged_in(struct super *s, struct session *c, const char *account, const void *login, size_t size, uint32_t rights,
                           const char *servers)
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
    source_forgive(s, c->source);
    waited(c);
    snprintf(c->account, sizeof c->account, "%s", account);
    conn_login_changed(c, login, size);
    c->rights = rights;
    free(c->servers);
    c->servers = mem_str(servers);
    timer_free(c->grace);
    c->grace = NULL;
    s->counts.logins++;
    news_put(s, NEWS_LOGIN, "", account, "from %s", c->address);
    return NULL;
}

void conn_auth_failed(struct super *s, struct session *c, enum auth_failure kind)
{
    static const struct { enum source_try try; enum penalty penalty; bool tried; } rows[AUTH_FAILURES] = {
        [AUTH_BAD_KEY] = { TRY_KEY, PENALTY_AUTH, true },
        [AUTH_BAD_PASSWORD] = { TRY_PASSWORD, PENALTY_AUTH, true },
        [AUTH_UNKNOWN_ACCOUNT] = { TRY_KEY, PENALTY_USER, true },
        [AUTH_UNKNOWN_KEY] = { TRY_KEY, PENALTY_NONE, false },
    };
    /* Clients offer keys that are not of this place before they find the one that is: no failure. */
    s->counts.login_failures += kind != AUTH_UNKNOWN_KEY;
    c->tried = c->tried || kind == AUTH_REFUSED_KEY || rows[kind].tried;
    if (kind == AUTH_REFUSED_KEY)
        return;
    source_punish(s, c->source, rows[kind].penalty);
    source_try(s, c->source, rows[kind].try);
}
