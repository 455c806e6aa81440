#include "sandbox/shim/shell.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "sandbox/proto.h"
#include "sandbox/shim/server.h"
#include "sandbox/shim/shim.h"

struct shell {
    struct shell *next;
    struct link *link;
    uint32_t id;
    int kill;        /* cgroup.kill of its group */
    bool went, ended;
};

static struct shell *shells;
static unsigned nshells;

struct shell *shell_new(struct link *l, struct msg *m)
{
    static uint32_t last_id;
    CLOSE_FD int kill = msg_get_fd(m);
    if (m->bad || nshells >= SHIM_SHELLS_MOST)
        return NULL;
    struct msg out;
    int fds[MSG_FDS];
    unsigned n = 0;
    msg_begin(&out, INIT_SHELL, ++last_id);
    buf_put(&out.body, buf_head(&m->body), buf_size(&m->body));
    m->body.off = m->body.len;
    while (msg_has_fd(m))
        msg_put_fd(&out, fds[n++] = msg_get_fd(m));
    bool told = server_tell(&out);
    while (n > 0)
        close(fds[--n]);
    if (!told)
        return NULL;
    struct shell *s = mem_new(sizeof *s);
    *s = (struct shell){ .next = shells, .link = l, .id = last_id, .kill = fd_steal(&kill) };
    nshells++;
    log_info("shell", "id=%u", s->id);
    return shells = s;
}

static void tell_go(struct shell *s, bool may)
{
    struct msg m;
    s->went = true;
    msg_begin(&m, INIT_SHELL_GO, s->id);
    msg_put_u32(&m, may);
    server_tell(&m);
}

void shell_go(struct shell *s)
{
    tell_go(s, true);
}

void shell_free(struct shell *s)
{
    if (s == NULL)
        return;
    for (struct shell **at = &shells; *at; at = &(*at)->next)
        if (*at == s) {
            *at = s->next;
            break;
        }
    nshells--;
    if (!s->went && !s->ended)
        tell_go(s, false);
    if (write(s->kill, "1", 1) < 0)
        log_debug("shell.kill", "id=%u", s->id);   /* the group has gone already */
    close(s->kill);
    free(s);
}

static struct shell *find(uint32_t id)
{
    struct shell *s = shells;
    while (s && s->id != id)
        s = s->next;
    return s;
}

void shell_made(struct msg *m)
{
    uint32_t ok = msg_get_u32(m), no = msg_get_u32(m);
    FREE_MEM char *step = msg_get_text(m, SHIM_STEP_MOST);
    CLOSE_FD int pidfd = ok ? msg_get_fd(m) : -1;
    struct shell *s = find(m->id);
    if (!msg_end(m) || s == NULL)
        return;
    struct msg out;
    msg_begin(&out, SHIM_SHELL_MADE, 0);
    msg_put_u32(&out, ok);
    msg_put_u32(&out, no);
    msg_put_str(&out, step);
    if (ok)
        msg_put_fd(&out, pidfd);
    link_send(s->link, &out);
}

static void tell_end(struct shell *s, uint32_t code, uint32_t signal, bool with_server)
{
    struct msg m;
    if (s->ended)
        return;
    s->ended = true;
    msg_begin(&m, SHIM_ENDED, 0);
    msg_put_u32(&m, code);
    msg_put_u32(&m, signal);
    msg_put_u32(&m, with_server);
    link_send(s->link, &m);
}

void shell_ended(struct msg *m)
{
    uint32_t code = msg_get_u32(m), signal = msg_get_u32(m);
    struct shell *s = find(m->id);
    if (msg_end(m) && s)
        tell_end(s, code, signal, false);
}

void shells_end(void)
{
    for (struct shell *s = shells; s; s = s->next)
        tell_end(s, 0, SIGKILL, true);
}
