#include "quota/copy/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/log.h"
#include "base/mem.h"

/* One folder on the way down.  Those far above the deepest are closed, and found again by "..". */
struct floor {
    int from, to;
    dev_t from_dev, to_dev;
    ino_t from_ino, to_ino;
    off_t at;               /* where its names go on */
    uint64_t count;
};

struct way {
    struct walk *w;
    struct floor *floors;
    size_t n, size, open_from;   /* floors below `open_from` are closed, but the first */
};

struct entry { uint64_t ino; int64_t off; uint16_t len; uint8_t type; char name[]; };

static bool dots(const char *name)
{
    return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

static int open_at(int folder, const char *name, int flags, mode_t mode, uint64_t resolve, struct err *e)
{
    struct open_how how = { .flags = (unsigned)(flags | O_NOFOLLOW | O_CLOEXEC), .mode = mode,
                            .resolve = resolve | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV };
    int fd = (int)syscall(SYS_openat2, folder, name, &how, sizeof how);
    return fd < 0 ? err_set(e, errno, "open", "%s", esc(name)) : fd;
}

int walk_open(int folder, const char *name, int flags, mode_t mode, struct err *e)
{
    return open_at(folder, name, flags, mode, RESOLVE_BENEATH, e);
}

static int identify(struct floor *f, struct err *e)
{
    struct stat a, b = { 0 };
    if (fstat(f->from, &a) < 0 || (f->to >= 0 && fstat(f->to, &b) < 0))
        return err_set(e, errno, "stat", "a folder");
    f->from_dev = a.st_dev;
    f->from_ino = a.st_ino;
    f->to_dev = b.st_dev;
    f->to_ino = b.st_ino;
    return 0;
}

static void shut(struct floor *f)
{
    cleanup_fd(&f->from);
    cleanup_fd(&f->to);
    f->from = f->to = -1;
}

static int push(struct way *way, int from, int to, struct err *e)
{
    if (way->n == way->size) {
        way->size = way->size ? way->size * 2 : 64;
        way->floors = mem_grow(way->floors, way->size, sizeof *way->floors);
    }
    struct floor *f = &way->floors[way->n++];
    *f = (struct floor){ .from = from, .to = to };
    if (way->n - way->open_from > WALK_OPEN)
        shut(&way->floors[way->open_from++]);
    return identify(f, e);
}

static int parent_of(int fd, dev_t dev, ino_t ino, struct err *e)
{
    struct stat st;
    int up = open_at(fd, "..", O_RDONLY | O_DIRECTORY, 0, 0, e);
    if (up < 0)
        return -1;
    if (fstat(up, &st) == 0 && st.st_dev == dev && st.st_ino == ino)
        return up;
    close(up);
    return err_set(e, ESTALE, "walk", "a folder was moved");
}

/* The last floor is left; the one above it is open afterwards. */
static int pop(struct way *way, struct err *e)
{
    struct floor *f = &way->floors[--way->n];
    struct floor *up = way->n ? f - 1 : NULL;
    int r = 0;
    if (up && up->from < 0) {
        up->from = parent_of(f->from, up->from_dev, up->from_ino, e);
        if (up->from >= 0 && f->to >= 0)
            up->to = parent_of(f->to, up->to_dev, up->to_ino, e);
        r = up->from < 0 || (f->to >= 0 && up->to < 0) ? -1 : 0;
        way->open_from = way->n - 1;
    }
    shut(f);
    return r;
}

static int go_down(struct way *way, const struct floor *f, const char *name, const struct stat *st, struct err *e)
{
    struct walk *w = way->w;
    if (w->visit->enter && w->visit->enter(w, f->from, f->to, name, st, e) < 0)
        return -1;
    CLOSE_FD int from = walk_open(f->from, name, O_RDONLY | O_DIRECTORY, 0, e);
    if (from < 0)
        return -1;
    int to = f->to < 0 ? -1 : walk_open(f->to, name, O_RDONLY | O_DIRECTORY, 0, e);
    if (to < 0 && f->to >= 0)
        return -1;
    return push(way, fd_steal(&from), to, e);
}

/* 1: a folder was gone down into. */
static int visit(struct way *way, const char *name, struct err *e)
{
    struct floor *f = &way->floors[way->n - 1];
    struct walk *w = way->w;
    struct stat st;
    if (fstatat(f->from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return err_set(e, errno, "stat", "%s", esc(name));
    if (S_ISBLK(st.st_mode) || S_ISCHR(st.st_mode)) {
        w->left_out++;
        return 0;
    }
    f->count++;
    if (!S_ISDIR(st.st_mode))
        return w->visit->file(w, f->from, f->to, name, &st, e);
    return go_down(way, f, name, &st, e) < 0 ? -1 : 1;
}

/* A part of the names of the last floor.  1: more is to be done, there or below it; 0: it is at its end. */
static int read_names(struct way *way, struct err *e)
{
    _Alignas(struct entry) char part[8192];
    struct floor *f = &way->floors[way->n - 1];
    long n = lseek(f->from, f->at, SEEK_SET) < 0 ? -1 : syscall(SYS_getdents64, f->from, part, sizeof part);
    if (n <= 0)
        return n < 0 ? err_set(e, errno, "list", "a folder") : 0;
    for (long at = 0; at < n;) {
        const struct entry *d = (const void *)(part + at);
        at += d->len;
        f->at = d->off;
        int r = dots(d->name) ? 0 : visit(way, d->name, e);
        if (r)
            return r;
    }
    return 1;
}

static int step(struct way *way, struct err *e)
{
    int r = read_names(way, e);
    if (r)
        return r < 0 ? -1 : 0;
    const struct floor *f = &way->floors[way->n - 1];
    return way->w->visit->leave(way->w, f->from, f->to, f->count, e) < 0 ? -1 : pop(way, e);
}

int walk(struct walk *w, struct err *e)
{
    struct way way = { .w = w };
    CLOSE_FD int from = walk_open(w->from, ".", O_RDONLY | O_DIRECTORY, 0, e);
    int to = from < 0 || w->to < 0 ? -1 : walk_open(w->to, ".", O_RDONLY | O_DIRECTORY, 0, e);
    if (from < 0 || (w->to >= 0 && to < 0))
        return -1;
    int r = push(&way, fd_steal(&from), to, e);
    while (r == 0 && way.n)
        r = step(&way, e);
    while (way.n)
        shut(&way.floors[--way.n]);
    free(way.floors);
    return r;
}

int walk_names(int fd, uint64_t *count, struct err *e)
{
    _Alignas(struct entry) char part[8192];
    long n = lseek(fd, 0, SEEK_SET) < 0 ? -1 : 1;
    *count = 0;
    while (n > 0 && (n = syscall(SYS_getdents64, fd, part, sizeof part)) > 0)
        for (long at = 0; at < n; at += ((const struct entry *)(const void *)(part + at))->len)
            *count += !dots(((const struct entry *)(const void *)(part + at))->name);
    return n < 0 ? err_set(e, errno, "list", "a folder") : 0;
}
