#include "quota/found.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "quota/ext4.h"

#define FOUND "lost+found"

/* The server's folder for them, its owner that of its files; what else has that name already is left alone. */
static int open_new(int files, const struct stat *owner, struct err *e)
{
    char name[32];
    int fd = -1;
    for (unsigned i = 0; fd < 0 && i < 1000; i++) {
        snprintf(name, sizeof name, i ? FOUND ".%u" : FOUND, i);
        if (mkdirat(files, name, 0700) == 0)
            fd = openat(files, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        else if (errno != EEXIST)
            break;
    }
    if (fd >= 0 && fchown(fd, owner->st_uid, owner->st_gid) == 0)
        return fd;
    err_set(e, errno, FOUND, "make among the server's files");
    if (fd >= 0)
        close(fd);
    return -1;
}

static int move_all(const char *name, int from, int to, struct err *e)
{
    unsigned moved = 0;
    CLOSE_FD int again = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = again < 0 ? NULL : fdopendir(again);
    if (d == NULL)
        return err_set(e, errno, FOUND, "list");
    fd_steal(&again);
    for (struct dirent *f; (f = readdir(d));) {
        if (strcmp(f->d_name, ".") == 0 || strcmp(f->d_name, "..") == 0)
            continue;
        if (io_rename_new(from, f->d_name, to, f->d_name) < 0) {
            closedir(d);
            return err_set(e, errno, FOUND, "move to the server's files");
        }
        moved++;
    }
    closedir(d);
    log_warn("files that had lost their names are in " FOUND " of the server", "server=%s files=%u", name, moved);
    return 0;
}

/* The root folder of an earlier version's disk is the server's: it stays where it is. */
static int give(const char *name, int lost, const struct stat *owner, struct err *e)
{
    if (fchown(lost, owner->st_uid, owner->st_gid) < 0)
        return err_set(e, errno, FOUND, "give to the server");
    log_warn("files that had lost their names are in " FOUND " of the server", "server=%s", name);
    return 0;
}

int found_settle(const char *name, int whole, bool ours, struct err *e)
{
    struct stat owner;
    if (unlinkat(whole, FOUND, AT_REMOVEDIR) == 0 || errno == ENOENT || errno == ENOTDIR)
        return 0;
    if (errno != ENOTEMPTY)
        return err_set(e, errno, FOUND, "remove");
    CLOSE_FD int lost = openat(whole, FOUND, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    CLOSE_FD int files = openat(whole, ours ? EXT4_FILES : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (lost < 0 || files < 0 || fstat(files, &owner) < 0)
        return err_set(e, errno, FOUND, "open");
    if (!ours)
        return give(name, lost, &owner, e);
    CLOSE_FD int to = open_new(files, &owner, e);
    if (to < 0 || move_all(name, lost, to, e) < 0)
        return -1;
    return unlinkat(whole, FOUND, AT_REMOVEDIR) < 0 ? err_set(e, errno, FOUND, "remove") : 0;
}
