/* The operations that the kernel asks for, and what they share. */
#ifndef QUOTAFS_OPS_H
#define QUOTAFS_OPS_H

#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "quota/quotafs/fs.h"

/* Nobody but us changes the disk, so what the kernel has been told stays true until it asks for a change itself. */
#define OPS_TIMEOUT 86400.0

struct fs *ops_fs(fuse_req_t req);
struct node *ops_node(struct fs *fs, fuse_ino_t ino);
fuse_ino_t ops_ino(struct fs *fs, const struct node *n);

/* Ids of the disk as this machine's, and back: EOVERFLOW for one that is not the server's. */
void ops_show(struct fs *fs, struct stat *st);
int ops_id(struct fs *fs, uint32_t host, uint32_t *id);
/* What is made next by this thread belongs to the caller of REQ.  0 or an errno. */
int ops_become(fuse_req_t req);

/* The inode ST found as NAME in PARENT as an answer, which counts as a lookup. */
void ops_entry(struct fs *fs, struct node *parent, const char *name, const struct stat *st, struct fuse_entry_param *e);

/* NAMES: folder_use under the names' lock for reading.  0 or an errno; the lock is held on success only. */
int ops_enter(struct fs *fs, struct node *n, int *fd);
void ops_leave(struct fs *fs, struct node *n);

/* The folder PARENT has changed: what it costs more or less, besides TAKEN, that was taken before. */
void ops_settle_folder(struct fs *fs, struct node *parent, int fd, uint64_t taken);
/* The same for any inode that is not an open file. */
void ops_settle(struct fs *fs, struct node *n, const struct stat *st);

/* A regular file or folder open for reading (WRITE: and writing), by its name.  0 or an errno. */
int ops_open(struct fs *fs, struct node *n, bool write, int *fd);

/* Set in OPS by each part. */
void ops_names(struct fuse_lowlevel_ops *ops);    /* lookup, create, mkdir, ... */
void ops_gone(struct fuse_lowlevel_ops *ops);     /* unlink, rmdir, rename */
void ops_data(struct fuse_lowlevel_ops *ops);     /* open, read, write, ... */
void ops_attrs(struct fuse_lowlevel_ops *ops);    /* getattr, setattr, statfs */
void ops_xattrs(struct fuse_lowlevel_ops *ops);
void ops_list(struct fuse_lowlevel_ops *ops);     /* opendir, readdir, ... */

#endif
