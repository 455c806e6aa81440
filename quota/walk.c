#include "quota/walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/mem.h"

/* A directory at hand.  `off`: where reading goes on, told by the last entry that was taken. */
struct frame {
    struct walk_dir *dir;
    int fd;                     /* -1: closed for the time being */
    bool end, seek;             /* read to its end; somewhere else than the descriptor's own place */
    int64_t off;
    char *names;                /* directories in it not yet entered, one behind the other */
    uint32_t len, at;
    uint64_t bytes, inodes;     /* of entries; the directory gets them when the frame goes */
};

struct walk {
    const struct walk_rules *rules;
    struct walk_tally tally;
    struct frame *v;
    size_t n, room;
    size_t low;                 /* frames from 1 up to here are closed */
    unsigned fds, open, depth;
    size_t names, names_most;
    size_t at, len;             /* of the batch; it is the last frame's */
    char *batch;
};

/* ---- system calls ---- */

static int open_dir(int dir, const char *name, uint64_t resolve)
{
    struct open_how how = { .flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOATIME,
                            .resolve = resolve | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS };
    int fd = (int)syscall(SYS_openat2, dir, name, &how, sizeof how);
    /* EPERM: of another owner, but readable. */
    if (fd < 0 && errno == EPERM) {
        how.flags &= ~(uint64_t)O_NOATIME;
        fd = (int)syscall(SYS_openat2, dir, name, &how, sizeof how);
    }
    return fd;
}

