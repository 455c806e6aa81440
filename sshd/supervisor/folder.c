#include "sshd/supervisor/folder.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

int folder_make(const char *path, uid_t uid, mode_t mode, struct err *e)
{
    struct stat st;
    if (mkdir(path, mode) < 0 && errno != EEXIST)
        return err_set(e, errno, "mkdir", "%s", path);
    if (lstat(path, &st) < 0 || !S_ISDIR(st.st_mode))
        return err_set(e, ENOTDIR, "folder", "%s", path);
    if (st.st_uid == 0 && uid != 0 && chown(path, uid, uid) < 0)
        return err_set(e, errno, "chown", "%s", path);
    return 0;
}
