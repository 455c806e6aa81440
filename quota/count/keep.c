#include "quota/count/keep.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/die.h"
#include "base/log.h"
#include "base/mem.h"
#include "quota/count/folder.h"
#include "quota/walk.h"

enum {
    EVENTS = IN_CREATE | IN_DELETE | IN_MODIFY | IN_MOVED_FROM | IN_MOVED_TO | IN_ATTRIB | IN_ONESHOT | IN_ONLYDIR | IN_EXCL_UNLINK,
    LINKS = 1 << 20,
};

struct keep {
    int root, inotify;
    unsigned watches;          /* at most */
    struct folders all;
    struct keep_sums sums;
    bool anew;                 /* the next look is at everything */
    bool dirty;                /* some folder is */
    bool looking_at_all;
    struct folder *at;         /* of the look under way: its top */
};

static void add(struct keep *k, struct folder *f, uint64_t bytes)
{
    f->bytes += bytes;
    f->inodes++;
    k->sums.bytes += bytes;
    k->sums.inodes++;
}

static void take_out(struct keep *k, struct folder *f)
{
    k->sums.bytes -= f->bytes;
    k->sums.inodes -= f->inodes;
    k->sums.unseen -= f->unseen;
    f->bytes = f->inodes = f->unseen = 0;
}

static void gone(void *data, struct folder *f)
{
    struct keep *k = data;
    take_out(k, f);
    /* That it is gone already is no news. */
    if (f->wd >= 0)
        inotify_rm_watch(k->inotify, f->wd);
}

static void soil(struct keep *k, struct folder *f)
{
    f->dirty = true;
    k->dirty = true;
}

/* ---- watches ---- */

/* Before it is read, so that what changes from here on is told.  False: there is no watch to be had. */
static bool watch(struct keep *k, struct folder *f, int fd)
{
    int wd = fchdir(fd) < 0 ? -1 : inotify_add_watch(k->inotify, ".", EVENTS);
    folder_watch(&k->all, f, wd);
    return wd >= 0;
}

static void take_event(struct keep *k, const struct inotify_event *e)
{
    if (e->mask & IN_Q_OVERFLOW) {
        log_info("count.overflow", "%s", "");
        k->anew = true;
        return;
    }
    struct folder *f = folder_of_wd(&k->all, e->wd);
    if (f == NULL)
        return;
    /* Told once, and gone. */
    folder_watch(&k->all, f, -1);
    soil(k, f);
}

void keep_drain(struct keep *k)
{
    char space[16384] __attribute__((aligned(__alignof__(struct inotify_event))));
    ssize_t n;
    while ((n = read(k->inotify, space, sizeof space)) > 0)
        for (ssize_t at = 0; at < n;) {
            const struct inotify_event *e = (const struct inotify_event *)(const void *)(space + at);
            take_event(k, e);
            at += (ssize_t)(sizeof *e + e->len);
        }
    if (n < 0 && errno != EAGAIN && errno != EINTR)
        die_errno("inotify");
}

int keep_fd(const struct keep *k)
{
    return k->inotify;
}

bool keep_dirty(const struct keep *k)
{
    return k->dirty || k->anew;
}

void keep_doubt(struct keep *k, bool all)
{
    k->anew = k->anew || all;
    for (struct folder *f = k->all.root; f; f = folder_after(f))
        if (f->rest)
            soil(k, f);
}

/* ---- looking ---- */

static bool is_of(const struct walk_dir *d, const struct folder *f)
{
    return d->dev == f->dev && d->ino == f->ino;
}

/* A directory in a known one that is known as well: at its old place or at a new one.  What is in it is not this look's business. */
static void meet(struct keep *k, struct folder *known, struct folder *parent, const char *name)
{
    known->seen = true;
    /* Seen beneath itself: what we know is older than that. */
    if (!folder_move(known, parent, name))
        k->anew = true;
}

static bool enter_known(struct keep *k, struct walk_dir *d, int fd, struct folder *parent)
{
    struct folder *known = folder_of_ino(&k->all, d->dev, d->ino);
    if (known) {
        meet(k, known, parent, d->name);
        return false;
    }
    if (k->all.n >= k->watches) {
        parent->rest = true;
        return true;
    }
    struct folder *f = folder_add(&k->all, parent, d->name, d->dev, d->ino);
    if (watch(k, f, fd)) {
        d->tag = f;
        return true;
    }
    /* No more of them than there are. */
    if (errno == ENOSPC && k->watches > k->all.n)
        k->watches = (unsigned)k->all.n;
    folder_drop(&k->all, f, NULL, NULL);
    parent->rest = true;
    return true;
}

static bool enter(void *data, struct walk_dir *d, int fd, const struct walk_stat *st)
{
    struct keep *k = data;
    struct folder *parent = d->tag;
    if (d->parent == NULL) {
        d->tag = k->at;
        if (!watch(k, k->at, fd))
            k->at->rest = true;
    } else if (is_of(d->parent, parent) && !enter_known(k, d, fd, parent))
        return false;
    add(k, d->tag, st->bytes);
    return true;
}

