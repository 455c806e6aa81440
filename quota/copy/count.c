#include "quota/copy/jobs.h"

#include <errno.h>

#include "quota/copy/pairs.h"

static int add(struct copy *c, const struct stat *st)
{
    c->inodes++;
    c->bytes += (uint64_t)st->st_blocks * 512;
    copy_tell(c);
    return 0;
}

static int file(struct walk *w, int from UNUSED, int to UNUSED, const char *name UNUSED, const struct stat *st, struct err *e UNUSED)
{
    uint64_t none = 0;
    return st->st_nlink > 1 && !pairs_note(st->st_dev, st->st_ino, &none) ? 0 : add(w->data, st);
}

static int leave(struct walk *w, int from, int to UNUSED, uint64_t count UNUSED, struct err *e)
{
    struct stat st;
    return fstat(from, &st) < 0 ? err_set(e, errno, "stat", "a folder") : add(w->data, &st);
}

int copy_count(int from, struct copy *c, struct err *e)
{
    static const struct walk_visit visit = { .file = file, .leave = leave };
    struct walk w = { .visit = &visit, .from = from, .to = -1, .data = c };
    int r = walk(&w, e);
    c->left_out = w.left_out;
    return r;
}
