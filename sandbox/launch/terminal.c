#include "sandbox/launch/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/die.h"
#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "sandbox/launch/jobs.h"
#include "sandbox/launch/plan.h"
#include "sandbox/proto.h"

enum { PTMX_MAJOR = 5, PTMX_MINOR = 2 };

/* The way to it is the sandbox's and cannot be changed from inside; that it is what it should be is looked at all the same.
   ENXIO: it is not. */
static bool is_master(int fd)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return false;
    errno = ENXIO;
    return S_ISCHR(st.st_mode) && major(st.st_rdev) == PTMX_MAJOR && minor(st.st_rdev) == PTMX_MINOR;
}

int terminal_open(uint16_t columns, uint16_t rows, int *slave)
{
    const struct winsize size = { .ws_col = columns, .ws_row = rows };
    int unlock = 0;
    CLOSE_FD int master = open("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_NOFOLLOW | O_CLOEXEC);
    if (master < 0)
        return -1;
    if (!is_master(master))
        return -1;
    if (ioctl(master, TIOCSPTLCK, &unlock) < 0 || (columns && ioctl(master, TIOCSWINSZ, &size) < 0))
        return -1;
    CLOSE_FD int peer = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (peer < 0 || fchown(peer, PLAN_SERVER_UID, PLAN_TTY_GID) < 0)
        return -1;
    *slave = fd_steal(&peer);
    return fd_steal(&master);
}

/* Its owner alone may look at an undumpable process in it.  Of one that was started before it had an owner of its own, that is root. */
static int enter(int init, uid_t owner)
{
    enum { SPACES = CLONE_NEWUSER | CLONE_NEWNS };
    if (seteuid(owner) < 0)
        return -1;
    if (setns(init, SPACES) == 0)
        return 0;
    return errno == EPERM && seteuid(0) == 0 ? setns(init, SPACES) : -1;
}

/* Its pid namespace is not entered, so nothing in it sees this process; nothing of the sandbox's is executed. */
int job_terminal(struct msg *m, struct err *e)
{
    FREE_MEM char *server = msg_get_str(m);
    uint32_t base = msg_get_u32(m), columns = msg_get_u32(m), rows = msg_get_u32(m);
    CLOSE_FD int init = msg_get_fd(m);
    msg_end(m);
    log_context("server=%s", esc(server));
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        return err_set(e, errno, "undumpable", "%s", "");
    if (enter(init, base + PLAN_OWNER_UID) < 0)
        return err_set(e, errno, "setns", "user, mnt");
    if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
        return err_set(e, errno, "become", "root inside");
    int other;
    CLOSE_FD int master = terminal_open((uint16_t)columns, (uint16_t)rows, &other);
    if (master < 0)
        return err_set(e, errno, "terminal", "dev/pts");
    CLOSE_FD int slave = other;
    struct msg out MSG_FREE;
    msg_begin(&out, LAUNCH_DONE, 0);
    msg_put_u32(&out, 1);
    msg_put_u32(&out, 0);
    msg_put_str(&out, "");
    msg_put_str(&out, "");
    msg_put_fd(&out, master);
    msg_put_fd(&out, slave);
    if (msg_send(LINK_FD, &out) < 0)
        die_errno("answer");
    return JOB_ANSWERED;
}
