/* What is in a folder. */
#include "quota/quotafs/ops.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "quota/quotafs/file.h"
#include "quota/quotafs/folder.h"
#include "quota/quotafs/serve.h"

/* An open folder.  The kernel reads it by offsets; mostly the one at which we stand. */
struct dir {
    pthread_mutex_t lock;
    DIR *stream;
    off_t at;
    struct dirent *next;   /* read, but it did not fit */
};

static struct dir *dir_of(struct fuse_file_info *fi)
{
    return (struct dir *)(uintptr_t)fi->fh;
}

static void open_dir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct fs *fs = ops_fs(req);
    struct dir *d;
    int fd, no = ops_open(fs, ops_node(fs, ino), false, &fd);
    DIR *stream = no ? NULL : fdopendir(fd);
    if (!stream) {
        fuse_reply_err(req, no ? no : errno);
        if (!no)
            close(fd);
        return;
    }
    d = mem_new(sizeof *d);
    d->stream = stream;
    pthread_mutex_init(&d->lock, NULL);
    fi->fh = (uintptr_t)d;
    /* Who changes the folder does so through the kernel, which then reads it anew. */
    fi->cache_readdir = fi->keep_cache = 1;
    fuse_reply_open(req, fi);
}

static void release_dir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    (void)ino;
    struct dir *d = dir_of(fi);
    closedir(d->stream);
    pthread_mutex_destroy(&d->lock);
    free(d);
    fuse_reply_err(req, 0);
}

static void go_to(struct dir *d, off_t off)
{
    if (d->at == off)
        return;
    seekdir(d->stream, off);
    d->next = NULL;
    d->at = off;
}

struct page { fuse_req_t req; struct fs *fs; struct node *folder; char *bytes; size_t size, used; bool plus; };

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Whether it fitted. */
static bool add(struct page *p, const struct dirent *f, int at)
{
    struct fuse_entry_param e = { .attr = { .st_ino = f->d_ino, .st_mode = DTTOIF(f->d_type) } };
    struct stat st;
    size_t room = p->size - p->used, n;
    if (!p->plus) {
        n = fuse_add_direntry(p->req, p->bytes + p->used, room, f->d_name, &e.attr, f->d_off);
    } else {
        /* Looked up only if there is room: what is looked up must be told. */
        if (fuse_add_direntry_plus(p->req, NULL, 0, f->d_name, NULL, 0) > room)
            return false;
        if (!is_dots(f->d_name) && fstatat(at, f->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_dev == p->fs->dev)
            ops_entry(p->fs, p->folder, f->d_name, &st, &e);
        n = fuse_add_direntry_plus(p->req, p->bytes + p->used, room, f->d_name, &e, f->d_off);
    }
    if (n > room)
        return false;
    p->used += n;
    return true;
}

static int fill(struct page *p, struct dir *d)
{
    int at = dirfd(d->stream);
    for (;;) {
        errno = 0;
        if (!d->next && !(d->next = readdir(d->stream)))
            return p->used ? 0 : errno;
        if (!add(p, d->next, at))
            return 0;
        d->at = d->next->d_off;
        d->next = NULL;
    }
}

static void read_any(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi, bool plus)
{
    size_t room;
    struct fs *fs = ops_fs(req);
    struct page p = { .req = req, .fs = fs, .folder = ops_node(fs, ino), .bytes = serve_buffer(&room), .plus = plus };
    struct dir *d = dir_of(fi);
    p.size = size < room ? size : room;
    /* Names are looked up on the way. */
    pthread_rwlock_rdlock(&fs->names);
    pthread_mutex_lock(&d->lock);
    go_to(d, off);
    int no = fill(&p, d);
    pthread_mutex_unlock(&d->lock);
    pthread_rwlock_unlock(&fs->names);
    if (no)
        fuse_reply_err(req, no);
    else
        fuse_reply_buf(req, p.bytes, p.used);
}

static void read_dir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
    read_any(req, ino, size, off, fi, false);
}

static void read_dir_plus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
    read_any(req, ino, size, off, fi, true);
}

static void sync_dir(fuse_req_t req, fuse_ino_t ino, int data_only, struct fuse_file_info *fi)
{
    (void)ino;
    int fd = dirfd(dir_of(fi)->stream);
    fuse_reply_err(req, (data_only ? fdatasync(fd) : fsync(fd)) < 0 ? errno : 0);
}

void ops_list(struct fuse_lowlevel_ops *ops)
{
    ops->opendir = open_dir;
    ops->releasedir = release_dir;
    ops->readdir = read_dir;
    ops->readdirplus = read_dir_plus;
    ops->fsyncdir = sync_dir;
}
