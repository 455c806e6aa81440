#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/rights.h"
#include "sshd/files/beneath.h"
#include "sshd/files/failure.h"
#include "sshd/files/handle.h"
#include "sshd/files/requests.h"

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

/* What is changed: a real descriptor, or one to look through (O_PATH) and the path it was found at. */
struct subject {
    int fd;
    const char *path;   /* NULL: fd is real */
    int nofollow;       /* O_NOFOLLOW or 0, as it was found */
    struct stat st;
};

static int set_size(struct worker *w, const struct subject *s, uint64_t size)
{
    if (size > INT64_MAX)
        return fail_errno(w, EFBIG);
    if (s->path == NULL)
        return ftruncate(s->fd, (off_t)size) == 0 ? 0
               : errno == EINVAL                  ? fail(w, FX_FAILURE, "the handle is not open for writing")
                                                  : fail_errno(w, errno);
    if (!S_ISREG(s->st.st_mode))
        return fail(w, FX_FAILURE, S_ISDIR(s->st.st_mode) ? "is a directory" : "not a regular file");
    CLOSE_FD int fd = beneath_same(w, s->path, O_WRONLY | s->nofollow, &s->st);
    return fd < 0 || ftruncate(fd, (off_t)size) < 0 ? fail_errno(w, errno) : 0;
}

/* For kernels before 6.6, which change a mode through a real descriptor only: what can be opened without side effects. */
static int chmod_opened(struct worker *w, const struct subject *s, mode_t mode)
{
    if (!S_ISREG(s->st.st_mode) && !S_ISDIR(s->st.st_mode))
        return fail(w, FX_FAILURE, "the mode of such a file cannot be changed here");
    CLOSE_FD int fd = beneath_same(w, s->path, O_RDONLY | s->nofollow, &s->st);
    if (fd < 0 && errno == EACCES && S_ISREG(s->st.st_mode))
        fd = beneath_same(w, s->path, O_WRONLY | s->nofollow, &s->st);
    return fd < 0 || fchmod(fd, mode) < 0 ? fail_errno(w, errno) : 0;
}

static int set_mode(struct worker *w, const struct subject *s, mode_t mode)
{
    mode &= MODE_MASK;
    if (s->path == NULL)
        return fchmod(s->fd, mode) < 0 ? fail_errno(w, errno) : 0;
    if (S_ISLNK(s->st.st_mode))
        return fail(w, FX_FAILURE, "a symbolic link has no mode of its own");
    if (syscall(SYS_fchmodat2, s->fd, "", mode, AT_EMPTY_PATH) == 0)
        return 0;
    return errno == ENOSYS ? chmod_opened(w, s, mode) : fail_errno(w, errno);
}

static int set_times(struct worker *w, const struct subject *s, const struct attrs *a)
{
    const struct timespec t[2] = { { .tv_sec = a->atime }, { .tv_sec = a->mtime } };
    /* AT_EMPTY_PATH takes both kinds of descriptor. */
    return utimensat(s->fd, "", t, AT_EMPTY_PATH) < 0 ? fail_errno(w, errno) : 0;
}

static int set(struct worker *w, const struct subject *s, const struct attrs *a)
{
    /* What will be refused comes first, so that nothing is half done. */
    if (a->flags & ATTRS_OWNER && (a->uid != s->st.st_uid || a->gid != s->st.st_gid))
        return fail(w, FX_PERMISSION_DENIED, "the owner of a file cannot be changed");
    if (a->flags & ATTRS_SIZE && set_size(w, s, a->size) < 0)
        return -1;
    if (a->flags & ATTRS_MODE && set_mode(w, s, a->mode) < 0)
        return -1;
    /* Last: a change of size sets the time as well. */
    if (a->flags & ATTRS_TIMES && set_times(w, s, a) < 0)
        return -1;
    return 0;
}

static int set_path(struct worker *w, struct msg *m, int nofollow)
{
    struct attrs a;
    FREE_MEM char *path = msg_get_str(m);
    request_attrs(m, &a);
    msg_end(m);
    struct subject s = { .path = path, .nofollow = nofollow };
    CLOSE_FD int fd = beneath_look(w, path, !nofollow, &s.st);
    if (fd < 0)
        return fail_errno(w, errno);
    s.fd = fd;
    return set(w, &s, &a);
}

int files_setstat(struct worker *w, struct msg *m, struct msg *answer UNUSED)
{
    return set_path(w, m, 0);
}

int files_lsetstat(struct worker *w, struct msg *m, struct msg *answer UNUSED)
{
    return set_path(w, m, O_NOFOLLOW);
}

int files_fsetstat(struct worker *w, struct msg *m, struct msg *answer UNUSED)
{
    struct attrs a;
    const struct handle *h = handle_get(w->handles, msg_get_u32(m));
    struct subject s = { .fd = h->fd };
    request_attrs(m, &a);
    msg_end(m);
    if (!h->made && (w->rights & RIGHT_FILES_WRITE) == 0)
        return fail(w, FX_PERMISSION_DENIED, "you may make new files here, and not change what is there");
    if (fstat(s.fd, &s.st) < 0)
        return fail_errno(w, errno);
    return set(w, &s, &a);
}
