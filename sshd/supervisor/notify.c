#include "sshd/supervisor/notify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/attr.h"

/* Our own environment, set by who started us as root. */
static const char *variable(const char *name)
{
    size_t n = strlen(name);
    for (char **at = environ; at && *at; at++)
        if (strncmp(*at, name, n) == 0 && (*at)[n] == '=')
            return *at + n + 1;
    return NULL;
}

void notify_send(const char *text)
{
    const char *path = variable("NOTIFY_SOCKET");
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    if (path == NULL || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof a.sun_path)
        return;
    snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    if (path[0] == '@')
        a.sun_path[0] = '\0';
    CLOSE_FD int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0)
        sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&a, size);
}

static struct { struct loop *loop; unsigned long long ms; } dog;

static void bark(void *data)
{
    notify_send("WATCHDOG=1");
    loop_timer(dog.loop, dog.ms, bark, data);
}

void notify_watchdog(struct loop *l)
{
    const char *usec = variable("WATCHDOG_USEC");
    dog.loop = l;
    dog.ms = usec ? strtoull(usec, NULL, 10) / 2000 : 0;
    if (dog.ms)
        bark(NULL);
}
