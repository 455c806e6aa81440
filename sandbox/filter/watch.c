#include "sandbox/filter/watch.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/die.h"
#include "base/log.h"

enum { ROOM = 8 << 20 };   /* a table of a thousand servers replaced at once, told row by row */

void watch_open(struct watch_state *w)
{
    int group = NFNLGRP_NFTABLES, room = ROOM;
    struct sockaddr_nl a = { .nl_family = AF_NETLINK };
    w->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER);
    if (w->fd < 0 || bind(w->fd, (struct sockaddr *)&a, sizeof a) < 0 ||
        setsockopt(w->fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) < 0)
        die_errno("watch");
    /* With less it would notice no less, but mend more often than needed. */
    if (setsockopt(w->fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) < 0)
        log_warn("filter.watch", "room=\"%s\"", strerror(errno));
}

/* The attribute TYPE of a message whose attributes begin behind nfgenmsg; NULL if it has none. */
static const struct nlattr *attribute(const struct nlmsghdr *h, uint16_t type, size_t least)
{
    size_t at = NLMSG_HDRLEN + NLMSG_ALIGN(sizeof(struct nfgenmsg));
    while (at + sizeof(struct nlattr) <= h->nlmsg_len) {
        const struct nlattr *a = (const void *)((const char *)h + at);
        if (a->nla_len < sizeof *a || at + a->nla_len > h->nlmsg_len)
            return NULL;
        if ((a->nla_type & NLA_TYPE_MASK) == type && a->nla_len >= sizeof *a + least)
            return a;
        at += (size_t)NLA_ALIGN(a->nla_len);
    }
    return NULL;
}

static bool is_ours(const struct watch_state *w, const struct nlmsghdr *h)
{
    /* Whatever the message is about, its table's name comes as attribute 1. */
    const struct nlattr *a = attribute(h, NFTA_TABLE_NAME, 1);
    const struct nfgenmsg *g = (const void *)((const char *)h + NLMSG_HDRLEN);
    size_t n = strlen(w->table) + 1;
    return a && g->nfgen_family == NFPROTO_INET && a->nla_len == sizeof *a + n && memcmp(a + 1, w->table, n) == 0;
}

static void take_name(struct watch_state *w, const struct nlmsghdr *h)
{
    const struct nlattr *name = attribute(h, NFTA_GEN_PROC_NAME, 1), *pid = attribute(h, NFTA_GEN_PROC_PID, 4);
    uint32_t number;
    if (name == NULL || pid == NULL)
        return;
    memcpy(&number, pid + 1, sizeof number);
    snprintf(w->by, sizeof w->by, "%s, pid %u", escn(name + 1, strnlen((const char *)(name + 1), name->nla_len - sizeof *name)),
             ntohl(number));
}

static void take(struct watch_state *w, const struct nlmsghdr *h, uint32_t ours)
{
    if (h->nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES || h->nlmsg_len < NLMSG_LENGTH(sizeof(struct nfgenmsg)) || h->nlmsg_pid == ours)
        return;
    /* Each change ends in a new generation of the whole, which says by whom.  What is mended before would be taken for changed again. */
    if ((h->nlmsg_type & 0xff) != NFT_MSG_NEWGEN) {
        w->begun = w->begun || is_ours(w, h);
        return;
    }
    if (!w->begun)
        return;
    w->begun = false;
    w->changed = true;
    w->by[0] = '\0';
    take_name(w, h);
}

void watch_read(struct watch_state *w, uint32_t ours)
{
    static _Alignas(8) char got[65536];
    for (;;) {
        ssize_t n = recv(w->fd, got, sizeof got, 0);
        if (n < 0 && errno == EINTR)
            continue;
        /* More than the socket holds: something was missed, and may have been ours. */
        if (n < 0 && errno == ENOBUFS) {
            w->changed = true;
            snprintf(w->by, sizeof w->by, "too many changes at once to tell");
            continue;
        }
        if (n <= 0)
            return;
        for (struct nlmsghdr *h = (void *)got; NLMSG_OK(h, (size_t)n); h = NLMSG_NEXT(h, n))
            take(w, h, ours);
    }
}
