/* Attributes of the form user.NAME, on files and folders.  Others there are none: no ACLs, no capabilities, nothing that a kernel trusts.  What
   they take is in the inode's blocks, as the disk counts them; on one that does not count them they are refused. */
#include "quota/quotafs/ops.h"

#include <errno.h>
#include <linux/limits.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/mem.h"
#include "quota/quotafs/file.h"
#include "quota/quotafs/serve.h"

enum { OWN_BLOCKS = 3 };   /* besides the value's: a tree's */
static const char ours[] = "user.";

static bool known(const char *name)
{
    return strncmp(name, ours, sizeof ours - 1) == 0;
}

struct handle { struct file *file; int fd; };

static int reach(struct fs *fs, struct node *n, struct handle *h)
{
    h->file = file_again(fs, n);
    h->fd = h->file ? h->file->fd : -1;
    return h->file ? 0 : ops_open(fs, n, false, &h->fd);
}

static void leave(struct fs *fs, struct handle *h)
{
    if (h->file)
        file_close(fs, h->file);
    else
        close(h->fd);
}

/* What it costs now; TAKEN was taken for it. */
static void settle(struct fs *fs, struct node *n, struct handle *h, uint64_t taken)
{
    struct stat st;
    ledger_give(&fs->ledger, taken, 0);
    if (h->file)
        file_settle(fs, h->file, false);
    else if (fstat(h->fd, &st) == 0)
        ops_settle(fs, n, &st);
}

static void set(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t size, int flags)
{
    struct fs *fs = ops_fs(req);
    struct node *n = ops_node(fs, ino);
    struct handle h;
    uint64_t bytes = (size / fs->unit + 1 + OWN_BLOCKS) * fs->unit;
    int no = !known(name) || !fs->xattrs ? EOPNOTSUPP : reach(fs, n, &h);
    if (!no) {
        no = space_take(fs, bytes, 0) ? 0 : ENOSPC;
        if (!no) {
            no = fsetxattr(h.fd, name, value, size, flags) < 0 ? errno : 0;
            settle(fs, n, &h, bytes);
        }
        leave(fs, &h);
    }
    fuse_reply_err(req, no);
}

static void take_away(fuse_req_t req, fuse_ino_t ino, const char *name)
{
    struct fs *fs = ops_fs(req);
    struct node *n = ops_node(fs, ino);
    struct handle h;
    int no = known(name) ? reach(fs, n, &h) : EOPNOTSUPP;
    if (!no) {
        no = fremovexattr(h.fd, name) < 0 ? errno : 0;
        settle(fs, n, &h, 0);
        leave(fs, &h);
    }
    fuse_reply_err(req, no);
}

static void answer(fuse_req_t req, int no, const char *bytes, size_t n, size_t size)
{
    if (!no && size && n > size)
        no = ERANGE;
    if (no)
        fuse_reply_err(req, no);
    else if (size == 0)
        fuse_reply_xattr(req, n);
    else
        fuse_reply_buf(req, bytes, n);
}

static void get(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
    struct fs *fs = ops_fs(req);
    struct handle h;
    size_t room;
    char *bytes = serve_buffer(&room);
    ssize_t n = -1;
    int no = known(name) ? reach(fs, ops_node(fs, ino), &h) : EOPNOTSUPP;
    if (!no) {
        n = fgetxattr(h.fd, name, bytes, XATTR_SIZE_MAX);
        no = n < 0 ? errno : 0;
        leave(fs, &h);
    }
    /* Of a link or a pipe. */
    answer(req, no == EPERM ? ENODATA : no, bytes, n < 0 ? 0 : (size_t)n, size);
}

static size_t only_ours(char *bytes, size_t n)
{
    size_t kept = 0;
    for (size_t at = 0; at < n;) {
        size_t each = strnlen(bytes + at, n - at) + 1;
        if (at + each <= n && known(bytes + at)) {
            memmove(bytes + kept, bytes + at, each);
            kept += each;
        }
        at += each;
    }
    return kept;
}

static void list(fuse_req_t req, fuse_ino_t ino, size_t size)
{
    struct fs *fs = ops_fs(req);
    struct handle h;
    size_t room;
    char *bytes = serve_buffer(&room);
    ssize_t n = 0;
    int no = reach(fs, ops_node(fs, ino), &h);
    if (!no) {
        n = flistxattr(h.fd, bytes, XATTR_LIST_MAX);
        no = n < 0 ? errno : 0;
        leave(fs, &h);
    }
    answer(req, no == EPERM || no == EOPNOTSUPP ? 0 : no, bytes, n > 0 ? only_ours(bytes, (size_t)n) : 0, size);
}

void ops_xattrs(struct fuse_lowlevel_ops *ops)
{
    ops->setxattr = set;
    ops->getxattr = get;
    ops->listxattr = list;
    ops->removexattr = take_away;
}
