#include "base/msg.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/die.h"
#include "base/mem.h"

enum field { FIELD_U32 = 1, FIELD_U64 = 2, FIELD_BYTES = 3 };
enum { HEADER = 8 };

static void broken(struct msg *m, const char *what)
{
    if (!m->client)
        die("peer broke a rule: message %u: %s", m->type, what);
    m->bad = true;
}

void msg_begin(struct msg *m, uint16_t type, uint32_t id)
{
    *m = (struct msg){ .type = type, .id = id, .body = BUF(MSG_MOST - HEADER) };
}

void msg_put_u32(struct msg *m, uint32_t v)
{
    buf_put_u8(&m->body, FIELD_U32);
    buf_put_u32(&m->body, v);
}

void msg_put_u64(struct msg *m, uint64_t v)
{
    buf_put_u8(&m->body, FIELD_U64);
    buf_put_u64(&m->body, v);
}

void msg_put_bytes(struct msg *m, const void *bytes, size_t size)
{
    buf_put_u8(&m->body, FIELD_BYTES);
    buf_put_bytes(&m->body, bytes, size);
}

void msg_put_str(struct msg *m, const char *s)
{
    msg_put_bytes(m, s ? s : "", s ? strlen(s) : 0);
}

void msg_put_fd(struct msg *m, int fd)
{
    if (m->nfds == MSG_FDS) {
        m->bad = true;
        return;
    }
    m->fds[m->nfds++] = fd;
}

union rights {
    char space[CMSG_SPACE(MSG_FDS * sizeof(int))];
    struct cmsghdr align;
};

int msg_send(int fd, const struct msg *m)
{
    if (m->bad || m->body.bad) {
        errno = EMSGSIZE;
        return -1;
    }
    uint8_t head[HEADER] = { (uint8_t)(m->type >> 8), (uint8_t)m->type, m->from, (uint8_t)m->nfds, (uint8_t)(m->id >> 24),
                             (uint8_t)(m->id >> 16), (uint8_t)(m->id >> 8), (uint8_t)m->id };
    struct iovec iov[2] = { { head, HEADER }, { m->body.p, m->body.len } };
    struct msghdr h = { .msg_iov = iov, .msg_iovlen = m->body.len ? 2 : 1 };
    union rights r;
    if (m->nfds) {
        memset(&r, 0, sizeof r);
        h.msg_control = r.space;
        h.msg_controllen = CMSG_SPACE(m->nfds * sizeof(int));
        struct cmsghdr *c = CMSG_FIRSTHDR(&h);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(m->nfds * sizeof(int));
        memcpy(CMSG_DATA(c), m->fds, m->nfds * sizeof(int));
    }
    ssize_t n;
    do
        n = sendmsg(fd, &h, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -1 : 0;
}

static void take_fds(struct msg *m, struct msghdr *h)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof fd);
            if (m->nfds < MSG_FDS)
                m->fds[m->nfds++] = fd;
            else
                close(fd);
        }
    }
}

/* One buffer for the process: a message is small, the largest is not, and only what came is copied out. */
static uint8_t space[MSG_MOST];

static int receive(int fd, struct msg *m, bool client, int flags)
{
    struct iovec iov = { space, sizeof space };
    union rights r;
    struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = r.space, .msg_controllen = sizeof r.space };
    ssize_t n;
    do
        n = recvmsg(fd, &h, MSG_CMSG_CLOEXEC | flags);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno == ECONNRESET)
        return 0;
    if (n < 0)
        return -1;
    msg_begin(m, 0, 0);
    m->client = client;
    m->received = true;
    take_fds(m, &h);
    if (n == 0 && m->nfds == 0)
        return 0;
    uint8_t nfds = 0;
    if (n >= HEADER) {
        m->from = space[2];
        nfds = space[3];
        m->type = (uint16_t)(space[0] << 8 | space[1]);
        m->id = (uint32_t)space[4] << 24 | (uint32_t)space[5] << 16 | (uint32_t)space[6] << 8 | space[7];
        buf_put(&m->body, space + HEADER, (size_t)n - HEADER);
        /* Any of them may carry a secret. */
        mem_wipe(space, (size_t)n);
    }
    if (n < HEADER || (h.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) || (client && m->from != 0) || nfds != m->nfds) {
        broken(m, "bad frame");
        msg_free(m);
        errno = EBADMSG;
        return -1;
    }
    return 1;
}

int msg_recv(int fd, struct msg *m)
{
    return receive(fd, m, false, 0);
}

int msg_recv_client(int fd, struct msg *m)
{
    return receive(fd, m, true, 0);
}

int msg_peek_client(int fd, struct msg *m)
{
    return receive(fd, m, true, MSG_PEEK);
}

static bool want(struct msg *m, enum field kind)
{
    if (!m->bad && buf_get_u8(&m->body) == kind)
        return true;
    broken(m, "a field of another kind, or none");
    return false;
}

static void check(struct msg *m)
{
    if (m->body.bad)
        broken(m, "cut short");
}

uint32_t msg_get_u32(struct msg *m)
{
    if (!want(m, FIELD_U32))
        return 0;
    uint32_t v = buf_get_u32(&m->body);
    check(m);
    return v;
}

uint64_t msg_get_u64(struct msg *m)
{
    if (!want(m, FIELD_U64))
        return 0;
    uint64_t v = buf_get_u64(&m->body);
    check(m);
    return v;
}

const uint8_t *msg_get_bytes(struct msg *m, size_t *size)
{
    *size = 0;
    if (!want(m, FIELD_BYTES))
        return NULL;
    const uint8_t *p = buf_get_bytes(&m->body, size);
    check(m);
    return p;
}

char *msg_get_text(struct msg *m, size_t most)
{
    size_t size;
    const uint8_t *p = msg_get_bytes(m, &size);
    if (p && (size > most || memchr(p, 0, size))) {
        broken(m, "a string too long, or with a NUL in it");
        p = NULL;
    }
    return mem_strn(p ? (const void *)p : "", p ? size : 0);
}

char *msg_get_str(struct msg *m)
{
    return msg_get_text(m, MSG_MOST);
}

bool msg_has_fd(const struct msg *m)
{
    return m->taken < m->nfds;
}

int msg_get_fd(struct msg *m)
{
    if (!msg_has_fd(m)) {
        broken(m, "a descriptor is missing");
        return -1;
    }
    return m->fds[m->taken++];
}

bool msg_end(struct msg *m)
{
    if (!m->bad && buf_size(&m->body) != 0)
        broken(m, "bytes left over");
    if (!m->bad && msg_has_fd(m))
        broken(m, "descriptors left over");
    return !m->bad;
}

void msg_wipe(struct msg *m)
{
    buf_wipe(&m->body);
}

void msg_free(struct msg *m)
{
    while (m->received && m->taken < m->nfds)
        close(m->fds[m->taken++]);
    buf_wipe(&m->body);
}
