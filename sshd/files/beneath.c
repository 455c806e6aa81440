#include "sshd/files/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/attr.h"

int beneath_open(const struct worker *w, const char *path, int flags, mode_t mode)
{
    struct open_how how = {
        .flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
        .mode = flags & O_CREAT ? mode : 0,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,
    };
    /* EAGAIN: something was renamed while ".." was resolved, and the kernel would not swear to the result. */
    for (int turn = 0;; turn++) {
        long fd = syscall(SYS_openat2, w->root, path[0] ? path : ".", &how, sizeof how);
        if (fd >= 0 || (errno != EAGAIN && errno != EINTR) || turn == 64)
            return (int)fd;
    }
}

int beneath_parent(const struct worker *w, char *path, const char **last)
{
    size_t len = strlen(path);
    while (len > 0 && path[len - 1] == '/')
        path[--len] = '\0';
    char *slash = strrchr(path, '/');
    *last = slash ? slash + 1 : path;
    if ((*last)[0] == '\0' || strcmp(*last, ".") == 0 || strcmp(*last, "..") == 0) {
        errno = EBUSY;
        return -1;
    }
    if (slash)
        *slash = '\0';
    return beneath_open(w, slash ? path : "", O_PATH | O_DIRECTORY, 0);
}

int beneath_look(const struct worker *w, const char *path, int follow, struct stat *st)
{
    CLOSE_FD int fd = beneath_open(w, path, O_PATH | (follow ? 0 : O_NOFOLLOW), 0);
    if (fd < 0 || fstat(fd, st) < 0)
        return -1;
    return fd_steal(&fd);
}

int beneath_same(const struct worker *w, const char *path, int flags, const struct stat *seen)
{
    struct stat st;
    CLOSE_FD int fd = beneath_open(w, path, flags | O_NONBLOCK | O_NOCTTY, 0);
    if (fd < 0 || fstat(fd, &st) < 0)
        return -1;
    if (st.st_dev != seen->st_dev || st.st_ino != seen->st_ino) {
        errno = EAGAIN;
        return -1;
    }
    return fd_steal(&fd);
}
