#include "sandbox/launch/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/die.h"

enum { BATCH_MOST = 16, ADDRESS_BITS = 30, ADDRESS6_BITS = 126, LOOPBACK_INDEX = 1, MAC_SIZE = 6 };

/* Several requests sent at once; each is acknowledged. */
struct batch {
    int fd;
    size_t len;
    unsigned n;
    int tolerated[BATCH_MOST];   /* an errno that request may end with */
    _Alignas(4) uint8_t bytes[2048];
};

static void *add(struct batch *b, const void *bytes, size_t size)
{
    size_t padded = NLMSG_ALIGN(size);
    invariant(b->len + padded <= sizeof b->bytes);
    uint8_t *at = b->bytes + b->len;
    memset(at, 0, padded);
    if (bytes)
        memcpy(at, bytes, size);
    b->len += padded;
    return at;
}

static struct nlmsghdr *request(struct batch *b, uint16_t type, uint16_t flags, int tolerated)
{
    invariant(b->n < BATCH_MOST);
    struct nlmsghdr h = { .nlmsg_type = type, .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags),
                          .nlmsg_seq = b->n };
    b->tolerated[b->n++] = tolerated;
    return add(b, &h, sizeof h);
}

static void end_request(struct batch *b, struct nlmsghdr *h)
{
    h->nlmsg_len = (uint32_t)(b->bytes + b->len - (uint8_t *)h);
}

static struct rtattr *attr(struct batch *b, unsigned type, const void *bytes, size_t size)
{
    struct rtattr a = { .rta_type = (unsigned short)type, .rta_len = (unsigned short)RTA_LENGTH(size) };
    struct rtattr *at = add(b, &a, sizeof a);
    if (size)
        add(b, bytes, size);
    return at;
}

static void attr_str(struct batch *b, unsigned type, const char *s)
{
    attr(b, type, s, strlen(s) + 1);
}

static struct rtattr *nest(struct batch *b, unsigned type)
{
    return attr(b, type, NULL, 0);
}

static void end_nest(struct batch *b, struct rtattr *a)
{
    a->rta_len = (unsigned short)(b->bytes + b->len - (uint8_t *)a);
}

/* 0, or -1 with errno of the first request that was refused. */
static int commit(struct batch *b)
{
    unsigned n = b->n;
    ssize_t sent = send(b->fd, b->bytes, b->len, 0);
    b->n = 0;
    b->len = 0;
    if (sent < 0)
        return -1;
    int no = 0;
    while (n > 0) {
        _Alignas(8) uint8_t got[4096];
        ssize_t len = recv(b->fd, got, sizeof got, 0);
        if (len < 0)
            return -1;
        for (struct nlmsghdr *h = (void *)got; NLMSG_OK(h, (size_t)len); h = NLMSG_NEXT(h, len)) {
            if (h->nlmsg_type != NLMSG_ERROR)
                continue;
            const struct nlmsgerr *answer = NLMSG_DATA(h);
            n--;
            if (answer->error && no == 0 && h->nlmsg_seq < BATCH_MOST && -answer->error != b->tolerated[h->nlmsg_seq])
                no = -answer->error;
        }
    }
    errno = no;
    return no ? -1 : 0;
}

static int index_of(const struct batch *b, const char *name)
{
    struct ifreq r = { 0 };
    snprintf(r.ifr_name, sizeof r.ifr_name, "%s", name);
    return ioctl(b->fd, SIOCGIFINDEX, &r) < 0 ? -1 : r.ifr_ifindex;
}

/* Made of the address, so that each end knows the other's without asking. */
static void mac_of(uint32_t address, uint8_t mac[MAC_SIZE])
{
    const uint8_t bytes[MAC_SIZE] = { 0x02, 'h', (uint8_t)(address >> 24), (uint8_t)(address >> 16), (uint8_t)(address >> 8), (uint8_t)address };
    memcpy(mac, bytes, MAC_SIZE);
}

static void attr_mac(struct batch *b, unsigned type, uint32_t address)
{
    uint8_t mac[MAC_SIZE];
    mac_of(address, mac);
    attr(b, type, mac, sizeof mac);
}

