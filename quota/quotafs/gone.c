/* Names that go or change.  All of it with the names' lock for writing: nobody opens by a name meanwhile. */
#include "quota/quotafs/ops.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "quota/quotafs/file.h"
#include "quota/quotafs/folder.h"

/* The inode ST has one name less. */
static void lost(struct fs *fs, struct node *parent, const char *name, const struct stat *st)
{
    pthread_mutex_lock(&fs->nodes.lock);
    struct node *n = node_find(&fs->nodes, st->st_ino);
    if (n)
        node_unlinked(&fs->nodes, n, parent, name);
    else if (st->st_nlink == 1 || S_ISDIR(st->st_mode))
        ledger_give(&fs->ledger, blocks_of(st), 1);
    pthread_mutex_unlock(&fs->nodes.lock);
}

static int take_away(struct fs *fs, struct node *parent, const char *name, int flags)
{
    struct stat st;
    int at = folder_use(&fs->nodes, parent), no = 0;
    if (at < 0)
        return errno;
    if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || unlinkat(at, name, flags) < 0)
        no = errno;
    if (!no) {
        lost(fs, parent, name, &st);
        ops_settle_folder(fs, parent, at, 0);
    }
    folder_done(&fs->nodes, parent);
    return no;
}

static void take_away_and_answer(fuse_req_t req, fuse_ino_t parent, const char *name, int flags)
{
    struct fs *fs = ops_fs(req);
    pthread_rwlock_wrlock(&fs->names);
    int no = take_away(fs, ops_node(fs, parent), name, flags);
    pthread_rwlock_unlock(&fs->names);
    fuse_reply_err(req, no);
}

static void remove_file(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    take_away_and_answer(req, parent, name, 0);
}

static void remove_dir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    take_away_and_answer(req, parent, name, AT_REMOVEDIR);
}

struct end { struct node *parent; const char *name; int at; struct stat st; bool there; };

static void moved(struct fs *fs, const struct end *what, const struct end *to)
{
    pthread_mutex_lock(&fs->nodes.lock);
    struct node *n = node_find(&fs->nodes, what->st.st_ino);
    if (n)
        node_rename(&fs->nodes, n, to->parent, to->name);
    pthread_mutex_unlock(&fs->nodes.lock);
}

static int move(struct fs *fs, struct end *from, struct end *to, unsigned flags)
{
    if (fstatat(from->at, from->name, &from->st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno;
    to->there = fstatat(to->at, to->name, &to->st, AT_SYMLINK_NOFOLLOW) == 0;
    if (to->there && to->st.st_ino == from->st.st_ino)
        return flags & RENAME_NOREPLACE ? EEXIST : 0;
    /* Where a name stands already the folder does not grow. */
    uint64_t grows = to->there ? 0 : FS_FOLDER_BLOCKS * fs->unit;
    if (!space_take(fs, grows, 0))
        return ENOSPC;
    /* libc's would be another call without flags. */
    if (syscall(SYS_renameat2, from->at, from->name, to->at, to->name, flags) < 0) {
        int no = errno;
        ledger_give(&fs->ledger, grows, 0);
        return no;
    }
    if (flags & RENAME_EXCHANGE)
        moved(fs, to, from);
    else if (to->there)
        lost(fs, to->parent, to->name, &to->st);
    moved(fs, from, to);
    ops_settle_folder(fs, to->parent, to->at, grows);
    if (from->parent != to->parent)
        ops_settle_folder(fs, from->parent, from->at, 0);
    return 0;
}

static int move_between(struct fs *fs, struct end *from, struct end *to, unsigned flags)
{
    from->at = folder_use(&fs->nodes, from->parent);
    if (from->at < 0)
        return errno;
    to->at = folder_use(&fs->nodes, to->parent);
    int no = to->at < 0 ? errno : move(fs, from, to, flags);
    if (to->at >= 0)
        folder_done(&fs->nodes, to->parent);
    folder_done(&fs->nodes, from->parent);
    return no;
}

static void change_name(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t new_parent, const char *new_name, unsigned flags)
{
    struct fs *fs = ops_fs(req);
    struct end from = { .parent = ops_node(fs, parent), .name = name }, to = { .parent = ops_node(fs, new_parent), .name = new_name };
    if (flags & ~(unsigned)(RENAME_NOREPLACE | RENAME_EXCHANGE)) {
        fuse_reply_err(req, EINVAL);
        return;
    }
    pthread_rwlock_wrlock(&fs->names);
    int no = move_between(fs, &from, &to, flags);
    pthread_rwlock_unlock(&fs->names);
    fuse_reply_err(req, no);
}

void ops_gone(struct fuse_lowlevel_ops *ops)
{
    ops->unlink = remove_file;
    ops->rmdir = remove_dir;
    ops->rename = change_name;
}