static void entry(void *data, struct walk_dir *d, const char *name UNUSED, const struct walk_stat *st)
{
    struct keep *k = data;
    struct folder *f = d->tag;
    if (st->nlink > 1 && !S_ISDIR(st->mode)) {
        f->links = true;
        /* Whether it was counted elsewhere cannot be told from here. */
        if (!k->looking_at_all)
            k->anew = true;
    }
    add(k, f, st->bytes);
}

static int look_at(struct keep *k, struct folder *f, int fd, struct links *links)
{
    const struct walk_rules rules = { .data = k, .enter = enter, .entry = entry, .links = links, .upward = true };
    k->at = f;
    struct walk *w = walk_new(&rules);
    int no = walk_root(w, fd) < 0 ? errno : 0;
    while (no == 0 && walk_step(w, 4096)) {}
    const struct walk_tally *t = walk_tally(w);
    f->unseen = t->unreadable + t->lost + t->deep;
    k->sums.unseen += f->unseen;
    walk_free(w);
    return no;
}

/* The directory F was last seen as, by the names on the way; -1: it is somewhere else by now, and what was there told of it. */
static int open_folder(const struct keep *k, const struct folder *f)
{
    size_t depth = 0, i = 0;
    for (const struct folder *up = f; up->parent; up = up->parent)
        depth++;
    FREE_MEM const struct folder **way = mem_array(depth + 1, sizeof *way);
    for (const struct folder *up = f; up->parent; up = up->parent)
        way[depth - ++i] = up;
    struct open_how how = { .flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK,
                            .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS };
    int fd = fcntl(k->root, F_DUPFD_CLOEXEC, 0);
    for (i = 0; i < depth && fd >= 0; i++) {
        int next = (int)syscall(SYS_openat2, fd, way[i]->name, &how, sizeof how);
        close(fd);
        fd = next;
    }
    struct stat st;
    if (fd >= 0 && (fstat(fd, &st) < 0 || st.st_ino != f->ino)) {
        close(fd);
        return -1;
    }
    return fd;
}

static void drop_unseen(struct keep *k, struct folder *f)
{
    for (struct folder *c = f->first, *next; c; c = next) {
        next = c->next;
        if (!c->seen)
            folder_drop(&k->all, c, gone, k);
    }
}

static void look_again(struct keep *k, struct folder *f)
{
    CLOSE_FD int fd = open_folder(k, f);
    if (f->links)
        k->anew = true;
    /* Where it could not be reached its parent has changed, and will be looked at first the next time. */
    if (fd < 0 || k->anew)
        return;
    for (struct folder *c = f->first; c; c = c->next)
        c->seen = false;
    take_out(k, f);
    f->dirty = f->rest = false;
    look_at(k, f, fd, NULL);
    if (!k->anew)
        drop_unseen(k, f);
}

/* Parents first: what they know of their children is fresh then. */
static void look_at_dirty(struct keep *k)
{
    k->dirty = false;
    for (struct folder *f = k->all.root; f && !k->anew; f = folder_after(f)) {
        if (f->dirty)
            look_again(k, f);
        k->dirty = k->dirty || f->dirty;
    }
}

static void open_inotify(struct keep *k)
{
    if (k->inotify >= 0)
        close(k->inotify);
    k->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (k->inotify < 0)
        die_errno("inotify_init1");
}

static int look_at_all(struct keep *k)
{
    struct stat st;
    if (fstat(k->root, &st) < 0)
        return errno;
    folders_free(&k->all);
    folders_init(&k->all, k->watches);
    open_inotify(k);
    k->sums = (struct keep_sums){ .bytes = 0 };
    k->anew = k->dirty = false;
    k->looking_at_all = true;
    struct links *links = links_new(LINKS);
    struct folder *root = folder_add(&k->all, NULL, "", (uint64_t)major(st.st_dev) << 32 | minor(st.st_dev), st.st_ino);
    int no = look_at(k, root, k->root, links);
    k->sums.twice = links_over(links);
    links_free(links);
    k->looking_at_all = false;
    return no;
}

int keep_look(struct keep *k, struct keep_sums *s)
{
    int no = 0;
    keep_drain(k);
    if (!k->anew)
        look_at_dirty(k);
    if (k->anew)
        no = look_at_all(k);
    /* No folder is held by our being in it. */
    if (fchdir(k->root) < 0 && no == 0)
        no = errno;
    *s = k->sums;
    return no;
}

struct keep *keep_new(int root, unsigned watches)
{
    struct keep *k = mem_new(sizeof *k);
    *k = (struct keep){ .root = root, .inotify = -1, .watches = watches ? watches : 1, .anew = true };
    folders_init(&k->all, 1);
    open_inotify(k);
    return k;
}

void keep_free(struct keep *k)
{
    folders_free(&k->all);
    close(k->inotify);
    free(k);
}
