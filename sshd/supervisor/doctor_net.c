/* The doctor's checks of what private networks need. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "sshd/supervisor/doctor_visit.h"
#include "sshd/supervisor/forward.h"

static bool has_private(const struct conf *c)
{
    for (size_t i = 0; i < c->nservers; i++)
        if (c->servers[i].network == NETWORK_PRIVATE)
            return true;
    return false;
}

/* ---- other tables ---- */

enum { ATTRIBUTES = 16 };

static void sort(const void *bytes, size_t size, const struct nlattr *by[ATTRIBUTES])
{
    memset(by, 0, ATTRIBUTES * sizeof *by);
    for (size_t at = 0; at + sizeof(struct nlattr) <= size;) {
        const struct nlattr *a = (const void *)((const char *)bytes + at);
        if (a->nla_len < sizeof *a || a->nla_len > size - at)
            return;
        if ((a->nla_type & NLA_TYPE_MASK) < ATTRIBUTES)
            by[a->nla_type & NLA_TYPE_MASK] = a;
        at += (size_t)NLA_ALIGN(a->nla_len);
    }
}

static uint32_t number(const struct nlattr *a)
{
    uint32_t wire = 0;
    if (a && a->nla_len >= sizeof *a + sizeof wire)
        memcpy(&wire, a + 1, sizeof wire);
    return ntohl(wire);
}

static const char *words(const struct nlattr *a)
{
    return a ? escn(a + 1, strnlen((const char *)(a + 1), a->nla_len - sizeof *a)) : "";
}

/* A drop by any table is a drop, whatever ours says. */
static bool drops_forwarded(const struct nlmsghdr *h, const char *ours, struct visit *v)
{
    const struct nlattr *by[ATTRIBUTES], *hook[ATTRIBUTES];
    const struct nfgenmsg *g = NLMSG_DATA(h);
    size_t head = NLMSG_LENGTH(sizeof *g);
    if (h->nlmsg_len < head)
        return false;
    sort((const char *)h + head, h->nlmsg_len - head, by);
    if (by[NFTA_CHAIN_HOOK] == NULL || by[NFTA_CHAIN_TABLE] == NULL || by[NFTA_CHAIN_POLICY] == NULL)
        return false;
    sort(by[NFTA_CHAIN_HOOK] + 1, by[NFTA_CHAIN_HOOK]->nla_len - sizeof(struct nlattr), hook);
    bool ip = g->nfgen_family == NFPROTO_INET || g->nfgen_family == NFPROTO_IPV4 || g->nfgen_family == NFPROTO_IPV6;
    if (!ip || number(hook[NFTA_HOOK_HOOKNUM]) != NF_INET_FORWARD || number(by[NFTA_CHAIN_POLICY]) != NF_DROP ||
        strcmp(words(by[NFTA_CHAIN_TABLE]), ours) == 0)
        return false;
    snprintf(v->text, sizeof v->text,
             "chain %s of table %s drops what is forwarded and not accepted there: it has to accept interfaces hf*, in and out",
             words(by[NFTA_CHAIN_NAME]), words(by[NFTA_CHAIN_TABLE]));
    return true;
}

/* 1: one drops, named in V's text.  0: none.  -1 with errno. */
static int look_at_chains(int fd, struct visit *v)
{
    static _Alignas(8) char got[65536];
    struct { struct nlmsghdr h; struct nfgenmsg g; } ask = {
        .h = { .nlmsg_len = sizeof ask, .nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETCHAIN, .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
        .g = { .nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0 },
    };
    bool drops = false;
    if (send(fd, &ask, sizeof ask, 0) < 0)
        return -1;
    for (;;) {
        ssize_t n = recv(fd, got, sizeof got, 0);
        if (n <= 0)
            return -1;
        for (struct nlmsghdr *h = (void *)got; NLMSG_OK(h, (size_t)n); h = NLMSG_NEXT(h, n)) {
            if (h->nlmsg_type == NLMSG_DONE)
                return drops;
            if (h->nlmsg_type == NLMSG_ERROR) {
                errno = -((const struct nlmsgerr *)NLMSG_DATA(h))->error;
                return -1;
            }
            drops = drops || drops_forwarded(h, v->conf->network.table, v);
        }
    }
}

enum verdict check_nftables(struct visit *v)
{
    if (!has_private(v->conf)) {
        snprintf(v->text, sizeof v->text, "not needed: no server has a network");
        return OK;
    }
    CLOSE_FD int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
    int r = fd < 0 ? -1 : look_at_chains(fd, v);
    if (r < 0)
        snprintf(v->text, sizeof v->text, "nf_tables of this kernel cannot be used: %s", strerror(errno));
    else if (r == 0)
        snprintf(v->text, sizeof v->text, "table inet %s; no other drops what is forwarded", v->conf->network.table);
    return r < 0 ? FAIL : r ? WARN : OK;
}

/* ---- forwarding ---- */

enum verdict check_forwarding(struct visit *v)
{
    struct forward f;
    if (!has_private(v->conf)) {
        snprintf(v->text, sizeof v->text, "not needed: no server has a network");
        return OK;
    }
    forward_plan(v->conf, &f);
    if (!f.v4.routed) {
        snprintf(v->text, sizeof v->text, "net.ipv4.ip_forward is 0 and [network] forward = no: servers reach nothing outside, and are reached "
                                          "from this machine only");
        return WARN;
    }
    if (v->conf->network.pool6[0] && !forward_has_ipv6()) {
        snprintf(v->text, sizeof v->text, "IPv4; this machine has IPv6 switched off, so servers have none");
        return WARN;
    }
    if (v->conf->network.pool6[0] && !f.v6.routed) {
        snprintf(v->text, sizeof v->text, "IPv4; net.ipv6.conf.all.forwarding is 0: IPv6 reaches nothing outside");
        return WARN;
    }
    snprintf(v->text, sizeof v->text, "%s", f.v4.ours || f.v6.ours ? "switched on by us, for servers alone: nothing else is forwarded" : "on");
    return OK;
}

/* ---- ports ---- */

static bool is_taken(const struct conf_port *p)
{
    struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_port = htons(p->port) };
    struct sockaddr_in any4 = { .sin_family = AF_INET, .sin_port = htons(p->port) };
    int one = 1;
    CLOSE_FD int six = socket(AF_INET6, (p->udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);
    CLOSE_FD int fd = six >= 0 ? -1 : socket(AF_INET, (p->udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);
    /* What is left of connections that ended is nobody's. */
    if (!p->udp)
        setsockopt(six >= 0 ? six : fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    int r = six >= 0 ? bind(six, (struct sockaddr *)&any, sizeof any) : bind(fd, (struct sockaddr *)&any4, sizeof any4);
    return r < 0 && errno == EADDRINUSE;
}

enum verdict check_published(struct visit *v)
{
    size_t n = 0;
    for (size_t i = 0; i < v->conf->nservers; i++)
        for (size_t j = 0; j < v->conf->servers[i].port.n; j++, n++) {
            const struct conf_port *p = &v->conf->servers[i].port.v[j];
            if (is_taken(p)) {
                snprintf(v->text, sizeof v->text, "a program of this machine has port %u/%s of server %s, and is not reached there while the server runs",
                         p->port, p->udp ? "udp" : "tcp", v->conf->servers[i].name);
                return WARN;
            }
        }
    snprintf(v->text, sizeof v->text, "%zu, none in use by another program", n);
    return OK;
}
