#include "sandbox/filter/iface.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>

#include "base/die.h"

struct removal {
    struct nlmsghdr head;
    struct ifinfomsg info;
    struct rtattr attr;
    char name[IFNAMSIZ];
};

int iface_open(void)
{
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (fd < 0)
        die_errno("route socket");
    return fd;
}

static int answer(int fd)
{
    _Alignas(8) char got[4096];
    ssize_t n = recv(fd, got, sizeof got, 0);
    const struct nlmsghdr *h = (void *)got;
    if (n < 0)
        return errno;
    if (!NLMSG_OK(h, (size_t)n) || h->nlmsg_type != NLMSG_ERROR || h->nlmsg_len < NLMSG_LENGTH(sizeof(struct nlmsgerr)))
        return EPROTO;
    return -((const struct nlmsgerr *)NLMSG_DATA(h))->error;
}

int iface_remove(int fd, const char *name, struct err *e)
{
    struct removal r = {
        .head = { .nlmsg_len = sizeof r, .nlmsg_type = RTM_DELLINK, .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK },
        .attr = { .rta_len = RTA_LENGTH(IFNAMSIZ), .rta_type = IFLA_IFNAME },
    };
    if (strlen(name) >= sizeof r.name)
        return err_set(e, EINVAL, "interface", "%s", name);
    memcpy(r.name, name, strlen(name));
    int no = send(fd, &r, sizeof r, 0) < 0 ? errno : answer(fd);
    return no && no != ENODEV ? err_set(e, no, "interface", "%s", name) : 0;
}
