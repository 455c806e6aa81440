/* The SFTP server of the session on stdin and stdout, with real files workers, as a program for `sftp -D`: channel.h and session.h over a poll
   loop.  No login, no encryption; everything else is the real thing.

     sftp_stdio -w WORKER [-H HOME] [-r RIGHTS] [-l LIMIT] [-u UID] [-n HANDLES] [-c CHUNK] [-L] NAME=DIRECTORY...

   -L is a client that names a link before its target.  SIGUSR1 takes all rights on every server away. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "quota/kind.h"
#include "base/buf.h"
#include "base/die.h"
#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "quota/gate.h"
#include "sshd/proto.h"
#include "sshd/session/activity.h"
#include "sshd/session/channel.h"
#include "sshd/session/session.h"

enum { WATCHES = 32, QUESTIONS = 16, SERVERS = 8, TURNS = 16 };

struct session_watch {
    int fd;
    short events;
    session_watch_fn *fn;
    void *data;
};

struct question {
    do_fn *fn;
    void *data;
    int link;   /* what OP_FILES got; -1: nothing */
};

struct session_turn {
    session_turn_fn *fn;
    void *data;
};

struct rights_listener {
    rights_fn *fn;
    void *data;
};

struct channel {
    const struct channel_ops *ops;
    void *data;
    struct buf in, out;
    bool held, eof, ended, low;
    int code;
};

struct session {
    struct server_right servers[SERVERS];
    const char *folder[SERVERS];
    int gate[SERVERS];
    size_t nservers;
    const char *worker, *home;
    unsigned handles, uid;
    bool link_first;
    struct session_watch *watches[WATCHES];
    struct rights_listener listener;
    struct session_turn turns[TURNS];
    struct question questions[QUESTIONS];
    struct channel channel;
    size_t chunk;
};

static struct session me;
static volatile sig_atomic_t lost;

const char *session_account(const struct session *s UNUSED) { return "alice"; }
const char *session_home(const struct session *s) { return s->home; }
bool session_link_first(const struct session *s) { return s->link_first; }
unsigned session_handle_limit(const struct session *s) { return s->handles; }
uint64_t session_id(const struct session *s UNUSED) { return 1; }
void activity_note(struct session *s UNUSED, enum activity_action action UNUSED, const char *server UNUSED, const char *path UNUSED,
                   const char *other UNUSED, uint64_t number UNUSED, uint32_t flags UNUSED) {}

const struct server_right *session_servers(const struct session *s, size_t *n)
{
    *n = s->nservers;
    return s->servers;
}

const struct server_right *session_server(const struct session *s, const char *name)
{
    for (size_t i = 0; i < s->nservers; i++)
        if (strcmp(s->servers[i].name, name) == 0 && s->servers[i].rights)
            return &s->servers[i];
    return NULL;
}

