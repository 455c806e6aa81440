#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "quota/kind.h"
#include "base/mem.h"
#include "sshd/files/beneath.h"
#include "sshd/files/failure.h"
#include "sshd/files/handle.h"
#include "sshd/files/requests.h"
#include "sshd/files/usage.h"
#include "sshd/proto.h"

static int look(struct worker *w, struct msg *m, struct msg *answer, int follow)
{
    struct stat st;
    FREE_MEM char *path = msg_get_str(m);
    msg_end(m);
    CLOSE_FD int fd = beneath_look(w, path, follow, &st);
    if (fd < 0)
        return fail_errno(w, errno);
    answer_attrs(answer, &st);
    return 0;
}

int files_stat(struct worker *w, struct msg *m, struct msg *answer)
{
    return look(w, m, answer, 1);
}

int files_lstat(struct worker *w, struct msg *m, struct msg *answer)
{
    return look(w, m, answer, 0);
}

int files_fstat(struct worker *w, struct msg *m, struct msg *answer)
{
    struct stat st;
    struct handle *h = handle_get(w->handles, msg_get_u32(m));
    msg_end(m);
    if (fstat(h->fd, &st) < 0)
        return fail_errno(w, errno);
    answer_attrs(answer, &st);
    return 0;
}

int files_readlink(struct worker *w, struct msg *m, struct msg *answer)
{
    struct stat st;
    char target[PATH_MAX];
    FREE_MEM char *path = msg_get_str(m);
    msg_end(m);
    CLOSE_FD int fd = beneath_look(w, path, 0, &st);
    if (fd < 0)
        return fail_errno(w, errno);
    if (!S_ISLNK(st.st_mode))
        return fail(w, FX_FAILURE, "not a symbolic link");
    ssize_t n = readlinkat(fd, "", target, sizeof target);
    if (n < 0)
        return fail_errno(w, errno);
    msg_put_bytes(answer, target, (size_t)n);
    return 0;
}

/* The limits, in place of the whole file system: blocks and inodes that others may take are not the server's. */
static void inodes_to(const struct usage *u, struct statvfs *f)
{
    f->f_files = u->inodes_limit;
    f->f_ffree = f->f_favail = u->inodes < u->inodes_limit ? u->inodes_limit - u->inodes : 0;
}

static void bytes_to(const struct usage *u, struct statvfs *f)
{
    uint64_t limit = u->limit / f->f_frsize, used = (u->used + f->f_frsize - 1) / f->f_frsize, there = f->f_bavail;
    f->f_blocks = limit;
    f->f_bavail = used < limit ? limit - used : 0;
    f->f_bavail = f->f_bavail < there ? f->f_bavail : there;
    f->f_bfree = f->f_bavail;
}

/* Neither blocks kept back for root nor the few past the limit are what the server has. */
static void own_part(const struct usage *u, struct statvfs *f)
{
    uint64_t blocks = f->f_blocks - (f->f_bfree - f->f_bavail);
    uint64_t past = blocks > u->limit / f->f_frsize ? blocks - u->limit / f->f_frsize : 0;
    uint64_t used = (u->used + f->f_frsize - 1) / f->f_frsize;
    f->f_blocks = blocks - past;
    f->f_bavail = f->f_bfree = past ? used < f->f_blocks ? f->f_blocks - used : 0 : f->f_bavail;
}

int files_statvfs(struct worker *w, struct msg *m, struct msg *answer)
{
    struct statvfs f;
    struct stat st;
    struct usage u;
    FREE_MEM char *path = msg_get_str(m);
    msg_end(m);
    CLOSE_FD int fd = beneath_look(w, path, 1, &st);
    if (fd < 0 || fstatvfs(fd, &f) < 0)
        return fail_errno(w, errno);
    usage_now(w, &u);
    if (w->usage == DISK_COUNT_STATFS || w->usage == DISK_COUNT_OBJECTS)
        own_part(&u, &f);
    else
        bytes_to(&u, &f);
    if (w->usage != DISK_COUNT_STATFS)
        inodes_to(&u, &f);
    const uint64_t v[] = { f.f_bsize, f.f_frsize, f.f_blocks, f.f_bfree, f.f_bavail, f.f_files, f.f_ffree, f.f_favail,
                           f.f_fsid, f.f_flag, f.f_namemax };
    for (size_t i = 0; i < countof(v); i++)
        msg_put_u64(answer, v[i]);
    return 0;
}
