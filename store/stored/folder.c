#include "store/stored/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/attr.h"

static int check(const struct stat *st, mode_t type, const char *what, mode_t mode, const char *name, struct err *e)
{
    if ((st->st_mode & S_IFMT) != type)
        return err_set(e, 0, name, "is not %s", what);
    if (st->st_uid != geteuid())
        return err_set(e, 0, name, "belongs to uid %u, must belong to %u", st->st_uid, geteuid());
    if ((st->st_mode & 07777) != mode)
        return err_set(e, 0, name, "has mode %04o, must have %04o", st->st_mode & 07777, mode);
    return 0;
}

int folder_check(int folder, const char *path, const char *name, struct err *e)
{
    struct stat st;
    char whole[PATH_MAX];
    snprintf(whole, sizeof whole, "%s/%s", path, name);
    if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : err_set(e, errno, "stat", "%s", whole);
    if (check(&st, S_IFREG, "a plain file", 0600, whole, e) < 0)
        return -1;
    return st.st_nlink == 1 ? 0 : err_set(e, 0, whole, "has %lu names, must have one", (unsigned long)st.st_nlink);
}

int folder_open(const char *path, struct err *e)
{
    static const char *const files[] = { "store.db", "store.db-wal", "store.db-shm", "hash.key" };
    if (path[0] != '/' || strlen(path) > PATH_MAX - 32)
        return err_set(e, 0, "folder", "'%s' is no absolute path, or too long", path);
    CLOSE_FD int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return err_set(e, errno, "open", "%s", path);
    struct stat st;
    if (fstat(fd, &st) < 0)
        return err_set(e, errno, "stat", "%s", path);
    if (check(&st, S_IFDIR, "a folder", 0700, path, e) < 0)
        return -1;
    for (size_t i = 0; i < countof(files); i++)
        if (folder_check(fd, path, files[i], e) < 0)
            return -1;
    return fd_steal(&fd);
}

void folder_tidy(int folder, bool old_key)
{
    static const char *const left[] = { "copy.db", "copy.db-journal", "hash.key" };
    for (size_t i = 0; i < countof(left) - !old_key; i++)
        unlinkat(folder, left[i], 0);
}
