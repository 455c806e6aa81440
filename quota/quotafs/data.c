/* Open files and their bytes. */
#include "quota/quotafs/ops.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "quota/quotafs/file.h"
#include "quota/quotafs/serve.h"

static struct file *file_of(struct fuse_file_info *fi)
{
    return (struct file *)(uintptr_t)fi->fh;
}

static void open_file(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct fs *fs = ops_fs(req);
    struct node *n = ops_node(fs, ino);
    struct file *f = file_again(fs, n);
    int fd, no = 0;
    if (!f) {
        no = n->type != S_IFREG ? EINVAL : ops_open(fs, n, true, &fd);
        f = no ? NULL : file_open(fs, n, fd, NULL);
    }
    if (!no && (fi->flags & O_TRUNC) && (no = file_truncate(fs, f, 0)) != 0)
        file_close(fs, f);
    if (no) {
        fuse_reply_err(req, no);
        return;
    }
    fi->fh = (uintptr_t)f;
    fi->keep_cache = 1;
    fuse_reply_open(req, fi);
}

static void release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    (void)ino;
    file_close(ops_fs(req), file_of(fi));
    fuse_reply_err(req, 0);
}

static void read_file(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
    (void)ino;
    size_t room;
    char *bytes = serve_buffer(&room);
    ssize_t n;
    while ((n = pread(file_of(fi)->fd, bytes, size < room ? size : room, off)) < 0 && errno == EINTR)
        ;
    if (n < 0)
        fuse_reply_err(req, errno);
    else
        fuse_reply_buf(req, bytes, (size_t)n);
}

static void write_file(fuse_req_t req, fuse_ino_t ino, const char *bytes, size_t size, off_t off, struct fuse_file_info *fi)
{
    (void)ino;
    size_t done = 0;
    /* Of a page that was mapped nobody would write the rest. */
    int no = size == 0 || off < 0 ? 0 : file_write(ops_fs(req), file_of(fi), bytes, size, (uint64_t)off, fi->writepage, &done);
    if (no)
        fuse_reply_err(req, no);
    else
        fuse_reply_write(req, done);
}

static void allocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t off, off_t len, struct fuse_file_info *fi)
{
    (void)ino;
    fuse_reply_err(req, off < 0 || len <= 0 ? EINVAL : file_allocate(ops_fs(req), file_of(fi), mode, (uint64_t)off, (uint64_t)len));
}

static void sync_file(fuse_req_t req, fuse_ino_t ino, int data_only, struct fuse_file_info *fi)
{
    (void)ino;
    fuse_reply_err(req, file_sync(ops_fs(req), file_of(fi), data_only));
}

/* Of one descriptor for all who have it open: nobody relies on its offset. */
static void seek(fuse_req_t req, fuse_ino_t ino, off_t off, int whence, struct fuse_file_info *fi)
{
    (void)ino;
    off_t at = whence == SEEK_DATA || whence == SEEK_HOLE ? lseek(file_of(fi)->fd, off, whence) : (errno = EINVAL, -1);
    if (at < 0)
        fuse_reply_err(req, errno);
    else
        fuse_reply_lseek(req, at);
}

void ops_data(struct fuse_lowlevel_ops *ops)
{
    ops->open = open_file;
    ops->release = release;
    ops->read = read_file;
    ops->write = write_file;
    ops->fallocate = allocate;
    ops->fsync = sync_file;
    ops->lseek = seek;
}
