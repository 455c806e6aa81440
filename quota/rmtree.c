#include "quota/rmtree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/io.h"

struct job { int top; uint64_t number; };

static DIR *open_folder(int parent, const char *name)
{
    CLOSE_FD int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (d)
        fd_steal(&fd);
    return d;
}

/* Depth costs nothing when no folder is ever below the second floor. */
static int lift(struct job *j, int from, const char *name)
{
    char up[24];
    do
        snprintf(up, sizeof up, "%016" PRIx64, j->number++);
    while (renameat2(from, name, j->top, up, RENAME_NOREPLACE) < 0 && errno == EEXIST);
    return faccessat(from, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0 ? 0 : -1;
}

static int remove_one(int from, const char *name)
{
    if (unlinkat(from, name, 0) == 0 || errno == ENOENT)
        return 0;
    return errno == EISDIR || errno == EPERM ? unlinkat(from, name, AT_REMOVEDIR) : -1;
}

static bool dots(const char *name)
{
    return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

/* All of FOLDER of the first floor is gone, or lifted to it. */
static int clear(struct job *j, const char *folder)
{
    DIR *d = open_folder(j->top, folder);
    if (d == NULL)
        return -1;
    int r = 0;
    for (struct dirent *f; r == 0 && (f = readdir(d));)
        if (!dots(f->d_name) && remove_one(dirfd(d), f->d_name) < 0)
            r = errno == ENOTEMPTY || errno == EEXIST ? lift(j, dirfd(d), f->d_name) : -1;
    int no = errno;
    closedir(d);
    errno = no;
    return r;
}

static int remove_or_clear(struct job *j, const char *name)
{
    while (remove_one(j->top, name) < 0)
        if ((errno != ENOTEMPTY && errno != EEXIST) || clear(j, name) < 0)
            return -1;
    return 0;
}

/* One pass over the first floor; what was lifted may be in it or not.  1 if something was there, 0, -1. */
static int pass(struct job *j)
{
    DIR *d = open_folder(j->top, ".");
    if (d == NULL)
        return -1;
    int r = 0;
    for (struct dirent *f; r >= 0 && (f = readdir(d));)
        if (!dots(f->d_name))
            r = remove_or_clear(j, f->d_name) < 0 ? -1 : 1;
    int no = errno;
    closedir(d);
    errno = no;
    return r;
}

int rmtree(int parent, const char *name, struct err *e)
{
    CLOSE_FD int top = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (top < 0)
        return errno == ENOENT ? 0 : err_set(e, errno, "remove", "%s", name);
    struct job j = { .top = top };
    int r;
    while ((r = pass(&j)) > 0)
        ;
    if (r < 0 || unlinkat(parent, name, AT_REMOVEDIR) < 0)
        return err_set(e, errno, "remove", "%s", name);
    return 0;
}
