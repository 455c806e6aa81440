#include "sshd/supervisor/store_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/log.h"

static const char *const files[] = {
    "store.db", "store.db-wal", "store.db-shm", "activity.db", "activity.db-wal", "activity.db-shm", "hash.key",
};

static bool is_right(const struct stat *st, uid_t uid, mode_t mode)
{
    return st->st_uid == uid && st->st_gid == uid && (st->st_mode & 07777) == mode;
}

static int mend(int fd, const char *path, const char *name, const struct stat *st, uid_t uid, mode_t mode, struct err *e)
{
    if (is_right(st, uid, mode))
        return 0;
    /* The mode first: between the two nobody may do more than before. */
    if (fchmod(fd, st->st_mode & mode) < 0 || fchown(fd, uid, uid) < 0 || fchmod(fd, mode) < 0)
        return err_set(e, errno, "mend", "%s/%s", path, name);
    log_warn("store.mended", "file=%s/%s owner=%u:%u mode=%04o why=\"must be %u:%u %04o\"", path, name, st->st_uid, st->st_gid, st->st_mode & 07777, uid,
             uid, mode);
    return 0;
}

static int mend_file(int folder, bool was_shut, const char *path, const char *name, uid_t uid, struct err *e)
{
    struct stat st;
    /* O_NONBLOCK: a FIFO must not hold us.  Nothing else that can be opened here does something by being opened, as devices are looked at first. */
    if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : err_set(e, errno, "stat", "%s/%s", path, name);
    if (!S_ISREG(st.st_mode))
        return err_set(e, 0, "store", "%s/%s is no plain file: move it away", path, name);
    CLOSE_FD int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_set(e, errno, "open", "%s/%s", path, name);
    if (!S_ISREG(st.st_mode))
        return err_set(e, 0, "store", "%s/%s is no plain file: move it away", path, name);
    if (st.st_nlink != 1)
        return err_set(e, 0, "store", "%s/%s has %lu names, must have one: whose the others are cannot be told", path, name, (unsigned long)st.st_nlink);
    if (st.st_uid != uid && st.st_uid != 0 && !was_shut)
        return err_set(e, 0, "store", "%s/%s belongs to uid %u, in a folder that was open to others: it may be that one's work; chown it if it is not",
                       path, name, st.st_uid);
    return mend(fd, path, name, &st, uid, 0600, e);
}

int store_files_mend(const char *path, uid_t uid, struct err *e)
{
    struct stat st;
    CLOSE_FD int folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder < 0 || fstat(folder, &st) < 0)
        return err_set(e, errno, "open", "%s", path);
    bool was_shut = (st.st_uid == uid || st.st_uid == 0) && (st.st_gid == uid || st.st_gid == 0 || !(st.st_mode & 0070)) && !(st.st_mode & 0007);
    if (st.st_uid != uid && st.st_uid != 0)
        return err_set(e, 0, "store", "%s belongs to uid %u: what lies in it may be that one's work; chown it if it is not", path, st.st_uid);
    if (mend(folder, path, ".", &st, uid, 0700, e) < 0)
        return -1;
    for (size_t i = 0; i < countof(files); i++)
        if (mend_file(folder, was_shut, path, files[i], uid, e) < 0)
            return -1;
    return 0;
}
