#include "sandbox/filter/track.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/die.h"
#include "base/log.h"

/* Of the kernel's filter for a dump (CTA_FILTER_ORIG_FLAGS), by the parts of a tuple; no header has them. */
enum { BY_PROTOCOL = 1 << 3, BY_PORT = 1 << 5 };
enum { ATTRIBUTES_MOST = 32 };

/* A conversation as the asker began it, and as it is answered. */
struct way { uint8_t from[16], to[16]; uint16_t port; };

struct sweep {
    int fd;
    bool six;
    const struct net *pools;
    track_fn *owner;
    const void *data;
    unsigned forgotten;
};

struct request {
    struct nlmsghdr h;
    struct nfgenmsg g;
    _Alignas(4) char body[512];
};

int track_open(void)
{
    struct sockaddr_nl a = { .nl_family = AF_NETLINK };
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) < 0)
        die_errno("conntrack");
    return fd;
}

/* ---- writing ---- */

static void begin(struct request *r, uint16_t type, uint16_t flags, bool six)
{
    *r = (struct request){ .h = { .nlmsg_len = NLMSG_LENGTH(sizeof r->g), .nlmsg_type = (uint16_t)(NFNL_SUBSYS_CTNETLINK << 8 | type),
                                  .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags) },
                           .g = { .nfgen_family = six ? AF_INET6 : AF_INET, .version = NFNETLINK_V0 } };
}

static struct nlattr *put(struct request *r, unsigned type, const void *bytes, size_t size)
{
    struct nlattr *a = (void *)((char *)r + r->h.nlmsg_len);
    size_t whole = (size_t)NLA_ALIGN((int)(sizeof *a + size));
    invariant(r->h.nlmsg_len + whole <= sizeof *r);
    *a = (struct nlattr){ .nla_type = (uint16_t)type, .nla_len = (uint16_t)(sizeof *a + size) };
    if (size)
        memcpy(a + 1, bytes, size);
    r->h.nlmsg_len += (uint32_t)whole;
    return a;
}

static void close_nest(struct request *r, struct nlattr *a)
{
    a->nla_len = (uint16_t)((char *)r + r->h.nlmsg_len - (char *)a);
}

static void ask(struct request *r, bool six, uint16_t port)
{
    uint8_t udp = IPPROTO_UDP;
    uint16_t wire = htons(port);
    uint32_t by = BY_PROTOCOL | (port ? BY_PORT : 0);
    begin(r, IPCTNL_MSG_CT_GET, NLM_F_DUMP, six);
    struct nlattr *tuple = put(r, CTA_TUPLE_ORIG | NLA_F_NESTED, NULL, 0);
    struct nlattr *proto = put(r, CTA_TUPLE_PROTO | NLA_F_NESTED, NULL, 0);
    put(r, CTA_PROTO_NUM, &udp, sizeof udp);
    if (port)
        put(r, CTA_PROTO_DST_PORT, &wire, sizeof wire);
    close_nest(r, proto);
    close_nest(r, tuple);
    struct nlattr *filter = put(r, CTA_FILTER | NLA_F_NESTED, NULL, 0);
    put(r, CTA_FILTER_ORIG_FLAGS, &by, sizeof by);
    close_nest(r, filter);
}

/* ---- reading ---- */

/* The attributes of SIZE bytes, by their type. */
static void sort(const void *bytes, size_t size, const struct nlattr *by[ATTRIBUTES_MOST])
{
    memset(by, 0, ATTRIBUTES_MOST * sizeof *by);
    for (size_t at = 0; at + sizeof(struct nlattr) <= size;) {
        const struct nlattr *a = (const void *)((const char *)bytes + at);
        if (a->nla_len < sizeof *a || a->nla_len > size - at)
            return;
        if ((a->nla_type & NLA_TYPE_MASK) < ATTRIBUTES_MOST)
            by[a->nla_type & NLA_TYPE_MASK] = a;
        at += (size_t)NLA_ALIGN(a->nla_len);
    }
}

static void sort_nest(const struct nlattr *nest, const struct nlattr *by[ATTRIBUTES_MOST])
{
    sort(nest + 1, nest ? nest->nla_len - sizeof *nest : 0, by);
}

static bool copy(const struct nlattr *a, void *to, size_t size)
{
    if (a == NULL || a->nla_len != sizeof *a + size)
        return false;
    memcpy(to, a + 1, size);
    return true;
}

