#include "quota/quotafs/recount.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"

/* Folders still to be seen in the one we are in, and what that is, to know it again on the way up. */
struct level { char **names; size_t n, room; dev_t dev; ino_t ino; };

struct walk {
    struct recount *sum;
    struct level *levels;
    size_t n, room;
    /* Inodes with several names that were seen: an open hash, 0 is free. */
    uint64_t *seen, mask, nseen;
    dev_t dev;
};

static uint64_t *place(struct walk *w, uint64_t ino)
{
    uint64_t i = (ino * 0x9e3779b97f4a7c15ull >> 17) & w->mask;
    while (w->seen[i] && w->seen[i] != ino)
        i = (i + 1) & w->mask;
    return &w->seen[i];
}

static void grow(struct walk *w)
{
    uint64_t *old = w->seen, was = w->mask ? w->mask + 1 : 0;
    w->mask = was ? was * 2 - 1 : 1023;
    w->seen = mem_array(w->mask + 1, sizeof *w->seen);
    for (uint64_t i = 0; i < was; i++)
        if (old[i])
            *place(w, old[i]) = old[i];
    free(old);
}

static bool first_time(struct walk *w, const struct stat *st)
{
    if (S_ISDIR(st->st_mode) || st->st_nlink < 2)
        return true;
    if (w->nseen * 2 >= w->mask)
        grow(w);
    uint64_t *p = place(w, st->st_ino);
    if (*p)
        return false;
    *p = st->st_ino;
    w->nseen++;
    return true;
}

static void count(struct walk *w, const struct stat *st)
{
    if (!first_time(w, st))
        return;
    w->sum->bytes += (uint64_t)st->st_blocks * 512;
    w->sum->inodes++;
}

static void later(struct level *l, const char *name)
{
    if (l->n == l->room)
        l->names = mem_grow(l->names, l->room = l->room ? l->room * 2 : 8, sizeof *l->names);
    l->names[l->n++] = mem_str(name);
}

static int look_at(struct walk *w, struct level *l, int fd, const char *name, struct err *e)
{
    struct stat st;
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return 0;
    if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return err_set(e, errno, "count", "stat");
    if (st.st_dev != w->dev)
        return err_set(e, EXDEV, "count", "another file system within");
    count(w, &st);
    if (S_ISDIR(st.st_mode))
        later(l, name);
    return 0;
}

/* All names of the folder open at FD. */
static int read_level(struct walk *w, int fd, struct err *e)
{
    struct stat st;
    CLOSE_FD int again = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (again < 0 || fstat(again, &st) < 0)
        return err_set(e, errno, "count", "open");
    if (w->n == w->room)
        w->levels = mem_grow(w->levels, w->room = w->room ? w->room * 2 : 16, sizeof *w->levels);
    struct level *l = &w->levels[w->n++];
    *l = (struct level){ .dev = st.st_dev, .ino = st.st_ino };
    DIR *d = fdopendir(again);
    if (!d)
        return err_set(e, errno, "count", "read");
    fd_steal(&again);
    int r = 0;
    errno = 0;
    for (struct dirent *f; !r && (f = readdir(d)); errno = 0)
        r = look_at(w, l, dirfd(d), f->d_name, e);
    if (!r && errno)
        r = err_set(e, errno, "count", "read");
    closedir(d);
    return r;
}

static int go(int *at, const char *name, struct err *e)
{
    int fd = openat(*at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return err_set(e, errno, "count", "open");
    close(*at);
    *at = fd;
    return 0;
}

static int down(struct walk *w, int *at, struct err *e)
{
    struct level *l = &w->levels[w->n - 1];
    FREE_MEM char *name = l->names[--l->n];
    return go(at, name, e) < 0 || read_level(w, *at, e) < 0 ? -1 : 0;
}

static int up(struct walk *w, int *at, struct err *e)
{
    struct stat st;
    free(w->levels[--w->n].names);
    if (w->n == 0)
        return 0;
    const struct level *l = &w->levels[w->n - 1];
    if (go(at, "..", e) < 0)
        return -1;
    return fstat(*at, &st) < 0 || st.st_ino != l->ino || st.st_dev != l->dev ? err_set(e, ESTALE, "count", "a folder was moved") : 0;
}

static void clean(struct walk *w)
{
    while (w->n) {
        struct level *l = &w->levels[--w->n];
        while (l->n)
            free(l->names[--l->n]);
        free(l->names);
    }
    free(w->levels);
    free(w->seen);
}

int recount(int root, struct recount *r, struct err *e)
{
    struct stat st;
    struct walk w = { .sum = r };
    *r = (struct recount){ 0 };
    CLOSE_FD int at = openat(root, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (at < 0 || fstat(at, &st) < 0)
        return err_set(e, errno, "count", "open");
    w.dev = st.st_dev;
    grow(&w);
    count(&w, &st);
    int no = read_level(&w, at, e);
    while (!no && w.n)
        no = w.levels[w.n - 1].n ? down(&w, &at, e) : up(&w, &at, e);
    clean(&w);
    return no;
}
