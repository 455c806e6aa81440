/* libc's fortified headers define recv and poll inline; here they are functions. */
#undef _FORTIFY_SOURCE
#include "sshd/session/wire.h"

#include <errno.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/die.h"
#include "base/io.h"
#include "base/mem.h"

static struct wire {
    int seen, real;
    uint8_t small[WIRE_SMALL];
    uint8_t *ahead;          /* owned; NULL until a read filled `small` */
    const uint8_t *in;       /* next byte for libssh */
    size_t nin;
    uint8_t *out;            /* owned */
    size_t off, len, cap;
    uint64_t received, total;
    unsigned fills;
    bool eof, broken, hold;
    bool busy;               /* the large buffers were needed since wire_rest */
} wire = { .seen = -1, .real = -1 };

enum { DIRECT = 16 * 1024, REST_CAP = 16 * 1024, QUICK_FILLS = 64 };

void wire_open(int seen, int real)
{
    if (io_nonblock(real) < 0)
        die_errno("client's socket");
    wire = (struct wire){ .seen = seen, .real = real };
}

/* A client that does not yet speak without delay (Nagle) waits for our acknowledgement before it says the next word of the handshake, and the
   kernel would hold that back for 40 ms.  The option lasts for one acknowledgement only. */
static void acknowledge(void)
{
    int on = 1;
    if (wire.fills++ < QUICK_FILLS)
        setsockopt(wire.real, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
}

void wire_fill(void)
{
    if (wire.nin > 0 || wire.eof)
        return;
    uint8_t *to = wire.ahead ? wire.ahead : wire.small;
    size_t room = wire.ahead ? WIRE_AHEAD : WIRE_SMALL;
    ssize_t n = recvfrom(wire.real, to, room, MSG_DONTWAIT, NULL, NULL);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        wire.eof = true;
        wire.broken = wire.broken || n < 0;
        return;
    }
    wire.in = to;
    wire.nin = (size_t)n;
    wire.received += (uint64_t)n;
    acknowledge();
    if ((size_t)n >= WIRE_SMALL) {
        wire.busy = true;
        if (wire.ahead == NULL)
            wire.ahead = mem_new(WIRE_AHEAD);
    }
}

static ssize_t send_now(const void *bytes, size_t size)
{
    ssize_t n = sendto(wire.real, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);
    if (n >= 0)
        return n;
    if (errno != EAGAIN && errno != EINTR)
        wire.broken = true;
    return 0;
}

void wire_flush(void)
{
    while (wire.len > wire.off && !wire.broken) {
        ssize_t n = send_now(wire.out + wire.off, wire.len - wire.off);
        if (n == 0)
            break;
        wire.off += (size_t)n;
    }
    if (wire.off == wire.len)
        wire.off = wire.len = 0;
}

size_t wire_buffered(void) { return wire.nin; }
size_t wire_unsent(void) { return wire.broken ? 0 : wire.len - wire.off; }
bool wire_ended(void) { return wire.eof && wire.nin == 0; }
bool wire_broken(void) { return wire.broken; }
uint64_t wire_received(void) { return wire.received; }
uint64_t wire_total(void) { return wire.total; }

uint64_t wire_taken(void)
{
    int left = 0;
    if (ioctl(wire.real, SIOCOUTQ, &left) < 0 || left < 0)
        left = 0;
    uint64_t sent = wire.total - wire_unsent();
    return (uint64_t)left < sent ? sent - (uint64_t)left : 0;
}

uint32_t wire_round_trip(void)
{
    struct tcp_info info = { .tcpi_min_rtt = UINT32_MAX };
    socklen_t size = sizeof info;
    getsockopt(wire.real, IPPROTO_TCP, TCP_INFO, &info, &size);
    return info.tcpi_min_rtt;
}

void wire_throw(bool away)
{
    const struct linger l = { .l_onoff = away, .l_linger = 0 };
    setsockopt(wire.real, SOL_SOCKET, SO_LINGER, &l, sizeof l);
}

void wire_hold(bool hold) { wire.hold = hold; }

void wire_rest(void)
{
    if (!wire.busy && wire.nin == 0) {
        free(wire.ahead);
        wire.ahead = NULL;
    }
    if (!wire.busy && wire.len == 0 && wire.cap > REST_CAP) {
        free(wire.out);
        wire.out = NULL;
        wire.cap = 0;
    }
    wire.busy = false;
}

static void keep(const uint8_t *bytes, size_t size)
{
    if (wire.cap - wire.len < size && wire.off > 0) {
        memmove(wire.out, wire.out + wire.off, wire.len - wire.off);
        wire.len -= wire.off;
        wire.off = 0;
    }
    if (wire.len + size > WIRE_MOST)
        die("the client asks and does not read the answers");
    if (wire.cap - wire.len < size) {
        while (wire.cap < wire.len + size)
            wire.cap = wire.cap ? wire.cap * 2 : 4096;
        wire.out = mem_grow(wire.out, wire.cap, 1);
    }
    memcpy(wire.out + wire.len, bytes, size);
    wire.len += size;
    wire.busy = wire.busy || wire.cap > REST_CAP;
}

/* The three below replace libc's for the whole process; libssh reaches them through its procedure linkage table.  What is not the client's
   descriptor goes to the kernel as ever. */

__attribute__((visibility("default"))) ssize_t recv(int fd, void *bytes, size_t size, int flags)
{
    if (fd != wire.seen || fd < 0)
        return recvfrom(fd, bytes, size, flags, NULL, NULL);
    if (wire.nin == 0 && wire.eof)
        return 0;
    if (wire.nin == 0) {
        errno = EAGAIN;
        return -1;
    }
    size_t n = size < wire.nin ? size : wire.nin;
    memcpy(bytes, wire.in, n);
    if (flags & MSG_PEEK)
        return (ssize_t)n;
    wire.in += n;
    wire.nin -= n;
    return (ssize_t)n;
}

/* Everything is taken: what the socket does not take now waits here.  A broken socket swallows, the loop sees it. */
__attribute__((visibility("default"))) ssize_t send(int fd, const void *bytes, size_t size, int flags)
{
    if (fd != wire.seen || fd < 0)
        return sendto(fd, bytes, size, flags, NULL, 0);
    if (wire.broken)
        return (ssize_t)size;
    wire.total += size;
    size_t gone = 0;
    if (size >= DIRECT && wire.len == wire.off)
        gone = (size_t)send_now(bytes, size);
    if (gone < size)
        keep((const uint8_t *)bytes + gone, size - gone);
    return (ssize_t)size;
}

static bool answer(struct pollfd *p)
{
    p->revents = 0;
    if ((p->events & POLLIN) && !wire.hold && (wire.nin > 0 || wire.eof))
        p->revents |= POLLIN;
    if (p->events & POLLOUT)
        p->revents |= POLLOUT;
    return p->revents != 0;
}

/* Apart from poll, as libc declares poll's array as written only, and `fd` and `events` are read here. */
static __attribute__((noinline)) int poll_them(struct pollfd *fds, nfds_t n, int ms)
{
    /* libssh waits only in its blocking mode, which is never on. */
    if (wire.seen >= 0 && n == 1 && fds->fd == wire.seen)
        return answer(fds) ? 1 : 0;
    struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };
    return ppoll(fds, n, ms < 0 ? NULL : &t, NULL);
}

__attribute__((visibility("default"))) int poll(struct pollfd *fds, nfds_t n, int ms)
{
    return poll_them(fds, n, ms);
}

void wire_wait_end(int ms)
{
    struct pollfd p = { .fd = wire.real, .events = POLLRDHUP };
    wire_flush();
    poll(&p, 1, ms);
}