static void start_message(const struct session *s, size_t i, int link)
{
    CLOSE_FD int dir = open(s->folder[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct gate *g = gate_map(s->gate[i]);
    MSG_FREE struct msg m;
    msg_begin(&m, START_FILES, 0);
    msg_put_str(&m, s->servers[i].name);
    msg_put_u32(&m, s->servers[i].rights);
    msg_put_u32(&m, (uint32_t)gate_slot_take(g));
    msg_put_u32(&m, s->handles);
    msg_put_u64(&m, 1);
    msg_put_u32(&m, LOG_WARN);
    /* Handles of the account and of the machine, in a page of the worker's own; nothing denied. */
    CLOSE_FD int handles = gate_create();
    struct gate *account = gate_map(handles);
    gate_set_limit(account, s->handles);
    for (int k = 0; k < 4; k++)
        msg_put_u32(&m, k == 0 ? (uint32_t)gate_slot_take(account) : k < 3 ? s->handles : 0);
    gate_unmap(account);
    msg_put_str(&m, "alice");
    msg_put_u32(&m, DISK_COUNT_STATFS);
    msg_put_fd(&m, dir);
    msg_put_fd(&m, s->gate[i]);
    msg_put_fd(&m, handles);
    if (dir < 0 || msg_send(link, &m) < 0)
        die_errno("start");
    gate_unmap(g);
}

static void become_worker(const struct session *s, int link)
{
    if (s->uid && (setgroups(0, NULL) < 0 || setgid(s->uid) < 0 || setuid(s->uid) < 0))
        die_errno("setuid");
    int moved = fcntl(link, F_DUPFD, 10);
    int null = open("/dev/null", O_RDWR);
    dup2(null, 0);
    dup2(null, 1);
    dup2(moved, LINK_FD);
    io_close_from(LINK_FD + 1);
    execl(s->worker, "holdfast-files", (char *)NULL);
    die_errno("exec %s", s->worker);
}

/* The link of a new worker for SERVER, or -1. */
static int worker_link(struct session *s, const char *server)
{
    int pair[2];
    size_t i = 0;
    while (i < s->nservers && strcmp(s->servers[i].name, server) != 0)
        i++;
    if (i == s->nservers)
        return -1;
    if (io_pair(pair) < 0)
        die_errno("socketpair");
    pid_t pid = fork();
    if (pid == 0)
        become_worker(s, pair[1]);
    close(pair[1]);
    start_message(s, i, pair[0]);
    return pair[0];
}

/* There is no store here, but workers are to be had; said from the loop, as the real one does. */
uint32_t session_do_later(struct session *s, enum op op, const char *server, uint64_t number UNUSED, const char *arg UNUSED, do_fn *fn, void *data)
{
    size_t i = 0;
    while (i < QUESTIONS && s->questions[i].fn)
        i++;
    if (i == QUESTIONS)
        die("too many questions");
    s->questions[i] = (struct question){ fn, data, op == OP_FILES ? worker_link(s, server) : -1 };
    return (uint32_t)i + 1;
}

void session_do_cancel(struct session *s, uint32_t id)
{
    struct question *q = &s->questions[id - 1];
    if (q->link >= 0)
        close(q->link);
    q->fn = NULL;
}

static void answer(const struct question *q)
{
    MSG_FREE struct msg m;
    msg_begin(&m, STORE_DO_RESULT, 0);
    if (q->link >= 0) {
        m.fds[0] = q->link;
        m.nfds = 1;
        m.received = true;
    }
    q->fn(q->data, q->link >= 0 ? 0 : 69, "there is no store", &m);
}

static bool answer_all(struct session *s)
{
    bool any = false;
    for (size_t i = 0; i < QUESTIONS; i++) {
        struct question q = s->questions[i];
        s->questions[i].fn = NULL;
        any |= q.fn != NULL;
        if (q.fn)
            answer(&q);
    }
    return any;
}

struct session_watch *session_watch_new(struct session *s, int fd, short events, session_watch_fn *fn, void *data)
{
    struct session_watch *w = mem_new(sizeof *w);
    *w = (struct session_watch){ fd, events, fn, data };
    for (size_t i = 0; i < WATCHES; i++)
        if (s->watches[i] == NULL)
            return s->watches[i] = w;
    die("too many watches");
}

void session_watch_events(struct session_watch *w, short events) { w->events = events; }

void session_watch_free(struct session_watch *w)
{
    for (size_t i = 0; i < WATCHES; i++)
        if (me.watches[i] == w)
            me.watches[i] = NULL;
    free(w);
}

struct session_turn *session_turn_new(struct session *s, session_turn_fn *fn, void *data)
{
    for (size_t i = 0; i < TURNS; i++)
        if (s->turns[i].fn == NULL) {
            s->turns[i] = (struct session_turn){ fn, data };
            return &s->turns[i];
        }
    bug("more than %d turns at once", TURNS);
}

/* There is no clock here: in the next round as well. */
struct session_turn *session_turn_later(struct session *s, uint64_t ms UNUSED, session_turn_fn *fn, void *data)
{
    return session_turn_new(s, fn, data);
}

void session_turn_free(struct session_turn *t)
{
    if (t)
        t->fn = NULL;
}

/* On whatever processor. */
uint8_t session_hold(struct session *s UNUSED)
{
    return 0;
}

void session_let_go(struct session *s UNUSED)
{
}

static bool turns_wait(const struct session *s)
{
    for (size_t i = 0; i < TURNS; i++)
        if (s->turns[i].fn)
            return true;
    return false;
}

static void take_turns(struct session *s)
{
    for (size_t i = 0; i < TURNS; i++) {
        struct session_turn t = s->turns[i];
        s->turns[i].fn = NULL;
        if (t.fn)
            t.fn(t.data);
    }
}

struct rights_listener *session_on_rights(struct session *s, rights_fn *fn, void *data)
{
    s->listener = (struct rights_listener){ fn, data };
    return &s->listener;
}

void rights_listener_free(struct rights_listener *l) { l->fn = NULL; }

void session_log(struct session *s UNUSED, const char *event, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    log_warn(event, "%s", text);
}

void channel_run(struct channel *c, const struct channel_ops *ops, void *data)
{
    c->ops = ops;
    c->data = data;
}

size_t channel_room(const struct channel *c)
{
    size_t queued = buf_size(&c->out);
    return queued < CHANNEL_QUEUE ? CHANNEL_QUEUE - queued : 0;
}

static void noted(struct channel *c)
{
    if (channel_room(c) < CHANNEL_LOW)
        c->low = true;
}

void channel_write(struct channel *c, const void *bytes, size_t size)
{
    buf_put(&c->out, bytes, size);
    invariant(!c->out.bad && !c->ended);
    noted(c);
}

uint8_t *channel_reserve(struct channel *c, size_t size)
{
    uint8_t *p = buf_room(&c->out, size);
    invariant(p && !c->ended);
    return p;
}

void channel_wrote(struct channel *c, size_t size)
{
    buf_added(&c->out, size);
    noted(c);
}

void channel_error(struct channel *c UNUSED, const void *bytes, size_t size) { io_write_all(2, bytes, size); }
void channel_cut(struct channel *c) { buf_reset(&c->out); }
void channel_exit(struct channel *c, int code) { c->ended = true; c->code = code; }
struct session *channel_session(const struct channel *c UNUSED) { return &me; }

/* As libssh does: what is there is offered, what is not used stays and is not offered again by itself. */
static void offer(struct channel *c)
{
    c->held = false;
    while (!c->ended && buf_size(&c->in)) {
        size_t used = c->ops->data(c->data, c, buf_head(&c->in), buf_size(&c->in));
        invariant(used <= buf_size(&c->in));
        buf_drop(&c->in, used);
        if (used == 0) {
            c->held = true;
            return;
        }
    }
}

void channel_resume(struct channel *c)
{
    offer(c);
}

static void read_in(struct channel *c)
{
    uint8_t *p = buf_room(&c->in, me.chunk);
    ssize_t n = read(0, p, me.chunk);
    if (n > 0)
        buf_added(&c->in, (size_t)n);
    else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        c->eof = true;
        if (!c->ended)
            c->ops->eof(c->data, c);
        return;
    }
    offer(c);
}

static void write_out(struct channel *c)
{
    ssize_t n = write(1, buf_head(&c->out), buf_size(&c->out));
    if (n < 0 && errno != EAGAIN && errno != EINTR)
        exit(3);
    if (n > 0)
        buf_drop(&c->out, (size_t)n);
    if (c->low && channel_room(c) >= CHANNEL_LOW) {
        c->low = false;
        if (!c->ended)
            c->ops->writable(c->data, c);
    }
}

static void on_lost(int sig UNUSED) { lost = 1; }

static void lose_rights(struct session *s)
{
    lost = 0;
    for (size_t i = 0; i < s->nservers; i++) {
        s->servers[i].rights = 0;
        if (s->listener.fn)
            s->listener.fn(s->listener.data, s->servers[i].name, 0, RIGHT_ALL);
    }
}

static void round_of(struct session *s)
{
    struct channel *c = &s->channel;
    struct pollfd p[WATCHES + 2];
    struct session_watch *w[WATCHES];
    nfds_t n = 2;
    p[0] = (struct pollfd){ .fd = c->held || c->eof ? -1 : 0, .events = POLLIN };
    p[1] = (struct pollfd){ .fd = buf_size(&c->out) ? 1 : -1, .events = POLLOUT };
    for (size_t i = 0; i < WATCHES; i++)
        if (s->watches[i]) {
            w[n - 2] = s->watches[i];
            p[n++] = (struct pollfd){ .fd = s->watches[i]->fd, .events = s->watches[i]->events };
        }
    int r = poll(p, n, turns_wait(s) || answer_all(s) ? 0 : -1);
    if (lost)
        lose_rights(s);
    take_turns(s);
    if (r <= 0)
        return;
    for (nfds_t i = 2; i < n; i++)
        for (size_t k = 0; k < WATCHES && p[i].revents; k++)
            if (s->watches[k] == w[i - 2] && w[i - 2]->fd == p[i].fd) {
                w[i - 2]->fn(w[i - 2]->data, p[i].fd, p[i].revents);
                break;
            }
    if (p[1].revents)
        write_out(c);
    if (p[0].revents && !c->ended)
        read_in(c);
}

static void add_server(struct session *s, char *word, uint64_t limit)
{
    char *eq = strchr(word, '=');
    if (eq == NULL || s->nservers == SERVERS)
        die("usage: NAME=DIRECTORY, at most %d", SERVERS);
    *eq = '\0';
    size_t i = s->nservers++;
    s->servers[i] = (struct server_right){ .name = word, .owner = word, .rights = RIGHT_ALL };
    s->folder[i] = eq + 1;
    s->gate[i] = gate_create();
    struct gate *g = gate_map(s->gate[i]);
    gate_set_limit(g, limit);
    gate_unmap(g);
}

int main(int argc, char **argv)
{
    uint64_t limit = UINT64_C(1) << 50, uid = 0;
    uint32_t rights = 0;
    me = (struct session){ .handles = 32, .chunk = 32 * 1024 };
    me.channel.in = (struct buf)BUF(64 * 1024 * 1024);
    me.channel.out = (struct buf)BUF(64 * 1024 * 1024);
    log_init("sftp-stdio", LOG_WARN);
    for (int o; (o = getopt(argc, argv, "w:H:r:l:u:n:c:L")) != -1;)
        switch (o) {
        case 'w': me.worker = optarg; break;
        case 'H': me.home = optarg; break;
        case 'r': rights |= rights_of_word(optarg); break;
        case 'l': limit = strtoull(optarg, NULL, 10); break;
        case 'u': uid = strtoull(optarg, NULL, 10); break;
        case 'n': me.handles = (unsigned)strtoul(optarg, NULL, 10); break;
        case 'c': me.chunk = strtoul(optarg, NULL, 10); break;
        case 'L': me.link_first = true; break;
        default: return 2;
        }
    me.uid = (unsigned)uid;
    for (int i = optind; i < argc; i++)
        add_server(&me, argv[i], limit);
    for (size_t i = 0; rights && i < me.nservers; i++)
        me.servers[i].rights = rights;
    if (me.worker == NULL || me.nservers == 0)
        die("usage: sftp_stdio -w WORKER NAME=DIRECTORY...");
    struct sigaction act = { .sa_handler = on_lost };
    sigaction(SIGUSR1, &act, NULL);
    io_nonblock(0);
    io_nonblock(1);
    sftp_start(&me.channel);
    while (!me.channel.ended || buf_size(&me.channel.out))
        round_of(&me);
    me.channel.ops->closed(me.channel.data, &me.channel);
    buf_free(&me.channel.in);
    buf_free(&me.channel.out);
    return me.channel.code;
}