/* 1: it is a mount point, so not ours; -1 with errno. */
static int look(int dir, const char *name, struct walk_stat *st)
{
    struct statx s;
    int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | (name[0] ? 0 : AT_EMPTY_PATH);
    if (statx(dir, name, flags, STATX_TYPE | STATX_MODE | STATX_NLINK | STATX_INO | STATX_SIZE | STATX_BLOCKS, &s) < 0)
        return -1;
    *st = (struct walk_stat){ .bytes = s.stx_blocks * 512, .size = s.stx_size, .ino = s.stx_ino, .nlink = s.stx_nlink,
                              .dev = (uint64_t)s.stx_dev_major << 32 | s.stx_dev_minor, .mode = s.stx_mode };
    return name[0] && (s.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

/* ---- directories ---- */

static struct walk_dir *dir_new(struct walk_dir *parent, const char *name, const struct walk_stat *st)
{
    size_t len = strlen(name);
    struct walk_dir *d = mem_new(sizeof *d + len + 1);
    memcpy(d->name, name, len);
    d->parent = parent;
    d->dev = st->dev;
    d->ino = st->ino;
    d->depth = parent ? parent->depth + 1 : 0;
    d->tag = parent ? parent->tag : NULL;
    atomic_store(&d->refs, 1);
    if (parent)
        atomic_fetch_add(&parent->refs, 1);
    return d;
}

static void dir_drop(const struct walk_rules *r, struct walk_dir *d)
{
    while (d && atomic_fetch_sub(&d->refs, 1) == 1) {
        struct walk_dir *parent = d->parent;
        if (r->leave)
            r->leave(r->data, d);
        if (parent) {
            atomic_fetch_add(&parent->bytes, atomic_load(&d->bytes));
            atomic_fetch_add(&parent->inodes, atomic_load(&d->inodes));
        }
        free(d);
        d = parent;
    }
}

char *walk_path(const struct walk_dir *d, const char *name, char *buf, size_t size)
{
    static const char cut[] = ".../";
    size_t at = size - 1;
    buf[at] = '\0';
    for (const char *one = name; one || d->parent; one = NULL) {
        if (one == NULL) {
            one = d->name;
            d = d->parent;
        }
        size_t len = strlen(one);
        if (at < len + sizeof cut) {
            at = at < sizeof cut ? 0 : at - (sizeof cut - 1);
            memcpy(buf + at, cut, sizeof cut - 1);
            break;
        }
        if (buf[at])
            buf[--at] = '/';
        memcpy(buf + (at -= len), one, len);
    }
    memmove(buf, buf + at, size - at);
    return buf[0] ? buf : memcpy(buf, ".", 2);
}

/* ---- frames ---- */

static void frame_close(struct walk *w, struct frame *f)
{
    if (f->fd < 0)
        return;
    close(f->fd);
    f->fd = -1;
    w->open--;
}

/* Always keeps the first, from which all can be found again, and the last. */
static void close_far(struct walk *w)
{
    while (w->open > w->fds && w->low + 2 < w->n)
        frame_close(w, &w->v[++w->low]);
}

static struct frame *push(struct walk *w, struct walk_dir *d, int fd)
{
    if (w->n == w->room) {
        w->room = w->room ? w->room * 2 : 16;
        w->v = mem_grow(w->v, w->room, sizeof *w->v);
    }
    w->v[w->n] = (struct frame){ .dir = d, .fd = fd };
    w->open++;
    w->n++;
    close_far(w);
    return &w->v[w->n - 1];
}

static void forget_names(struct walk *w, struct frame *f)
{
    w->names -= f->len;
    free(f->names);
    f->names = NULL;
    f->len = f->at = 0;
}

static bool work_left(const struct frame *f)
{
    return f->at < f->len || !f->end;
}

static bool same(const struct walk_dir *d, int fd)
{
    struct walk_stat st;
    return look(fd, "", &st) == 0 && st.dev == d->dev && st.ino == d->ino;
}

static bool put_back(struct walk *w, size_t i, int fd)
{
    if (fd < 0 || !same(w->v[i].dir, fd)) {
        if (fd >= 0)
            close(fd);
        return false;
    }
    w->v[i].fd = fd;
    w->v[i].seek = true;
    w->open++;
    return true;
}

static void pop(struct walk *w)
{
    struct frame *f = &w->v[w->n - 1], *under = w->n > 1 ? f - 1 : NULL;
    if (under && under->fd < 0 && f->fd >= 0 && w->rules->upward && work_left(under))
        put_back(w, w->n - 2, open_dir(f->fd, "..", 0));
    frame_close(w, f);
    forget_names(w, f);
    w->at = w->len = 0;
    atomic_fetch_add(&f->dir->bytes, f->bytes);
    atomic_fetch_add(&f->dir->inodes, f->inodes);
    dir_drop(w->rules, f->dir);
    w->n--;
    if (w->low + 1 >= w->n)
        w->low = w->n > 2 ? w->n - 2 : 0;
}

/* The last frame's descriptor, closed since, by the names from the nearest one that is open.  Half a window of them stays open: their turn
   comes next. */
static bool find_again(struct walk *w)
{
    size_t last = w->n - 1, from = last, kept = w->fds / 2;
    while (w->v[from].fd < 0)
        from--;
    int at = w->v[from].fd;
    for (size_t i = from + 1; i <= last; i++) {
        int fd = open_dir(at, w->v[i].dir->name, RESOLVE_BENEATH);
        if (i - 1 > from && i - 1 + kept < last)
            frame_close(w, &w->v[i - 1]);
        if (!put_back(w, i, fd))
            return false;
        at = fd;
    }
    w->low = last > kept + 1 ? last - kept - 1 : 0;
    while (w->low > 0 && w->v[w->low].fd >= 0)
        w->low--;
    return true;
}

static bool reach(struct walk *w, struct frame *f)
{
    if (f->fd >= 0 || find_again(w))
        return true;
    w->tally.lost++;
    f->end = true;
    forget_names(w, f);
    return false;
}

/* ---- entries ---- */

static void count(struct walk_tally *t, const struct walk_stat *st)
{
    t->bytes += st->bytes;
    t->inodes++;
}

static void take(struct walk *w, struct frame *f, const char *name, const struct walk_stat *st)
{
    if (st->nlink > 1 && !S_ISDIR(st->mode) && w->rules->links && !links_first(w->rules->links, st->dev, st->ino))
        return;
    count(&w->tally, st);
    f->bytes += st->bytes;
    f->inodes++;
    if (S_ISDIR(st->mode))
        w->tally.directories++;
    else
        w->tally.size += st->size;
    if (w->rules->entry)
        w->rules->entry(w->rules->data, f->dir, name, st);
}

static bool gone(int why)
{
    return why == ENOENT || why == ENOTDIR || why == ELOOP || why == ESTALE;
}

/* What cannot be entered still takes its own place. */
static void shut(struct walk *w, struct frame *f, const char *name, int why)
{
    struct walk_stat st;
    int is = why == EXDEV ? 1 : gone(why) ? -1 : look(f->fd, name, &st);
    if (is > 0)
        w->tally.mounts++;
    else if (is < 0)
        w->tally.vanished++;
    else {
        w->tally.unreadable++;
        take(w, f, name, &st);
    }
}

/* The directory open at FD, counted; NULL when it is not wanted, and FD closed. */
static struct walk_dir *begin(struct walk *w, struct walk_dir *parent, const char *name, int fd, const struct walk_stat *st)
{
    struct walk_dir *d = dir_new(parent, name, st);
    if (w->rules->enter && !w->rules->enter(w->rules->data, d, fd, st)) {
        close(fd);
        dir_drop(w->rules, d);
        return NULL;
    }
    count(&w->tally, st);
    w->tally.directories++;
    atomic_fetch_add(&d->bytes, st->bytes);
    atomic_fetch_add(&d->inodes, 1);
    return d;
}

/* Opens and counts NAME in F: its directory, or NULL when there is nothing to read. */
static struct walk_dir *enter(struct walk *w, struct frame *f, const char *name, int *fd)
{
    struct walk_stat st;
    *fd = open_dir(f->fd, name, RESOLVE_BENEATH);
    if (*fd < 0 || look(*fd, "", &st) < 0) {
        int why = errno;
        if (*fd >= 0)
            close(*fd);
        shut(w, f, name, why);
        return NULL;
    }
    return begin(w, f->dir, name, *fd, &st);
}

static void remember(struct walk *w, struct frame *f, const char *name, size_t len)
{
    f->names = mem_grow(f->names, f->len + len + 1, 1);
    memcpy(f->names + f->len, name, len + 1);
    f->len += (uint32_t)len + 1;
    w->names += len + 1;
}

/* Enough names: what follows in the batch is read again later, unless it exists nowhere else. */
static bool cut_short(struct walk *w, struct frame *f, size_t more)
{
    if (f->len == 0 || w->names + more <= w->names_most || f->end)
        return false;
    w->at = w->len = 0;
    f->seek = true;
    return true;
}

static void later(struct walk *w, struct frame *f, const char *name)
{
    size_t len = strlen(name);
    if (f->dir->depth + 1 >= w->depth) {
        w->tally.deep++;
        struct walk_stat st;
        if (look(f->fd, name, &st) == 0)
            take(w, f, name, &st);
        return;
    }
    remember(w, f, name, len);
}

static void one_entry(struct walk *w, struct frame *f)
{
    const struct dirent64 *e = (const struct dirent64 *)(const void *)(w->batch + w->at);
    const char *name = e->d_name;
    struct walk_stat st;
    bool dots = name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
    bool hidden = dots || (w->rules->hides && w->rules->hides(w->rules->data, f->fd, name));
    if (!hidden && e->d_type == DT_DIR && cut_short(w, f, strlen(name) + 1))
        return;
    w->at += e->d_reclen;
    f->off = e->d_off;
    if (hidden)
        return;
    if (e->d_type == DT_DIR) {
        later(w, f, name);
        return;
    }
    int is = look(f->fd, name, &st);
    if (is < 0 && !gone(errno))
        w->tally.unreadable++;
    else if (is < 0)
        w->tally.vanished++;
    else if (is > 0)
        w->tally.mounts++;
    else if (S_ISDIR(st.mode))
        later(w, f, name);
    else
        take(w, f, name, &st);
}

/* ---- work for others ---- */

static bool wanted(struct walk *w)
{
    return w->rules->hungry && w->rules->hungry(w->rules->data);
}

/* A large directory: others look at this piece while we read the next. */
static bool give_batch(struct walk *w, struct frame *f)
{
    if (w->len < WALK_BATCH / 2 || !wanted(w))
        return false;
    int fd = fcntl(f->fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        return false;
    struct walk_task t = { .dir = f->dir, .fd = fd, .batch = mem_new(w->len), .len = w->len };
    memcpy(t.batch, w->batch, w->len);
    const char *at = w->batch;
    for (size_t i = 0; i < w->len; i += ((const struct dirent64 *)(const void *)(at + i))->d_reclen)
        f->off = ((const struct dirent64 *)(const void *)(at + i))->d_off;
    atomic_fetch_add(&f->dir->refs, 1);
    w->at = w->len = 0;
    w->rules->give(w->rules->data, &t);
    return true;
}

static const char *next_name(struct frame *f)
{
    const char *name = f->names + f->at;
    f->at += (uint32_t)strlen(name) + 1;
    return name;
}

/* From the first frame that has some: what stands near the top is the most. */
static void give_dir(struct walk *w)
{
    for (size_t i = 0; i < w->n; i++) {
        struct frame *f = &w->v[i];
        int fd;
        if (f->fd < 0 || f->at == f->len)
            continue;
        struct walk_dir *d = enter(w, f, next_name(f), &fd);
        if (d)
            w->rules->give(w->rules->data, &(struct walk_task){ .dir = d, .fd = fd });
        return;
    }
}

/* ---- the walk ---- */

static void read_some(struct walk *w, struct frame *f)
{
    if (!reach(w, f))
        return;
    forget_names(w, f);
    if (f->seek && lseek(f->fd, f->off, SEEK_SET) < 0) {
        w->tally.unreadable++;
        f->end = true;
        return;
    }
    f->seek = false;
    long n = syscall(SYS_getdents64, f->fd, w->batch, WALK_BATCH);
    w->at = 0;
    w->len = n > 0 ? (size_t)n : 0;
    if (n <= 0) {
        f->end = true;
        /* ENOENT: it was removed, empty, since. */
        w->tally.unreadable += n < 0 && errno != ENOENT;
        return;
    }
    give_batch(w, f);
}

static void descend(struct walk *w, struct frame *f)
{
    int fd;
    if (wanted(w))
        give_dir(w);
    if (f->at == f->len || !reach(w, f))
        return;
    struct walk_dir *d = enter(w, f, next_name(f), &fd);
    if (d)
        push(w, d, fd);
}

static void step(struct walk *w)
{
    struct frame *f = &w->v[w->n - 1];
    if (w->at < w->len)
        one_entry(w, f);
    else if (f->at < f->len)
        descend(w, f);
    else if (!f->end)
        read_some(w, f);
    else
        pop(w);
}

bool walk_step(struct walk *w, unsigned n)
{
    for (; n > 0 && w->n > 0; n--)
        step(w);
    return w->n > 0;
}

struct walk *walk_new(const struct walk_rules *rules)
{
    struct walk *w = mem_new(sizeof *w);
    w->rules = rules;
    w->fds = rules->fds ? rules->fds : WALK_FDS;
    w->fds = w->fds < WALK_FDS_LEAST ? WALK_FDS_LEAST : w->fds;
    w->depth = rules->depth ? rules->depth : WALK_DEPTH_MOST;
    w->names_most = rules->names ? rules->names : WALK_NAMES;
    w->batch = mem_new(WALK_BATCH);
    return w;
}

void walk_free(struct walk *w)
{
    if (w == NULL)
        return;
    while (w->n > 0)
        pop(w);
    free(w->v);
    free(w->batch);
    free(w);
}

int walk_root(struct walk *w, int root)
{
    struct walk_stat st;
    int fd = open_dir(root, ".", RESOLVE_BENEATH);
    if (fd < 0)
        return -1;
    if (look(fd, "", &st) < 0) {
        close(fd);
        return -1;
    }
    struct walk_dir *d = begin(w, NULL, "", fd, &st);
    if (d)
        push(w, d, fd);
    return 0;
}

void walk_task(struct walk *w, struct walk_task *t)
{
    struct frame *f = push(w, t->dir, t->fd);
    if (t->batch == NULL)
        return;
    f->end = true;
    memcpy(w->batch, t->batch, t->len);
    w->at = 0;
    w->len = t->len;
    free(t->batch);
}

void walk_task_drop(const struct walk_rules *rules, struct walk_task *t)
{
    close(t->fd);
    free(t->batch);
    dir_drop(rules, t->dir);
}

const struct walk_tally *walk_tally(const struct walk *w)
{
    return &w->tally;
}

void walk_tally_add(struct walk_tally *sum, const struct walk_tally *more)
{
    sum->bytes += more->bytes;
    sum->inodes += more->inodes;
    sum->size += more->size;
    sum->directories += more->directories;
    sum->unreadable += more->unreadable;
    sum->vanished += more->vanished;
    sum->lost += more->lost;
    sum->deep += more->deep;
    sum->mounts += more->mounts;
}
