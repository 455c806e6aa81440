/* Open files: one descriptor an inode, however often it is open, and what its writes are charged with.  Every change of a file's size or blocks
   goes through here.  Functions return 0 or an errno. */
#ifndef QUOTAFS_FILE_H
#define QUOTAFS_FILE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "quota/quotafs/charge.h"
#include "quota/quotafs/fs.h"

struct file {
    struct file *next, *prev;    /* of those that are open */
    struct node *node;
    pthread_mutex_t lock;        /* of the charge */
    struct charge charge;
    unsigned opens;              /* under the table's lock */
    int fd;
};

/* N, a regular file, open once more: FD (for reading and writing) becomes the file's, or is closed as there is one.  Keeps N.  ST, or NULL: what
   was said of it a moment ago, by who made it. */
struct file *file_open(struct fs *fs, struct node *n, int fd, const struct stat *st);
/* The one that is open, once more; or NULL. */
struct file *file_again(struct fs *fs, struct node *n);
/* The last one settles its charge. */
void file_close(struct fs *fs, struct file *f);

/* At most SIZE > 0 bytes; WHOLE: all or nothing, as nobody would write the rest.  Bytes written in *DONE. */
int file_write(struct fs *fs, struct file *f, const void *bytes, uint64_t size, uint64_t off, bool whole, size_t *done);
int file_truncate(struct fs *fs, struct file *f, uint64_t size);
int file_allocate(struct fs *fs, struct file *f, int mode, uint64_t off, uint64_t len);
int file_sync(struct fs *fs, struct file *f, bool data_only);
/* Asks the file system what it costs now. */
void file_settle(struct fs *fs, struct file *f, bool flushed);

/* For whatever else takes bytes: what is pending elsewhere is looked at before it is refused. */
bool space_take(struct fs *fs, uint64_t bytes, uint64_t inodes);

#endif
