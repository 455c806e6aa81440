/* Attributes of inodes, and of the file system. */
#include "quota/quotafs/ops.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "quota/quotafs/file.h"
#include "quota/quotafs/folder.h"

/* How an inode is reached: by the descriptor of its open file, or by its name in the folder open at AT ("" and AT_EMPTY_PATH for a folder
   itself, whose descriptor may be all that is left of it). */
struct reach {
    struct file *file;
    struct node *folder;
    int at, empty;
    const char *name;
};

static int reach(struct fs *fs, struct node *n, struct reach *r)
{
    *r = (struct reach){ .file = file_again(fs, n), .at = -1, .name = "" };
    if (r->file) {
        r->at = r->file->fd;
        r->empty = AT_EMPTY_PATH;
        return 0;
    }
    pthread_rwlock_rdlock(&fs->names);
    pthread_mutex_lock(&fs->nodes.lock);
    if (n->type == S_IFDIR) {
        r->folder = n;
        r->empty = AT_EMPTY_PATH;
    } else if (n->name) {
        r->folder = n->parent;
        r->name = n->name;
    }
    pthread_mutex_unlock(&fs->nodes.lock);
    int no = !r->folder ? n->links ? ESTALE : ENOENT : (r->at = folder_use(&fs->nodes, r->folder)) < 0 ? errno : 0;
    if (no)
        pthread_rwlock_unlock(&fs->names);
    return no;
}

static void leave(struct fs *fs, struct reach *r)
{
    if (r->file) {
        file_close(fs, r->file);
        return;
    }
    folder_done(&fs->nodes, r->folder);
    pthread_rwlock_unlock(&fs->names);
}

static int look(struct reach *r, struct stat *st)
{
    return fstatat(r->at, r->name, st, AT_SYMLINK_NOFOLLOW | r->empty) < 0 ? errno : 0;
}

static void get_attr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    (void)fi;
    struct fs *fs = ops_fs(req);
    struct reach r;
    struct stat st;
    int no = reach(fs, ops_node(fs, ino), &r);
    if (!no) {
        no = look(&r, &st);
        leave(fs, &r);
    }
    ops_show(fs, &st);
    if (no)
        fuse_reply_err(req, no);
    else
        fuse_reply_attr(req, &st, OPS_TIMEOUT);
}

static int set_mode(struct reach *r, const struct node *n, mode_t mode)
{
    if (n->type == S_IFLNK)
        return EOPNOTSUPP;
    if (mode & S_ISUID || (mode & S_ISGID && n->type != S_IFDIR))
        return EPERM;
    /* A folder's descriptor is O_PATH: by its own ".". */
    int r0 = r->file ? fchmod(r->at, mode & 07777) : fchmodat(r->at, r->empty ? "." : r->name, mode & 07777, 0);
    return r0 < 0 ? errno : 0;
}

static int set_owner(struct fs *fs, struct reach *r, const struct stat *want, int which)
{
    uint32_t uid = UINT32_MAX, gid = UINT32_MAX;
    if (((which & FUSE_SET_ATTR_UID) && ops_id(fs, want->st_uid, &uid)) || ((which & FUSE_SET_ATTR_GID) && ops_id(fs, want->st_gid, &gid)))
        return EOVERFLOW;
    return fchownat(r->at, r->name, uid, gid, AT_SYMLINK_NOFOLLOW | r->empty) < 0 ? errno : 0;
}

static struct timespec time_of(int which, int set, int now, struct timespec t)
{
    if (which & now)
        t = (struct timespec){ .tv_nsec = UTIME_NOW };
    else if (!(which & set))
        t = (struct timespec){ .tv_nsec = UTIME_OMIT };
    return t;
}

static int set_times(struct reach *r, const struct stat *want, int which)
{
    const struct timespec t[2] = {
        time_of(which, FUSE_SET_ATTR_ATIME, FUSE_SET_ATTR_ATIME_NOW, want->st_atim),
        time_of(which, FUSE_SET_ATTR_MTIME, FUSE_SET_ATTR_MTIME_NOW, want->st_mtim),
    };
    int r0 = r->file ? futimens(r->at, t) : utimensat(r->at, r->empty ? "." : r->name, t, AT_SYMLINK_NOFOLLOW);
    return r0 < 0 ? errno : 0;
}

static int set_size(struct fs *fs, struct node *n, uint64_t size)
{
    int fd, no = 0;
    struct file *f = file_again(fs, n);
    if (!f && n->type != S_IFREG)
        return EINVAL;
    if (!f && (no = ops_open(fs, n, true, &fd)) == 0)
        f = file_open(fs, n, fd, NULL);
    if (no)
        return no;
    no = file_truncate(fs, f, size);
    file_close(fs, f);
    return no;
}

enum {
    OWNER = FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID,
    TIMES = FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_ATIME_NOW | FUSE_SET_ATTR_MTIME_NOW,
};

static int set_all(struct fs *fs, struct node *n, struct reach *r, const struct stat *want, int which)
{
    int no = 0;
    if (which & OWNER)
        no = set_owner(fs, r, want, which);
    if (!no && (which & FUSE_SET_ATTR_MODE))
        no = set_mode(r, n, want->st_mode);
    if (!no && (which & TIMES))
        no = set_times(r, want, which);
    return no;
}

static void set_attr(fuse_req_t req, fuse_ino_t ino, struct stat *want, int which, struct fuse_file_info *fi)
{
    (void)fi;
    struct fs *fs = ops_fs(req);
    struct node *n = ops_node(fs, ino);
    struct reach r;
    struct stat st;
    int no = which & FUSE_SET_ATTR_SIZE ? want->st_size < 0 ? EINVAL : set_size(fs, n, (uint64_t)want->st_size) : 0;
    if (!no)
        no = reach(fs, n, &r);
    if (!no) {
        no = set_all(fs, n, &r, want, which);
        if (!no)
            no = look(&r, &st);
        leave(fs, &r);
    }
    ops_show(fs, &st);
    if (no)
        fuse_reply_err(req, no);
    else
        fuse_reply_attr(req, &st, OPS_TIMEOUT);
}

/* The quota's numbers, or those of the disk if it has less. */
static void stat_fs(fuse_req_t req, fuse_ino_t ino)
{
    (void)ino;
    struct fs *fs = ops_fs(req);
    struct ledger_sum s = ledger_sum(&fs->ledger);
    struct statvfs v;
    if (fstatvfs(fs->real, &v) < 0) {
        fuse_reply_err(req, errno);
        return;
    }
    uint64_t left = s.bytes < s.bytes_most ? s.bytes_most - s.bytes : 0, unit = fs->unit, host = v.f_bavail * v.f_frsize / unit;
    uint64_t inodes = s.inodes < s.inodes_most ? s.inodes_most - s.inodes : 0;
    struct statvfs a = { .f_bsize = unit, .f_frsize = unit, .f_namemax = NAME_MAX };
    a.f_blocks = s.bytes_most / unit;
    a.f_bfree = left / unit;
    a.f_bavail = a.f_bfree < host ? a.f_bfree : host;
    a.f_files = s.inodes_most;
    a.f_ffree = a.f_favail = inodes;
    fuse_reply_statfs(req, &a);
}

void ops_attrs(struct fuse_lowlevel_ops *ops)
{
    ops->getattr = get_attr;
    ops->setattr = set_attr;
    ops->statfs = stat_fs;
}
