#include "sshd/supervisor/tool_plan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "sshd/supervisor/child.h"
#include "sshd/supervisor/plan.h"
#include "sshd/supervisor/server.h"
#include "sshd/supervisor/store.h"
#include "sshd/supervisor/tool_client.h"

enum { PLAN_MOST = 1 << 20 };

struct printing {
    struct client *client;
    struct watch *watch;
    int fd;
    size_t got;
};

static void end(struct printing *p, int code, const char *why)
{
    client_done(p->client, code, why);
    client_release(p->client);
    watch_free(p->watch);
    close(p->fd);
    free(p);
}

static void on_text(void *data, int fd, unsigned events UNUSED)
{
    struct printing *p = data;
    char bytes[16384];
    ssize_t n = read(fd, bytes, sizeof bytes);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0 && (p->got += (size_t)n) <= PLAN_MOST)
        client_put(p->client, bytes, (size_t)n);
    else if (n == 0 && p->got > 0)
        end(p, 0, "");
    else
        end(p, CODE_FAILED, "there is no plan: see the log");
}

/* The end to read from, or -1 with E. */
static int print(struct server *v, struct err *e)
{
    const struct conf_server *c = conf_server(&v->super->conf, v->name);
    struct msg m MSG_FREE;
    msg_begin(&m, 0, 0);
    if (c == NULL)
        return err_set(e, 0, "plan", "the server is no longer configured");
    if (plan_write_dry(v, c, &m, e) < 0)
        return -1;
    int link[2], text[2];
    if (io_pair(link) < 0)
        return err_set(e, errno, "socketpair", "%s", "");
    CLOSE_FD int ours = link[0], theirs = link[1];
    if (pipe2(text, O_CLOEXEC) < 0)
        return err_set(e, errno, "pipe", "%s", "");
    CLOSE_FD int out = text[0], in = text[1];
    if (io_nonblock(out) < 0 || msg_send(ours, &m) < 0)
        return err_set(e, errno, "plan", "send");
    /* As the server's own uid: what it reads tells of nobody else. */
    if (child_start_out(v->super, ROLE_PLAN, server_uid(v), theirs, in, NULL, NULL, e) < 0)
        return -1;
    return fd_steal(&out);
}

void tool_plan(struct client *c, struct server *v)
{
    struct err e;
    int fd = print(v, &e);
    if (fd < 0) {
        char line[400];
        client_done(c, CODE_FAILED, err_text(&e, line, sizeof line));
        return;
    }
    struct printing *p = mem_new(sizeof *p);
    *p = (struct printing){ .client = c, .fd = fd };
    client_hold(c);
    p->watch = loop_watch(c->super->loop, fd, LOOP_READ, on_text, p);
}
