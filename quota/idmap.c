#include "quota/idmap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/io.h"

static int fail(struct err *e, const char *what)
{
    return err_set(e, errno, "id map", "%s", what);
}

static int write_map(pid_t pid, const char *file, const char *map, struct err *e)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
    CLOSE_FD int fd = open(path, O_WRONLY | O_CLOEXEC);
    return fd < 0 || io_write_all(fd, map, strlen(map)) < 0 ? fail(e, file) : 0;
}

static int open_namespace(pid_t pid, const char *uids, const char *gids, struct err *e)
{
    char path[64];
    if (write_map(pid, "uid_map", uids, e) < 0 || write_map(pid, "gid_map", gids, e) < 0)
        return -1;
    snprintf(path, sizeof path, "/proc/%d/ns/user", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? fail(e, "open its namespace") : fd;
}

static int end(int process, struct err *e)
{
    siginfo_t gone = { 0 };
    int r;
    while ((r = waitid(P_PIDFD, (id_t)process, &gone, WEXITED)) < 0 && errno == EINTR)
        ;
    if (r < 0)
        return fail(e, "waitid");
    if (gone.si_code == CLD_EXITED && gone.si_status == 0)
        return 0;
    return err_set(e, gone.si_code == CLD_EXITED ? gone.si_status : 0, "id map", "the process that holds it");
}

/* A user namespace that says whose files are whose, and has no other use: a process must be in it to make it, and goes when we hold it, or are
   gone ourselves. */
static int make(const char *uids, const char *gids, struct err *e)
{
    int ends[2], pidfd = -1;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return fail(e, "pipe");
    CLOSE_FD int wait = ends[0], hold = ends[1];
    struct clone_args a = { .flags = CLONE_NEWUSER | CLONE_PIDFD, .pidfd = (uintptr_t)&pidfd, .exit_signal = SIGCHLD };
    pid_t pid = (pid_t)syscall(SYS_clone3, &a, sizeof a);
    if (pid < 0)
        return fail(e, "user namespace");
    if (pid == 0) {
        char byte;
        close(hold);
        _exit(read(wait, &byte, 1) == 0 ? EXIT_SUCCESS : errno);
    }
    CLOSE_FD int process = pidfd;
    CLOSE_FD int fd = open_namespace(pid, uids, gids, e);
    close(fd_steal(&hold));
    return end(process, e) < 0 || fd < 0 ? -1 : fd_steal(&fd);
}

int idmap_apply(int tree, const char *uids, const char *gids, struct err *e)
{
    CLOSE_FD int users = make(uids, gids, e);
    if (users < 0)
        return -1;
    struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (unsigned)users };
    if (mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof attr) == 0)
        return 0;
    return errno == EINVAL ? 1 : fail(e, "mount_setattr");
}

/* Inside is the disk's, outside is what the mount shows.  0 of the disk is lost+found, or what root put on a disk whose ids are a node's; the
   lowest id of such a disk belonged to nobody ever. */
int idmap_set(int tree, uid_t disk, uid_t host, struct err *e)
{
    char map[128];
    if (disk == 0)
        snprintf(map, sizeof map, "0 %u %d\n", (unsigned)host, IDMAP_IDS);
    else
        snprintf(map, sizeof map, "0 %u 1\n%u %u %d\n", (unsigned)host, (unsigned)disk + 1, (unsigned)host + 1, IDMAP_IDS - 1);
    return idmap_apply(tree, map, map, e);
}
