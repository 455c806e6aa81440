/* Names that are looked up and made. */
#include "quota/quotafs/ops.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "quota/quotafs/file.h"
#include "quota/quotafs/folder.h"

/* A name that is made: what it may cost is taken, then MAKE is called in the folder. */
struct new {
    fuse_req_t req;
    struct fs *fs;
    struct node *parent;
    const char *name;
    mode_t mode;
    const char *target;       /* of a symlink */
    int flags, fd;            /* of a file that is opened as well */
    uint64_t blocks;          /* bytes that the new inode has at most */
    struct stat st;
};

static int stat_at(struct fs *fs, int at, const char *name, struct stat *st)
{
    if (fstatat(at, name, st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno;
    return st->st_dev == fs->dev ? 0 : EXDEV;
}

static void lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    struct fs *fs = ops_fs(req);
    struct node *p = ops_node(fs, parent);
    struct fuse_entry_param e = { .entry_timeout = OPS_TIMEOUT };
    struct stat st;
    int at, no = ops_enter(fs, p, &at);
    if (!no) {
        no = stat_at(fs, at, name, &st);
        if (!no)
            ops_entry(fs, p, name, &st, &e);
        ops_leave(fs, p);
    }
    if (no && no != ENOENT)
        fuse_reply_err(req, no);
    else
        fuse_reply_entry(req, &e);
}

static int make_file(struct new *n, int at)
{
    n->fd = openat(at, n->name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, n->mode & 07777);
    return n->fd < 0 || fstat(n->fd, &n->st) < 0 ? errno : 0;
}

static int make_folder(struct new *n, int at)
{
    return mkdirat(at, n->name, n->mode & 07777) < 0 ? errno : stat_at(n->fs, at, n->name, &n->st);
}

static int make_node(struct new *n, int at)
{
    return mknodat(at, n->name, n->mode, 0) < 0 ? errno : stat_at(n->fs, at, n->name, &n->st);
}

static int make_symlink(struct new *n, int at)
{
    return symlinkat(n->target, at, n->name) < 0 ? errno : stat_at(n->fs, at, n->name, &n->st);
}

/* On success the folder is still entered, until finish(). */
static int make(struct new *n, int (*how)(struct new *, int), int *at)
{
    uint64_t grows = FS_FOLDER_BLOCKS * n->fs->unit;
    int no = ops_enter(n->fs, n->parent, at);
    if (no)
        return no;
    no = ops_become(n->req);
    if (!no && !space_take(n->fs, grows + n->blocks, 1))
        no = ENOSPC;
    if (!no && (no = how(n, *at)) != 0)
        ledger_give(&n->fs->ledger, grows + n->blocks, 1);
    if (no) {
        ops_leave(n->fs, n->parent);
        return no;
    }
    ledger_settle(&n->fs->ledger, n->blocks, blocks_of(&n->st));
    ops_settle_folder(n->fs, n->parent, *at, grows);
    return 0;
}

static void answer(struct new *n, int (*how)(struct new *, int))
{
    struct fuse_entry_param e;
    int at, no = make(n, how, &at);
    if (no) {
        fuse_reply_err(n->req, no);
        return;
    }
    ops_entry(n->fs, n->parent, n->name, &n->st, &e);
    ops_leave(n->fs, n->parent);
    fuse_reply_entry(n->req, &e);
}

static struct new start(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
    struct fs *fs = ops_fs(req);
    return (struct new){ .req = req, .fs = fs, .parent = ops_node(fs, parent), .name = name, .mode = mode, .fd = -1 };
}

static void make_dir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
    struct new n = start(req, parent, name, mode);
    n.blocks = n.fs->unit;
    if (mode & S_ISUID)
        fuse_reply_err(req, EPERM);
    else
        answer(&n, make_folder);
}

static void make_special(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t dev)
{
    struct new n = start(req, parent, name, mode);
    mode_t type = mode & S_IFMT;
    if ((type != S_IFREG && type != S_IFIFO && type != S_IFSOCK) || dev || (mode & (S_ISUID | S_ISGID)))
        fuse_reply_err(req, EPERM);
    else
        answer(&n, make_node);
}

static void make_link(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
    struct new n = start(req, parent, name, 0);
    n.target = target;
    n.blocks = n.fs->unit;
    answer(&n, make_symlink);
}

/* It was there all the same: made by another on the disk's side of the kernel's cache.  Then it is opened. */
static void open_instead(struct new *n, struct fuse_file_info *fi)
{
    struct fs *fs = n->fs;
    struct fuse_entry_param e;
    int at, no = ops_enter(fs, n->parent, &at), fd = -1;
    if (no) {
        fuse_reply_err(n->req, no);
        return;
    }
    no = stat_at(fs, at, n->name, &n->st);
    if (!no && !S_ISREG(n->st.st_mode))
        no = EEXIST;
    if (!no && (fd = openat(at, n->name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)) < 0)
        no = errno;
    if (!no)
        ops_entry(fs, n->parent, n->name, &n->st, &e);
    ops_leave(fs, n->parent);
    if (no) {
        fuse_reply_err(n->req, no);
        return;
    }
    struct file *f = file_open(fs, ops_node(fs, e.ino), fd, NULL);
    if (n->flags & O_TRUNC)
        file_truncate(fs, f, 0);
    fi->fh = (uintptr_t)f;
    fuse_reply_create(n->req, &e, fi);
}

