#include "sandbox/filter/device.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/die.h"
#include "base/log.h"

int device_open(void)
{
    struct sockaddr_nl a = { .nl_family = AF_NETLINK };
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) < 0)
        die_errno("rtnetlink");
    return fd;
}

void device_remove(int fd, const char *name)
{
    struct {
        struct nlmsghdr h;
        struct ifinfomsg i;
        struct rtattr a;
        char name[IFNAMSIZ];
    } ask = { .h = { .nlmsg_len = sizeof ask, .nlmsg_type = RTM_DELLINK, .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK },
              .i = { .ifi_family = AF_UNSPEC }, .a = { .rta_len = RTA_LENGTH(IFNAMSIZ), .rta_type = IFLA_IFNAME } };
    struct { struct nlmsghdr h; struct nlmsgerr e; char rest[1024]; } answer = { 0 };
    snprintf(ask.name, sizeof ask.name, "%s", name);
    if (send(fd, &ask, sizeof ask, 0) < 0 || recv(fd, &answer, sizeof answer, 0) < (ssize_t)(sizeof answer.h + sizeof answer.e.error))
        log_warn("filter.device", "interface=%s error=\"%s\"", name, strerror(errno));
    else if (answer.e.error && answer.e.error != -ENODEV)
        log_warn("filter.device", "interface=%s error=\"%s\"", name, strerror(-answer.e.error));
    else if (answer.e.error == 0)
        log_info("filter.device", "interface=%s action=removed", name);
}
