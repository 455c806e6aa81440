#include "quota/fuse_link.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/msg.h"
#include "quota/quotafs_proto.h"

enum { PATIENCE_S = 5, WAITING = 8 };

int fuse_link_folder(const char *run, struct err *e)
{
    FREE_MEM char *path = mem_fmt("%s/quota", run);
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return err_set(e, errno, "mkdir", "%s", path);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? err_set(e, errno, "open", "%s", path) : fd;
}

/* By the folder's descriptor: a socket's path may have 107 bytes. */
static void address(struct sockaddr_un *a, int folder, const char *name)
{
    *a = (struct sockaddr_un){ .sun_family = AF_UNIX };
    snprintf(a->sun_path, sizeof a->sun_path, "/proc/self/fd/%d/%s.sock", folder, name);
}

static int new_socket(struct err *e)
{
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    return fd < 0 ? err_set(e, errno, "socket", "%s", "") : fd;
}

int fuse_link_listen(const char *run, const char *name, struct err *e)
{
    struct sockaddr_un a;
    CLOSE_FD int folder = fuse_link_folder(run, e), fd = folder < 0 ? -1 : new_socket(e);
    if (fd < 0)
        return -1;
    address(&a, folder, name);
    if (unlink(a.sun_path) < 0 && errno != ENOENT)
        return err_set(e, errno, "unlink", "%s.sock", name);
    if (fchmod(fd, 0600) < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) < 0 || chmod(a.sun_path, 0600) < 0 || listen(fd, WAITING) < 0)
        return err_set(e, errno, "bind", "%s.sock", name);
    return fd_steal(&fd);
}

void fuse_link_remove(const char *run, const char *name)
{
    struct sockaddr_un a;
    CLOSE_FD int folder = fuse_link_folder(run, NULL);
    address(&a, folder, name);
    if (folder >= 0)
        unlink(a.sun_path);
}

int fuse_link_open(const char *run, const char *name, struct err *e)
{
    struct sockaddr_un a;
    const struct timeval most = { .tv_sec = PATIENCE_S };
    CLOSE_FD int folder = fuse_link_folder(run, e), fd = folder < 0 ? -1 : new_socket(e);
    if (fd < 0)
        return -1;
    address(&a, folder, name);
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof most) < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &most, sizeof most) < 0 ||
        connect(fd, (struct sockaddr *)&a, sizeof a) < 0)
        return err_set(e, errno, "connect", "%s.sock", name);
    return fd_steal(&fd);
}

int fuse_link_next(int link, struct fuse_usage *u, struct err *e)
{
    struct msg m MSG_FREE;
    msg_begin(&m, 0, 0);
    int n = msg_recv_client(link, &m);
    if (n <= 0)
        return n < 0 ? err_set(e, errno, "quotafs", "no answer") : 0;
    if (m.type != QUOTAFS_USAGE)
        return err_set(e, EBADMSG, "quotafs", "message %#x", m.type);
    *u = (struct fuse_usage){ .bytes = msg_get_u64(&m) };
    u->inodes = msg_get_u64(&m);
    u->bytes_most = msg_get_u64(&m);
    u->inodes_most = msg_get_u64(&m);
    u->base = msg_get_u32(&m);
    return msg_end(&m) ? 1 : err_set(e, EBADMSG, "quotafs", "a usage in another form");
}

static int ask(int link, const struct msg *m, struct fuse_usage *u, struct err *e)
{
    if (msg_send(link, m) < 0)
        return err_set(e, errno, "quotafs", "send");
    if (!u)
        return 0;
    int n = fuse_link_next(link, u, e);
    return n > 0 ? 0 : n == 0 ? err_set(e, ECONNRESET, "quotafs", "it has gone") : -1;
}

static int ask_plain(int link, uint16_t type, struct fuse_usage *u, struct err *e)
{
    struct msg m MSG_FREE;
    msg_begin(&m, type, 1);
    return ask(link, &m, u, e);
}

int fuse_link_use(int link, struct fuse_usage *u, struct err *e)
{
    return ask_plain(link, QUOTAFS_USE, u, e);
}

int fuse_link_watch(int link, struct fuse_usage *u, struct err *e)
{
    return ask_plain(link, QUOTAFS_WATCH, u, e);
}

int fuse_link_end(int link, struct err *e)
{
    return ask_plain(link, QUOTAFS_END, NULL, e);
}

int fuse_link_limit(int link, uint64_t bytes, uint64_t inodes, struct fuse_usage *u, struct err *e)
{
    struct msg m MSG_FREE;
    msg_begin(&m, QUOTAFS_LIMIT, 1);
    msg_put_u64(&m, bytes);
    msg_put_u64(&m, inodes);
    return ask(link, &m, u, e);
}

bool fuse_link_gone(int link, int ms)
{
    struct fuse_usage u;
    for (uint64_t end = now_ms() + (uint64_t)ms;;) {
        uint64_t now = now_ms();
        struct pollfd p = { .fd = link, .events = POLLIN };
        if (now >= end || poll(&p, 1, (int)(end - now)) == 0)
            return false;
        if (fuse_link_next(link, &u, NULL) <= 0 && (p.revents & (POLLHUP | POLLERR)))
            return true;
    }
}
