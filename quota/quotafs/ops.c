#include "quota/quotafs/ops.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/fsuid.h>
#include <unistd.h>

#include "quota/quotafs/file.h"
#include "quota/quotafs/folder.h"

struct fs *ops_fs(fuse_req_t req)
{
    return fuse_req_userdata(req);
}

struct node *ops_node(struct fs *fs, fuse_ino_t ino)
{
    return ino == FUSE_ROOT_ID ? &fs->nodes.root : (struct node *)(uintptr_t)ino;
}

fuse_ino_t ops_ino(struct fs *fs, const struct node *n)
{
    return n == &fs->nodes.root ? FUSE_ROOT_ID : (fuse_ino_t)(uintptr_t)n;
}

void ops_show(struct fs *fs, struct stat *st)
{
    st->st_uid += fs->base;
    st->st_gid += fs->base;
}

int ops_id(struct fs *fs, uint32_t host, uint32_t *id)
{
    *id = host - fs->base;
    return *id < FS_IDS ? 0 : EOVERFLOW;
}

/* Each thread has its own, and most servers but one. */
int ops_become(fuse_req_t req)
{
    static _Thread_local uint32_t is_uid, is_gid;
    const struct fuse_ctx *c = fuse_req_ctx(req);
    uint32_t uid, gid;
    if (ops_id(ops_fs(req), c->uid, &uid) || ops_id(ops_fs(req), c->gid, &gid))
        return EOVERFLOW;
    if (gid != is_gid)
        setfsgid(gid);
    if (uid != is_uid)
        setfsuid(uid);
    /* Neither says whether it failed. */
    if ((gid != is_gid && (uint32_t)setfsgid((gid_t)-1) != gid) || (uid != is_uid && (uint32_t)setfsuid((uid_t)-1) != uid))
        return EPERM;
    is_uid = uid;
    is_gid = gid;
    return 0;
}

void ops_entry(struct fs *fs, struct node *parent, const char *name, const struct stat *st, struct fuse_entry_param *e)
{
    *e = (struct fuse_entry_param){ .attr = *st, .attr_timeout = OPS_TIMEOUT, .entry_timeout = OPS_TIMEOUT };
    ops_show(fs, &e->attr);
    pthread_mutex_lock(&fs->nodes.lock);
    struct node *n = node_at(&fs->nodes, st, parent, name);
    n->lookups++;
    pthread_mutex_unlock(&fs->nodes.lock);
    e->ino = ops_ino(fs, n);
}

int ops_enter(struct fs *fs, struct node *n, int *fd)
{
    pthread_rwlock_rdlock(&fs->names);
    *fd = folder_use(&fs->nodes, n);
    if (*fd >= 0)
        return 0;
    int no = errno;
    pthread_rwlock_unlock(&fs->names);
    return no;
}

void ops_leave(struct fs *fs, struct node *n)
{
    folder_done(&fs->nodes, n);
    pthread_rwlock_unlock(&fs->names);
}

static void settle(struct fs *fs, struct node *n, const struct stat *st, uint64_t taken)
{
    pthread_mutex_lock(&fs->nodes.lock);
    ledger_settle(&fs->ledger, n->real + taken, blocks_of(st));
    n->real = blocks_of(st);
    pthread_mutex_unlock(&fs->nodes.lock);
}

void ops_settle(struct fs *fs, struct node *n, const struct stat *st)
{
    settle(fs, n, st, 0);
}

void ops_settle_folder(struct fs *fs, struct node *parent, int fd, uint64_t taken)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        ledger_give(&fs->ledger, taken, 0);
    else
        settle(fs, parent, &st, taken);
}

int ops_open(struct fs *fs, struct node *n, bool write, int *fd)
{
    int at, no;
    if (n->type != S_IFREG && n->type != S_IFDIR)
        return EPERM;
    /* Its folder's descriptor, or the root's own. */
    struct node *in = n;
    const char *name = ".";
    pthread_rwlock_rdlock(&fs->names);
    if (n != &fs->nodes.root && n->type == S_IFREG) {
        pthread_mutex_lock(&fs->nodes.lock);
        in = n->parent;
        name = n->name;
        pthread_mutex_unlock(&fs->nodes.lock);
    }
    if (!in) {
        pthread_rwlock_unlock(&fs->names);
        return n->links ? ESTALE : ENOENT;
    }
    at = folder_use(&fs->nodes, in);
    no = at < 0 ? errno : 0;
    if (at >= 0) {
        *fd = openat(at, name, (write ? O_RDWR : O_RDONLY) | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        no = *fd < 0 ? errno : 0;
        folder_done(&fs->nodes, in);
    }
    pthread_rwlock_unlock(&fs->names);
    return no;
}
