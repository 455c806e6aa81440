#include "sshd/supervisor/prompt.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "sshd/proto.h"
#include "sshd/supervisor/child.h"
#include "sshd/supervisor/conn.h"
#include "sshd/supervisor/order.h"
#include "sshd/supervisor/store.h"

enum { SESSION_MOST = 10, ACCOUNT_MOST = 64, SIDE_MOST = 1000 };

struct prompt {
    struct prompt *next;
    uint64_t session;
    char account[NAME_MOST + 1];
    pid_t pid;
    bool ended;             /* by us */
};

static struct prompt *prompts;

static void on_end(void *data, pid_t pid UNUSED, int status)
{
    struct prompt *p = data;
    if (status != 0 && !p->ended)
        log_warn("prompt.died", "session=%llu account=%s end=\"%s\"", (unsigned long long)p->session, p->account, status_text(status));
    for (struct prompt **at = &prompts; *at; at = &(*at)->next)
        if (*at == p) {
            *at = p->next;
            break;
        }
    free(p);
}

void prompts_end(uint64_t session)
{
    for (struct prompt *p = prompts; p; p = p->next)
        if (p->session == session && !p->ended) {
            p->ended = true;
            kill(p->pid, SIGKILL);
        }
}

/* A terminal that nobody but its two ends can open: the name that it has in /dev/pts is root's. */
static int open_terminal(int *slave, struct err *e)
{
    int unlocked = 0;
    CLOSE_FD int master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (master < 0 || ioctl(master, TIOCSPTLCK, &unlocked) < 0)
        return err_set(e, errno, "/dev/ptmx", "%s", "");
    CLOSE_FD int other = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (other < 0 || fchmod(other, 0600) < 0)
        return err_set(e, errno, "/dev/pts", "%s", "");
    *slave = fd_steal(&other);
    return fd_steal(&master);
}

/* What the session says of the terminal is a client's. */
static bool term_ok(const char *term)
{
    size_t n = strlen(term);
    return n <= TERM_MOST && strspn(term, TERM_BYTES) == n;
}

static uint32_t side(uint64_t n) { return n >= 1 && n <= SIDE_MOST ? (uint32_t)n : 80; }

static int send_start(struct super *s, const struct order *o, int link, int slave)
{
    struct msg m MSG_FREE;
    msg_begin(&m, START_PROMPT, 0);
    msg_put_u64(&m, o->session->id);
    msg_put_u32(&m, (uint32_t)s->conf.log.level);
    msg_put_str(&m, o->account);
    msg_put_str(&m, o->text);
    msg_put_u32(&m, side(o->number >> 16 & 0xffff));
    msg_put_u32(&m, side(o->number & 0xffff));
    msg_put_fd(&m, slave);
    return msg_send(link, &m);
}

/* *MASTER and the link are the caller's. */
static int start(struct super *s, const struct order *o, int *master, struct err *e)
{
    int pair[2];
    CLOSE_FD int slave = -1;
    CLOSE_FD int terminal = open_terminal(&slave, e);
    if (terminal < 0)
        return -1;
    if (io_pair(pair) < 0)
        return err_set(e, errno, "socketpair", "%s", "");
    CLOSE_FD int ours = pair[0], theirs = pair[1];
    if (send_start(s, o, ours, slave) < 0)
        return err_set(e, errno, "prompt", "start message");
    struct prompt *p = mem_new(sizeof *p);
    *p = (struct prompt){ .next = prompts, .session = o->session->id };
    memcpy(p->account, o->session->account, sizeof p->account);
    p->pid = child_start(s, ROLE_PROMPT, s->conf.ids.sessions + o->session->slot, theirs, on_end, p, e);
    if (p->pid < 0) {
        free(p);
        return -1;
    }
    prompts = p;
    *master = fd_steal(&terminal);
    return fd_steal(&ours);
}

static bool room(const struct order *o)
{
    unsigned session = 0, account = 0;
    for (const struct prompt *p = prompts; p; p = p->next) {
        session += p->session == o->session->id;
        account += strcmp(p->account, o->account) == 0;
    }
    return session < SESSION_MOST && account < ACCOUNT_MOST;
}

void prompt_order(struct super *s, struct order *o)
{
    struct err e;
    char line[400];
    CLOSE_FD int master = -1;
    if (!term_ok(o->text)) {
        result(s, o->id, CODE_USAGE, "this kind of terminal has no name that is allowed");
        return;
    }
    if (!room(o)) {
        result(s, o->id, CODE_LATER, "too many prompts at once; allowed: %d on a connection, %d of an account", SESSION_MOST, ACCOUNT_MOST);
        return;
    }
    CLOSE_FD int link = start(s, o, &master, &e);
    if (link < 0) {
        log_error("prompt", "session=%llu account=%s error=\"%s\"", (unsigned long long)o->session->id, o->account, err_text(&e, line, sizeof line));
        result(s, o->id, CODE_UNAVAILABLE, "the line editor cannot be started: see the log");
        return;
    }
    struct msg m;
    result_begin(&m, o->id, CODE_DONE, "");
    msg_put_fd(&m, link);
    msg_put_fd(&m, master);
    result_send(s, &m);
}
