/* As little of a shim as tests of launch need: the server's output goes to the log until init ends; what it was given is printed first. */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/msg.h"
#include "sandbox/proto.h"

static void copy(struct pollfd *p)
{
    char bytes[4096];
    ssize_t n = read(p->fd, bytes, sizeof bytes);
    if (n > 0)
        io_write_all(2, bytes, (size_t)n);
    else
        p->fd = -1;
}

static void init_says(struct pollfd *p)
{
    struct msg m MSG_FREE;
    msg_begin(&m, 0, 0);
    if (msg_recv(p->fd, &m) <= 0) {
        p->fd = -1;
        return;
    }
    if (m.type == INIT_ENDED) {
        unsigned code = msg_get_u32(&m), sig = msg_get_u32(&m);
        dprintf(2, "shim: ended code=%u signal=%u\n", code, sig);
    }
}

int main(int argc, char **argv)
{
    /* Each line in one write: the starter writes to the same place. */
    struct buf b = BUF(65536);
    buf_put_fmt(&b, "shim: uid=%u", (unsigned)getuid());
    for (int i = 1; i < argc; i++)
        buf_put_fmt(&b, " [%s]", argv[i]);
    buf_put_fmt(&b, "\nshim: fds");
    for (int i = 0; i < 20; i++)
        if (fcntl(i, F_GETFD) >= 0)
            buf_put_fmt(&b, " %d", i);
    buf_put_fmt(&b, "\n");
    io_write_all(2, buf_head(&b), buf_size(&b));
    buf_free(&b);
    if (argc > 3 && argv[3][0] == '1')
        io_write_all(5, "typed\n", 6);
    struct pollfd p[] = { { 4, POLLIN, 0 }, { argc > 3 && argv[3][0] == '1' ? 5 : 6, POLLIN, 0 }, { 7, POLLIN, 0 } };
    if (p[1].fd == 5)
        p[2].fd = -1;
    while (p[0].fd >= 0 || p[1].fd >= 0 || p[2].fd >= 0) {
        poll(p, 3, -1);
        for (int i = 1; i < 3; i++)
            if (p[i].fd >= 0 && p[i].revents)
                copy(&p[i]);
        if (p[0].fd >= 0 && p[0].revents)
            init_says(&p[0]);
    }
    return 0;
}
