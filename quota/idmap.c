#include "quota/idmap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/io.h"

/* A user namespace is made by being in it: a process that waits there until it is killed. */
static pid_t spawn(void)
{
    struct clone_args a = { .flags = CLONE_NEWUSER, .exit_signal = SIGCHLD };
    pid_t parent = getpid(), pid = (pid_t)syscall(SYS_clone3, &a, sizeof a);
    if (pid != 0)
        return pid;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
        _exit(1);
    for (;;)
        pause();
}

static void end(pid_t pid)
{
    kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
}

/* Inside is the disk's, outside is what the mount shows.  0 of the disk is lost+found, or what root put on a disk whose ids are a node's; the
   lowest id of such a disk belonged to nobody ever. */
static int write_map(pid_t pid, const char *file, uid_t disk, uid_t host, struct err *e)
{
    char path[64], map[128];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
    int n = disk == 0 ? snprintf(map, sizeof map, "0 %u %d\n", (unsigned)host, IDMAP_IDS)
                      : snprintf(map, sizeof map, "0 %u 1\n%u %u %d\n", (unsigned)host, (unsigned)disk + 1, (unsigned)host + 1, IDMAP_IDS - 1);
    CLOSE_FD int fd = open(path, O_WRONLY | O_CLOEXEC);
    return fd < 0 || write(fd, map, (size_t)n) != n ? err_set(e, errno, "id map", "%s", file) : 0;
}

static int open_namespace(pid_t pid, uid_t disk, uid_t host, struct err *e)
{
    char path[64];
    if (write_map(pid, "uid_map", disk, host, e) < 0 || write_map(pid, "gid_map", disk, host, e) < 0)
        return -1;
    snprintf(path, sizeof path, "/proc/%d/ns/user", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? err_set(e, errno, "id map", "open its namespace") : fd;
}

int idmap_set(int tree, uid_t disk, uid_t host, struct err *e)
{
    pid_t pid = spawn();
    if (pid < 0)
        return err_set(e, errno, "id map", "user namespace");
    CLOSE_FD int users = open_namespace(pid, disk, host, e);
    end(pid);
    if (users < 0)
        return -1;
    struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (unsigned)users };
    if (mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof attr) == 0)
        return 0;
    return errno == EINVAL ? 1 : err_set(e, errno, "id map", "mount_setattr");
}
