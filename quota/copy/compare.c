#include "quota/copy/jobs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "quota/copy/attrs.h"
#include "quota/copy/pairs.h"

static struct copy *telling;

static void tell(uint64_t bytes)
{
    telling->bytes += bytes;
    copy_tell(telling);
}

static int compare_links(int from, int to, const char *name, struct err *e)
{
    char a[PATH_MAX], b[PATH_MAX];
    ssize_t n = readlinkat(from, name, a, sizeof a), k = readlinkat(to, name, b, sizeof b);
    return n < 0 || n != k || memcmp(a, b, (size_t)n) != 0 ? err_set(e, EBADMSG, "compare", "where it leads") : 0;
}

static int compare_open(int from, int to, const char *name, const struct stat *st, struct err *e)
{
    CLOSE_FD int old = walk_open(from, name, O_RDONLY | O_NONBLOCK, 0, e);
    CLOSE_FD int new = old < 0 ? -1 : walk_open(to, name, O_RDONLY | O_NONBLOCK, 0, e);
    if (new < 0 || attrs_compare(old, new, e) < 0)
        return -1;
    return S_ISREG(st->st_mode) ? data_compare(old, new, st, tell, e) : 0;
}

/* Names of one inode there are names of one inode here. */
static bool same_inode(const struct stat *a, const struct stat *b)
{
    uint64_t here = b->st_ino;
    return a->st_nlink == 1 || pairs_note(a->st_dev, a->st_ino, &here) || here == b->st_ino;
}

static int compare(int from, int to, const char *name, const struct stat *a, struct err *e)
{
    struct stat b;
    if (fstatat(to, name, &b, AT_SYMLINK_NOFOLLOW) < 0)
        return err_set(e, errno, "compare", "is missing");
    if (attrs_compare_stat(a, &b, e) < 0)
        return -1;
    if (!same_inode(a, &b))
        return err_set(e, EBADMSG, "compare", "is not what its other names are");
    if (S_ISLNK(a->st_mode))
        return compare_links(from, to, name, e);
    return S_ISSOCK(a->st_mode) ? 0 : compare_open(from, to, name, a, e);
}

static int file(struct walk *w, int from, int to, const char *name, const struct stat *st, struct err *e)
{
    struct copy *c = w->data;
    if (compare(from, to, name, st, e) < 0)
        return err_wrap(e, esc(name));
    c->inodes++;
    copy_tell(c);
    return 0;
}

static int leave(struct walk *w, int from, int to, uint64_t count, struct err *e)
{
    struct copy *c = w->data;
    struct stat a, b;
    uint64_t names;
    if (fstat(from, &a) < 0 || fstat(to, &b) < 0)
        return err_set(e, errno, "stat", "a folder");
    if (attrs_compare_stat(&a, &b, e) < 0 || attrs_compare(from, to, e) < 0 || walk_names(to, &names, e) < 0)
        return -1;
    c->inodes++;
    return names == count ? 0 : err_set(e, EBADMSG, "compare", "a folder has %llu names, and %llu", (unsigned long long)count, (unsigned long long)names);
}

int copy_compare(int from, int to, struct copy *c, struct err *e)
{
    static const struct walk_visit visit = { .file = file, .leave = leave };
    struct walk w = { .visit = &visit, .from = from, .to = to, .data = c };
    telling = c;
    int r = walk(&w, e);
    c->left_out = w.left_out;
    return r;
}
