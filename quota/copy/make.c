#include "quota/copy/jobs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "quota/copy/attrs.h"

/* Where files with several names lie until all of them are made: a folder of ours in the new root, under a name that the old one has not. */
struct stage { int fd; char name[32]; };
struct making { struct copy *copy; struct stage stage; };

static struct copy *telling;

static void tell(uint64_t bytes)
{
    telling->bytes += bytes;
    copy_tell(telling);
}

static int make_regular(int from, int to, const char *name, const char *as, const struct stat *st, struct err *e)
{
    CLOSE_FD int old = walk_open(from, name, O_RDONLY | O_NONBLOCK, 0, e);
    CLOSE_FD int new = old < 0 ? -1 : walk_open(to, as, O_WRONLY | O_CREAT | O_EXCL, 0600, e);
    return new < 0 || data_copy(old, new, st, tell, e) < 0 ? -1 : attrs_copy(old, new, st, e);
}

static int make_link(int from, int to, const char *name, const char *as, const struct stat *st, struct err *e)
{
    char target[PATH_MAX + 1];
    ssize_t n = readlinkat(from, name, target, sizeof target - 1);
    if (n < 0)
        return err_set(e, errno, "read link", "%s", esc(name));
    target[n] = '\0';
    if (symlinkat(target, to, as) < 0)
        return err_set(e, errno, "make link", "%s", esc(name));
    return attrs_copy_at(to, as, st, e);
}

static int make_fifo(int from, int to, const char *name, const char *as, const struct stat *st, struct err *e)
{
    if (mknodat(to, as, S_IFIFO | 0600, 0) < 0)
        return err_set(e, errno, "make pipe", "%s", esc(name));
    CLOSE_FD int old = walk_open(from, name, O_RDONLY | O_NONBLOCK, 0, e);
    CLOSE_FD int new = old < 0 ? -1 : walk_open(to, as, O_RDONLY | O_NONBLOCK, 0, e);
    return new < 0 ? -1 : attrs_copy(old, new, st, e);
}

static int make_socket(int from UNUSED, int to, const char *name, const char *as, const struct stat *st, struct err *e)
{
    if (mknodat(to, as, S_IFSOCK | 0600, 0) < 0)
        return err_set(e, errno, "make socket", "%s", esc(name));
    return attrs_copy_at(to, as, st, e);
}

static const struct { mode_t type; int (*make)(int from, int to, const char *name, const char *as, const struct stat *st, struct err *e); } kinds[] = {
    { S_IFREG, make_regular }, { S_IFLNK, make_link }, { S_IFIFO, make_fifo }, { S_IFSOCK, make_socket },
};

static int make_as(int from, int to, const char *name, const char *as, const struct stat *st, struct err *e)
{
    for (size_t i = 0; i < countof(kinds); i++)
        if (kinds[i].type == (st->st_mode & S_IFMT))
            return kinds[i].make(from, to, name, as, st, e);
    return err_set(e, EINVAL, "copy", "%s is of an unknown kind", esc(name));
}

/* The link count on the stage is the names made so far and one; the last name takes the stage's. */
static int give_name(const struct stage *s, const char *key, int to, const char *name, nlink_t all, struct err *e)
{
    struct stat st;
    if (fstatat(s->fd, key, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return err_set(e, errno, "stat", "%s", esc(name));
    int r = st.st_nlink >= all ? renameat(s->fd, key, to, name) : linkat(s->fd, key, to, name, 0);
    return r < 0 ? err_set(e, errno, "link", "%s", esc(name)) : 0;
}

static int make_linked(struct making *m, int from, int to, const char *name, const struct stat *st, struct err *e)
{
    char key[40];
    snprintf(key, sizeof key, "%llx.%llx", (unsigned long long)st->st_dev, (unsigned long long)st->st_ino);
    if (faccessat(m->stage.fd, key, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && make_as(from, m->stage.fd, name, key, st, e) < 0)
        return -1;
    return give_name(&m->stage, key, to, name, st->st_nlink, e);
}

static int file(struct walk *w, int from, int to, const char *name, const struct stat *st, struct err *e)
{
    struct making *m = w->data;
    int r = st->st_nlink > 1 ? make_linked(m, from, to, name, st, e) : make_as(from, to, name, name, st, e);
    if (r < 0)
        return err_wrap(e, esc(name));
    m->copy->inodes++;
    copy_tell(m->copy);
    return 0;
}

static int enter(struct walk *w UNUSED, int from UNUSED, int to, const char *name, const struct stat *st UNUSED, struct err *e)
{
    return mkdirat(to, name, 0700) < 0 ? err_set(e, errno, "make folder", "%s", esc(name)) : 0;
}

static int leave(struct walk *w, int from, int to, uint64_t count UNUSED, struct err *e)
{
    struct making *m = w->data;
    struct stat st;
    m->copy->inodes++;
    return fstat(from, &st) < 0 ? err_set(e, errno, "stat", "a folder") : attrs_copy(from, to, &st, e);
}

static int stage_make(struct stage *s, int from, int to, struct err *e)
{
    struct stat st;
    unsigned i = 0;
    do
        snprintf(s->name, sizeof s->name, ".several-names.%u", i++);
    while (fstatat(from, s->name, &st, AT_SYMLINK_NOFOLLOW) == 0);
    if (mkdirat(to, s->name, 0700) < 0)
        return err_set(e, errno, "make folder", "%s", s->name);
    s->fd = walk_open(to, s->name, O_RDONLY | O_DIRECTORY, 0, e);
    return s->fd < 0 ? -1 : 0;
}

/* An inode whose other names are nowhere in the tree would still lie there: its file system is damaged. */
static int stage_end(struct stage *s, int to, struct err *e)
{
    close(s->fd);
    return unlinkat(to, s->name, AT_REMOVEDIR) < 0 ? err_set(e, errno, "files with several names", "not all of their names were found") : 0;
}

int copy_make(int from, int to, struct copy *c, struct err *e)
{
    static const struct walk_visit visit = { .file = file, .enter = enter, .leave = leave };
    struct making m = { .copy = c, .stage = { .fd = -1 } };
    struct walk w = { .visit = &visit, .from = from, .to = to, .data = &m };
    struct stat st;
    telling = c;
    if (stage_make(&m.stage, from, to, e) < 0 || walk(&w, e) < 0 || stage_end(&m.stage, to, e) < 0)
        return -1;
    c->left_out = w.left_out;
    /* The stage was in the root, and is what changed it last. */
    if (fstat(from, &st) < 0 || attrs_copy(from, to, &st, e) < 0)
        return -1;
    return syncfs(to) < 0 ? err_set(e, errno, "sync", "%s", "") : 0;
}
