#include "sandbox/launch/space.h"

#include <errno.h>
#include <linux/sockios.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "sandbox/launch/net.h"

enum { STACK = 16 << 10 };

struct job {
    int users, route;
    uint64_t flags;
    bool done;
    struct err *e;
};

/* Who enters the server's user namespace loses launch's rights for good, so it is a process of its own that does.  It has launch's memory and
   descriptors, and launch stands still until it ends. */
static int make(void *data)
{
    struct job *j = data;
    if ((j->flags & CLONE_NEWUSER) && setns(j->users, CLONE_NEWUSER) < 0)
        err_set(j->e, errno, "network namespace", "enter the server's user namespace");
    else if (unshare((int)(j->flags & CLONE_NEWNET)) < 0)
        err_set(j->e, errno, "network namespace", "unshare");
    else if ((j->route = net_socket()) < 0)
        err_set(j->e, errno, "network namespace", "socket");
    else
        j->done = true;
    _exit(0);
}

int space_make(int users, uint64_t flags, int *route, int *net, struct err *e)
{
    static _Alignas(16) char stack[STACK];
    struct job j = { .users = users, .route = -1, .flags = flags, .e = e };
    int status;
    pid_t pid = clone(make, stack + sizeof stack, CLONE_VM | CLONE_VFORK | CLONE_FILES | SIGCHLD, &j);
    if (pid < 0)
        return err_set(e, errno, "network namespace", "clone");
    if (waitpid(pid, &status, 0) < 0)
        return err_set(e, errno, "network namespace", "wait");
    CLOSE_FD int socket = j.route;
    if (!j.done)
        return e->step[0] ? -1 : err_set(e, 0, "network namespace", "its maker was killed");
    if ((*net = ioctl(socket, SIOCGSKNS)) < 0)
        return err_set(e, errno, "network namespace", "of the socket");
    *route = fd_steal(&socket);
    return 0;
}