/* As many as are used.  With none asked for the kernel makes one a processor, and waits twice for all processors until they are away again. */
static void attr_queues(struct batch *b)
{
    uint32_t one = 1;
    attr(b, IFLA_NUM_TX_QUEUES, &one, sizeof one);
    attr(b, IFLA_NUM_RX_QUEUES, &one, sizeof one);
}

static void put_pair(struct batch *b, const struct plan *p, int net)
{
    struct ifinfomsg info = { .ifi_family = AF_UNSPEC };
    struct nlmsghdr *h = request(b, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0);
    add(b, &info, sizeof info);
    attr_str(b, IFLA_IFNAME, p->interface);
    attr_mac(b, IFLA_ADDRESS, p->host);
    attr_queues(b);
    struct rtattr *link = nest(b, IFLA_LINKINFO);
    attr_str(b, IFLA_INFO_KIND, "veth");
    struct rtattr *data = nest(b, IFLA_INFO_DATA);
    struct rtattr *peer = nest(b, VETH_INFO_PEER);
    add(b, &info, sizeof info);
    attr_str(b, IFLA_IFNAME, "eth0");
    attr_mac(b, IFLA_ADDRESS, p->inside);
    attr_queues(b);
    attr(b, IFLA_NET_NS_FD, &net, sizeof net);
    end_nest(b, peer);
    end_nest(b, data);
    end_nest(b, link);
    end_request(b, h);
}

/* Up without a link-local IPv6 address, of which neither side has need.  The mode must stand before the link is up;
   a kernel without IPv6 needs neither. */
static void put_up(struct batch *b, int index, bool no_ipv6)
{
    struct ifinfomsg info = { .ifi_family = AF_UNSPEC, .ifi_index = index };
    if (no_ipv6) {
        uint8_t mode = IN6_ADDR_GEN_MODE_NONE;
        struct nlmsghdr *h = request(b, RTM_SETLINK, 0, EAFNOSUPPORT);
        add(b, &info, sizeof info);
        struct rtattr *families = nest(b, IFLA_AF_SPEC);
        struct rtattr *family = nest(b, AF_INET6);
        attr(b, IFLA_INET6_ADDR_GEN_MODE, &mode, sizeof mode);
        end_nest(b, family);
        end_nest(b, families);
        end_request(b, h);
    }
    info.ifi_flags = IFF_UP;
    info.ifi_change = IFF_UP;
    struct nlmsghdr *h = request(b, RTM_NEWLINK, 0, 0);
    add(b, &info, sizeof info);
    end_request(b, h);
}

static void put_address(struct batch *b, int index, uint32_t address)
{
    struct ifaddrmsg info = { .ifa_family = AF_INET, .ifa_prefixlen = ADDRESS_BITS, .ifa_index = (unsigned)index };
    uint32_t wire = htonl(address);
    struct nlmsghdr *h = request(b, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, 0);
    add(b, &info, sizeof info);
    attr(b, IFA_LOCAL, &wire, sizeof wire);
    attr(b, IFA_ADDRESS, &wire, sizeof wire);
    end_request(b, h);
}

/* An address of IPv6, which is at hand at once: nobody else is on the line to have it too. */
static void put_address6(struct batch *b, int index, const char *text)
{
    struct ifaddrmsg info = { .ifa_family = AF_INET6, .ifa_prefixlen = ADDRESS6_BITS, .ifa_flags = IFA_F_NODAD, .ifa_index = (unsigned)index };
    struct in6_addr wire;
    if (inet_pton(AF_INET6, text, &wire) != 1)
        bug("address %s", text);
    struct nlmsghdr *h = request(b, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, 0);
    add(b, &info, sizeof info);
    attr(b, IFA_LOCAL, &wire, sizeof wire);
    attr(b, IFA_ADDRESS, &wire, sizeof wire);
    end_request(b, h);
}

static void put_neighbour(struct batch *b, int index, int family, const void *wire, size_t size, uint32_t other)
{
    struct ndmsg info = { .ndm_family = (uint8_t)family, .ndm_ifindex = index, .ndm_state = NUD_PERMANENT };
    struct nlmsghdr *h = request(b, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, 0);
    add(b, &info, sizeof info);
    attr(b, NDA_DST, wire, size);
    attr_mac(b, NDA_LLADDR, other);
    end_request(b, h);
}

