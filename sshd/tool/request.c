#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/msg.h"
#include "sshd/proto.h"
#include "sshd/tool/config.h"
#include "sshd/tool/tool.h"

static int connect_to(const char *run)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    if (snprintf(a.sun_path, sizeof a.sun_path, "%s/holdfast.sock", run) >= (int)sizeof a.sun_path) {
        fprintf(stderr, "holdfast: %s: the path is too long for a socket\n", run);
        return -1;
    }
    CLOSE_FD int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) == 0)
        return fd_steal(&fd);
    if (errno == ENOENT || errno == ECONNREFUSED)
        fprintf(stderr, "holdfast: no daemon listens on %s: is holdfastd running?\n", a.sun_path);
    else if (errno == EACCES || errno == EPERM)
        fprintf(stderr, "holdfast: %s: only root may talk to the daemon\n", a.sun_path);
    else
        fprintf(stderr, "holdfast: %s: %s\n", a.sun_path, strerror(errno));
    return -1;
}

static int ask(int fd, const struct command *c, const struct buf *secret)
{
    MSG_FREE struct msg m;
    msg_begin(&m, TOOL_REQUEST, 1);
    msg_put_str(&m, c->verb);
    msg_put_u32(&m, c->json);
    msg_put_u32(&m, (uint32_t)c->argc);
    for (int i = 0; i < c->argc; i++)
        msg_put_str(&m, c->argv[i]);
    msg_put_bytes(&m, buf_head(secret), buf_size(secret));
    if (c->fd >= 0)
        msg_put_fd(&m, c->fd);
    int r = m.body.bad ? -1 : msg_send(fd, &m);
    mem_wipe(m.body.p, m.body.cap);
    if (r < 0)
        fprintf(stderr, "holdfast: cannot ask the daemon: %s\n", m.body.bad ? "too much" : strerror(errno));
    return r;
}

/* A line that the next one is to be written over. */
static bool shown;

static void clear(void)
{
    if (shown)
        fputs("\r\033[K", stderr);
    shown = false;
}

static int progress(struct msg *m)
{
    FREE_MEM char *text = msg_get_str(m);
    if (!msg_end(m))
        return TOOL_UNAVAILABLE;
    shown = isatty(STDERR_FILENO);
    if (shown)
        fprintf(stderr, "\r%s\033[K", text);
    return -1;
}

/* One message of the answer: -1 while more follow, else the exit code. */
static int answer(struct msg *m)
{
    if (m->type != TOOL_PROGRESS)
        clear();
    if (m->type == TOOL_OUTPUT) {
        size_t size;
        const uint8_t *text = msg_get_bytes(m, &size);
        if (!msg_end(m))
            return TOOL_UNAVAILABLE;
        if (size && io_write_all(STDOUT_FILENO, text, size) < 0) {
            fprintf(stderr, "holdfast: cannot write: %s\n", strerror(errno));
            return TOOL_FAILED;
        }
        return -1;
    }
    if (m->type == TOOL_PROGRESS)
        return progress(m);
    if (m->type != TOOL_DONE)
        return TOOL_UNAVAILABLE;
    uint32_t code = msg_get_u32(m);
    FREE_MEM char *text = msg_get_str(m);
    if (!msg_end(m))
        return TOOL_UNAVAILABLE;
    if (text[0])
        fprintf(stderr, "holdfast: %s%s", text, text[strlen(text) - 1] == '\n' ? "" : "\n");
    return (int)(code & 0xff);
}

int request(const struct command *c, const struct buf *secret)
{
    FREE_MEM char *run = c->run ? mem_str(c->run) : config_value(c->folder, "paths", "run");
    CLOSE_FD int fd = connect_to(run);
    if (fd < 0 || ask(fd, c, secret) < 0)
        return TOOL_UNAVAILABLE;
    for (;;) {
        MSG_FREE struct msg m = { 0 };
        int r = msg_recv_client(fd, &m);
        if (r < 0 && errno == EINTR)
            continue;
        int code = r == 1 ? answer(&m) : TOOL_UNAVAILABLE;
        if (code == TOOL_UNAVAILABLE && r != 1)
            fprintf(stderr, "holdfast: the daemon went away before it had answered\n");
        if (code >= 0)
            return code;
    }
}