static bool read_way(const struct nlattr *tuple, bool six, struct way *w)
{
    const struct nlattr *in[ATTRIBUTES_MOST], *ip[ATTRIBUTES_MOST], *proto[ATTRIBUTES_MOST];
    uint8_t protocol;
    if (tuple == NULL)
        return false;
    sort_nest(tuple, in);
    if (in[CTA_TUPLE_IP] == NULL || in[CTA_TUPLE_PROTO] == NULL)
        return false;
    sort_nest(in[CTA_TUPLE_IP], ip);
    sort_nest(in[CTA_TUPLE_PROTO], proto);
    size_t size = six ? 16 : 4;
    *w = (struct way){ 0 };
    return copy(ip[six ? CTA_IP_V6_SRC : CTA_IP_V4_SRC], w->from, size) && copy(ip[six ? CTA_IP_V6_DST : CTA_IP_V4_DST], w->to, size) &&
           copy(proto[CTA_PROTO_NUM], &protocol, 1) && protocol == IPPROTO_UDP && copy(proto[CTA_PROTO_DST_PORT], &w->port, 2);
}

static bool within(const struct net *n, const uint8_t *address)
{
    if (n->bits == 0 || memcmp(n->address, address, n->bits / 8) != 0)
        return false;
    return n->bits % 8 == 0 || ((n->address[n->bits / 8] ^ address[n->bits / 8]) & (0xff00 >> n->bits % 8) & 0xff) == 0;
}

/* Led to another server; or led nowhere by anybody and never answered, which is a port that was closed. */
static bool astray(const struct sweep *s, const struct way *asked, const struct way *answered, uint32_t status)
{
    const struct net *owner = s->owner(s->data, ntohs(asked->port));
    if (owner == NULL)
        return false;
    if (within(&s->pools[s->six], answered->from))
        return memcmp(answered->from, owner[s->six].address, sizeof answered->from) != 0 &&
               memcmp(answered->from, asked->to, sizeof answered->from) != 0;
    return memcmp(answered->from, asked->to, sizeof asked->to) == 0 && memcmp(answered->to, asked->from, sizeof asked->from) == 0 &&
           !(status & IPS_SEEN_REPLY);
}

static void forget(struct sweep *s, const struct nlattr *tuple)
{
    struct request r;
    begin(&r, IPCTNL_MSG_CT_DELETE, 0, s->six);
    put(&r, CTA_TUPLE_ORIG | NLA_F_NESTED, tuple + 1, tuple->nla_len - sizeof *tuple);
    /* Without an acknowledgement: one that has just ended by itself is as good. */
    if (send(s->fd, &r, r.h.nlmsg_len, 0) >= 0)
        s->forgotten++;
}

static void judge(struct sweep *s, const struct nlmsghdr *h)
{
    const struct nlattr *by[ATTRIBUTES_MOST];
    struct way asked, answered;
    uint32_t status = 0;
    if (h->nlmsg_len < NLMSG_LENGTH(sizeof(struct nfgenmsg)))
        return;
    sort((const char *)h + NLMSG_LENGTH(sizeof(struct nfgenmsg)), h->nlmsg_len - NLMSG_LENGTH(sizeof(struct nfgenmsg)), by);
    if (!read_way(by[CTA_TUPLE_ORIG], s->six, &asked) || !read_way(by[CTA_TUPLE_REPLY], s->six, &answered) ||
        !copy(by[CTA_STATUS], &status, sizeof status))
        return;
    if (astray(s, &asked, &answered, ntohl(status)))
        forget(s, by[CTA_TUPLE_ORIG]);
}

/* Until the end of the dump: 0, or the kernel's errno. */
static int hear(struct sweep *s)
{
    static _Alignas(8) char got[65536];
    for (;;) {
        ssize_t n = recv(s->fd, got, sizeof got, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? errno : EPIPE;
        for (struct nlmsghdr *h = (void *)got; NLMSG_OK(h, (size_t)n); h = NLMSG_NEXT(h, n)) {
            if (h->nlmsg_type == NLMSG_DONE)
                return 0;
            if (h->nlmsg_type == NLMSG_ERROR) {
                const struct nlmsgerr *e = NLMSG_DATA(h);
                /* The answer to a forget() that came too late. */
                if (e->msg.nlmsg_type != (NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE))
                    return -e->error;
                continue;
            }
            judge(s, h);
        }
    }
}

void track_forget(int fd, uint16_t port, const struct net *pools, track_fn *owner, const void *data)
{
    struct sweep s = { .fd = fd, .pools = pools, .owner = owner, .data = data };
    for (int six = 0; six < 2; six++) {
        struct request r;
        s.six = six;
        ask(&r, six, port);
        int no = send(fd, &r, r.h.nlmsg_len, 0) < 0 ? errno : hear(&s);
        if (no)
            log_warn("filter.track", "port=%u error=\"%s\"", port, strerror(no));
    }
    if (s.forgotten)
        log_info("filter.track", "port=%u forgotten=%u", port, s.forgotten);
}