/* The other end, for good: nothing is asked on the line, so there is nothing to answer wrongly, and without link-local addresses IPv6 could not
   ask.  Such entries do not count towards the kernel's limit, which all servers and the LAN would share. */
static void put_other_end(struct batch *b, int index, uint32_t other, const char *other6)
{
    struct in6_addr wire6;
    uint32_t wire = htonl(other);
    put_neighbour(b, index, AF_INET, &wire, sizeof wire, other);
    if (other6[0] && inet_pton(AF_INET6, other6, &wire6) == 1)
        put_neighbour(b, index, AF_INET6, &wire6, sizeof wire6, other);
}

static void put_way_out(struct batch *b, int index, int family, const void *gateway, size_t size)
{
    struct rtmsg info = { .rtm_family = (uint8_t)family, .rtm_table = RT_TABLE_MAIN, .rtm_protocol = RTPROT_BOOT,
                          .rtm_scope = RT_SCOPE_UNIVERSE, .rtm_type = RTN_UNICAST };
    struct nlmsghdr *h = request(b, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, 0);
    add(b, &info, sizeof info);
    attr(b, RTA_GATEWAY, gateway, size);
    attr(b, RTA_OIF, &index, sizeof index);
    end_request(b, h);
}

/* What goes further than the host is the packet filter's to decide, on the host. */
static void put_ways_out(struct batch *b, int index, const struct plan *p)
{
    struct in6_addr wire6;
    uint32_t wire = htonl(p->host);
    put_way_out(b, index, AF_INET, &wire, sizeof wire);
    if (p->host6[0] && inet_pton(AF_INET6, p->host6, &wire6) == 1)
        put_way_out(b, index, AF_INET6, &wire6, sizeof wire6);
}

static int remove_link(struct batch *b, const char *name)
{
    struct ifinfomsg info = { .ifi_family = AF_UNSPEC };
    struct nlmsghdr *h = request(b, RTM_DELLINK, 0, ENODEV);
    add(b, &info, sizeof info);
    attr_str(b, IFLA_IFNAME, name);
    end_request(b, h);
    return commit(b);
}

static int make_pair(struct batch *b, const struct plan *p, int net)
{
    put_pair(b, p, net);
    if (commit(b) == 0)
        return 0;
    if (errno != EEXIST || remove_link(b, p->interface) < 0)
        return -1;
    put_pair(b, p, net);
    return commit(b);
}

int net_socket(void)
{
    return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
}

int net_host_up(const struct plan *p, int net, struct err *e)
{
    CLOSE_FD int fd = net_socket();
    struct batch b = { .fd = fd };
    if (fd < 0)
        return err_set(e, errno, "network", "socket");
    if (make_pair(&b, p, net) < 0)
        return err_set(e, errno, "network: veth", "%s", p->interface);
    int index = index_of(&b, p->interface);
    if (index < 0)
        return err_set(e, errno, "network: index", "%s", p->interface);
    put_address(&b, index, p->host);
    put_up(&b, index, true);
    if (p->host6[0])
        put_address6(&b, index, p->host6);
    put_other_end(&b, index, p->inside, p->inside6);
    return commit(&b) < 0 ? err_set(e, errno, "network: address", "%s", p->interface) : 0;
}

void net_host_down(const struct plan *p)
{
    if (p->network != NETWORK_PRIVATE)
        return;
    CLOSE_FD int fd = net_socket();
    struct batch b = { .fd = fd };
    if (fd >= 0)
        remove_link(&b, p->interface);
}

int net_inside_up(const struct plan *p, int fd, struct err *e)
{
    struct batch b = { .fd = fd };
    if (p->network != NETWORK_PRIVATE)
        return 0;
    int index = index_of(&b, "eth0");
    if (index < 0)
        return err_set(e, errno, "network: index", "eth0 inside");
    put_up(&b, LOOPBACK_INDEX, false);
    put_address(&b, index, p->inside);
    put_up(&b, index, true);
    if (p->inside6[0])
        put_address6(&b, index, p->inside6);
    put_other_end(&b, index, p->host, p->host6);
    put_ways_out(&b, index, p);
    return commit(&b) < 0 ? err_set(e, errno, "network: address", "inside") : 0;
}
