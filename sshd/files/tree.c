#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "sshd/files/beneath.h"
#include "sshd/files/failure.h"
#include "sshd/files/requests.h"

/* The last name of a path that has none: the top itself, which is not the session's to make, move or remove. */
static int fail_parent(struct worker *w)
{
    if (errno == EBUSY)
        return fail(w, FX_PERMISSION_DENIED, "the server's top directory stays as it is");
    return fail_errno(w, errno);
}

int files_mkdir(struct worker *w, struct msg *m, struct msg *answer UNUSED)
{
    struct attrs a;
    const char *name;
    FREE_MEM char *path = msg_get_str(m);
    request_attrs(m, &a);
    msg_end(m);
    CLOSE_FD int dir = beneath_parent(w, 0, path, &name);
    if (dir < 0)
        return errno == EBUSY ? fail_errno(w, EEXIST) : fail_errno(w, errno);
    mode_t mode = a.flags & ATTRS_MODE ? a.mode & MODE_MASK : 0777;
    return mkdirat(dir, name, mode) < 0 ? fail_errno(w, errno) : 0;
}

static int drop(struct worker *w, struct msg *m, int flags)
{
    const char *name;
    FREE_MEM char *path = msg_get_str(m);
    msg_end(m);
    CLOSE_FD int dir = beneath_parent(w, 0, path, &name);
    if (dir < 0)
        return fail_parent(w);
    return unlinkat(dir, name, flags) < 0 ? fail_errno(w, errno) : 0;
}

int files_rmdir(struct worker *w, struct msg *m, struct msg *answer UNUSED)
{
    return drop(w, m, AT_REMOVEDIR);
}

int files_remove(struct worker *w, struct msg *m, struct msg *answer UNUSED)
{
    return drop(w, m, 0);
}

int files_rename(struct worker *w, struct msg *m, struct msg *answer UNUSED)
{
    const char *from_name, *to_name;
    FREE_MEM char *from = msg_get_str(m);
    FREE_MEM char *to = msg_get_str(m);
    bool over = msg_get_u32(m) != 0;
    msg_end(m);
    CLOSE_FD int from_dir = beneath_parent(w, 0, from, &from_name);
    if (from_dir < 0)
        return fail_parent(w);
    CLOSE_FD int to_dir = beneath_parent(w, 1, to, &to_name);
    if (to_dir < 0)
        return fail_parent(w);
    /* Not libc's, which takes another call when there are no flags. */
    if ((over ? syscall(SYS_renameat2, from_dir, from_name, to_dir, to_name, 0) : io_rename_new(from_dir, from_name, to_dir, to_name)) == 0)
        return 0;
    return errno == EINVAL ? fail(w, FX_FAILURE, "a directory cannot be moved into itself") : fail_errno(w, errno);
}

int files_link(struct worker *w, struct msg *m, struct msg *answer UNUSED)
{
    const char *target_name, *name;
    FREE_MEM char *target = msg_get_str(m);
    FREE_MEM char *path = msg_get_str(m);
    msg_end(m);
    CLOSE_FD int target_dir = beneath_parent(w, 0, target, &target_name);
    if (target_dir < 0)
        return fail_parent(w);
    CLOSE_FD int dir = beneath_parent(w, 1, path, &name);
    if (dir < 0)
        return fail_parent(w);
    if (linkat(target_dir, target_name, dir, name, 0) == 0)
        return 0;
    return errno == EPERM ? fail(w, FX_PERMISSION_DENIED, "a directory cannot be linked") : fail_errno(w, errno);
}

int files_symlink(struct worker *w, struct msg *m, struct msg *answer UNUSED)
{
    const char *name;
    FREE_MEM char *target = msg_get_str(m);
    FREE_MEM char *path = msg_get_str(m);
    msg_end(m);
    CLOSE_FD int dir = beneath_parent(w, 1, path, &name);
    if (dir < 0)
        return fail_parent(w);
    return symlinkat(target, dir, name) < 0 ? fail_errno(w, errno) : 0;
}