static void create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *fi)
{
    struct new n = start(req, parent, name, mode);
    struct fuse_entry_param e;
    n.flags = fi->flags;
    int at, no = mode & (S_ISUID | S_ISGID) ? EPERM : make(&n, make_file, &at);
    if (no == EEXIST && !(fi->flags & O_EXCL)) {
        open_instead(&n, fi);
        return;
    }
    if (no) {
        fuse_reply_err(req, no);
        return;
    }
    ops_entry(n.fs, n.parent, name, &n.st, &e);
    fi->fh = (uintptr_t)file_open(n.fs, ops_node(n.fs, e.ino), n.fd, &n.st);
    ops_leave(n.fs, n.parent);
    fi->keep_cache = 1;
    fuse_reply_create(req, &e, fi);
}

/* The kernel has both, so neither goes meanwhile. */
static int link_under(struct fs *fs, struct node *n, struct node *to, int at, const char *name, struct stat *st)
{
    pthread_mutex_lock(&fs->nodes.lock);
    struct node *from = n->parent;
    const char *old = n->name;
    pthread_mutex_unlock(&fs->nodes.lock);
    if (!from)
        return n->links ? ESTALE : ENOENT;
    int source = folder_use(&fs->nodes, from);
    if (source < 0)
        return errno;
    uint64_t grows = FS_FOLDER_BLOCKS * fs->unit;
    int no = space_take(fs, grows, 0) ? 0 : ENOSPC;
    if (!no && linkat(source, old, at, name, 0) < 0) {
        no = errno;
        ledger_give(&fs->ledger, grows, 0);
    } else if (!no) {
        ops_settle_folder(fs, to, at, grows);
        no = stat_at(fs, at, name, st);
    }
    folder_done(&fs->nodes, from);
    return no;
}

static void add_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char *name)
{
    struct fs *fs = ops_fs(req);
    struct node *n = ops_node(fs, ino), *p = ops_node(fs, parent);
    struct fuse_entry_param e;
    struct stat st;
    int at, no = ops_enter(fs, p, &at);
    if (no) {
        fuse_reply_err(req, no);
        return;
    }
    no = link_under(fs, n, p, at, name, &st);
    if (!no) {
        ops_entry(fs, p, name, &st, &e);
        pthread_mutex_lock(&fs->nodes.lock);
        n->links++;
        pthread_mutex_unlock(&fs->nodes.lock);
    }
    ops_leave(fs, p);
    if (no)
        fuse_reply_err(req, no);
    else
        fuse_reply_entry(req, &e);
}

static void read_link(fuse_req_t req, fuse_ino_t ino)
{
    char text[PATH_MAX + 1];
    struct fs *fs = ops_fs(req);
    struct node *n = ops_node(fs, ino);
    pthread_rwlock_rdlock(&fs->names);
    pthread_mutex_lock(&fs->nodes.lock);
    struct node *p = n->parent;
    pthread_mutex_unlock(&fs->nodes.lock);
    int at = p ? folder_use(&fs->nodes, p) : -1, no = at >= 0 ? 0 : p ? errno : n->links ? ESTALE : ENOENT;
    ssize_t size = no ? -1 : readlinkat(at, n->name, text, sizeof text - 1);
    if (!no) {
        no = size < 0 ? errno : 0;
        folder_done(&fs->nodes, p);
    }
    pthread_rwlock_unlock(&fs->names);
    if (no) {
        fuse_reply_err(req, no);
        return;
    }
    text[size] = '\0';
    fuse_reply_readlink(req, text);
}

static void forget(fuse_req_t req, fuse_ino_t ino, uint64_t n)
{
    struct fs *fs = ops_fs(req);
    if (ino != FUSE_ROOT_ID)
        node_forget(&fs->nodes, ops_node(fs, ino), n);
    fuse_reply_none(req);
}

static void forget_many(fuse_req_t req, size_t count, struct fuse_forget_data *each)
{
    struct fs *fs = ops_fs(req);
    for (size_t i = 0; i < count; i++)
        if (each[i].ino != FUSE_ROOT_ID)
            node_forget(&fs->nodes, ops_node(fs, each[i].ino), each[i].nlookup);
    fuse_reply_none(req);
}

void ops_names(struct fuse_lowlevel_ops *ops)
{
    ops->lookup = lookup;
    ops->create = create;
    ops->mkdir = make_dir;
    ops->mknod = make_special;
    ops->symlink = make_link;
    ops->link = add_link;
    ops->readlink = read_link;
    ops->forget = forget;
    ops->forget_multi = forget_many;
}
