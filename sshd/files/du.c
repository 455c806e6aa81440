/* du: a walk in slices, so that other requests have their turn in between and the session can show how far it is, or give up. */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/die.h"
#include "base/mem.h"
#include "quota/top.h"
#include "quota/walk.h"
#include "sshd/files/beneath.h"
#include "sshd/files/failure.h"
#include "sshd/files/requests.h"
#include "sshd/proto.h"

/* A slice in ms; steps between two looks at the clock; descriptors, of those the worker may have beside its handles; inodes with several names
   that are told apart; bytes of a path among the largest, all of which have to fit into one message. */
enum { SLICE_MS = 20, STEPS = 128, FDS = DU_FDS, LINKS = 1 << 18, PATH_SHOWN = 240 };

struct du {
    struct walk_rules rules;
    struct walk *walk;            /* NULL: of one file, and done */
    struct walk_tally tally;
    uint64_t untold;
    struct top *dirs, *files;
};

void du_drop(struct worker *w)
{
    struct du *d = w->du;
    if (d == NULL)
        return;
    w->du = NULL;
    walk_free(d->walk);
    links_free(d->rules.links);
    top_free(d->dirs);
    top_free(d->files);
    free(d);
}

static bool hides(void *data, int dir, const char *name)
{
    const struct worker *w = data;
    if (!beneath_hides(data, dir, name))
        return false;
    /* Past what a path can say it cannot be told, and counts as not seen. */
    w->du->untold += errno != EHIDDEN;
    return true;
}

static void consider(struct top *t, uint64_t bytes, const struct walk_dir *d, const char *name)
{
    char path[PATH_SHOWN];
    if (top_wants(t, bytes))
        top_add(t, bytes, walk_path(d, name, path, sizeof path));
}

static void entry(void *data, struct walk_dir *d, const char *name, const struct walk_stat *st)
{
    const struct worker *w = data;
    /* What is dropped half-way still comes by here. */
    if (w->du && S_ISREG(st->mode))
        consider(w->du->files, st->bytes, d, name);
}

static void leave(void *data, struct walk_dir *d)
{
    const struct worker *w = data;
    if (w->du && d->parent)
        consider(w->du->dirs, atomic_load(&d->bytes), d, NULL);
}

/* Of what is no directory. */
static void one(struct du *d, const struct stat *st)
{
    d->tally = (struct walk_tally){ .bytes = (uint64_t)st->st_blocks * 512, .inodes = 1, .size = (uint64_t)st->st_size };
}

static int begin(struct worker *w, const char *path, uint32_t top)
{
    struct stat st;
    du_drop(w);
    CLOSE_FD int fd = beneath_look(w, path, 0, &st);
    if (fd < 0)
        return fail_errno(w, errno);
    CLOSE_FD int dir = S_ISDIR(st.st_mode) ? beneath_same(w, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, &st) : -1;
    if (S_ISDIR(st.st_mode) && dir < 0)
        return fail_errno(w, errno);
    struct du *d = w->du = mem_new(sizeof *d);
    d->dirs = top_new(top);
    d->files = top_new(top);
    d->rules = (struct walk_rules){ .data = w, .hides = w->deny ? hides : NULL, .entry = top ? entry : NULL, .leave = top ? leave : NULL,
                                    .links = links_new(LINKS), .fds = FDS };
    if (dir < 0) {
        one(d, &st);
        return 0;
    }
    d->walk = walk_new(&d->rules);
    if (walk_root(d->walk, dir) == 0)
        return 0;
    int no = errno;
    du_drop(w);
    return fail_errno(w, no);
}

static int64_t ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Whether all has been seen. */
static bool slice(struct du *d)
{
    int64_t end = ms() + SLICE_MS;
    if (d->walk == NULL)
        return true;
    bool more;
    do
        more = walk_step(d->walk, STEPS);
    while (more && ms() < end);
    d->tally = *walk_tally(d->walk);
    return !more;
}

static void put_top(struct msg *answer, const struct top *t, uint32_t directory)
{
    for (size_t i = 0; i < t->n; i++) {
        msg_put_u32(answer, directory);
        msg_put_u64(answer, t->v[i].bytes);
        msg_put_str(answer, t->v[i].path);
    }
}

static void put(struct msg *answer, const struct du *d, bool done)
{
    const struct walk_tally *t = &d->tally;
    msg_put_u32(answer, done);
    msg_put_u64(answer, t->bytes);
    msg_put_u64(answer, t->size);
    msg_put_u64(answer, t->inodes - t->directories);
    msg_put_u64(answer, t->directories);
    msg_put_u64(answer, t->unreadable + t->lost + t->deep + d->untold);
    msg_put_u32(answer, done ? (uint32_t)(d->dirs->n + d->files->n) : 0);
    if (!done)
        return;
    put_top(answer, d->dirs, 1);
    put_top(answer, d->files, 0);
}

int files_du(struct worker *w, struct msg *m, struct msg *answer)
{
    uint32_t what = msg_get_u32(m);
    FREE_MEM char *path = msg_get_str(m);
    uint32_t top = msg_get_u32(m);
    msg_end(m);
    if (what > DU_GO_ON || top > DU_TOP_MOST || (what == DU_GO_ON && w->du == NULL))
        die("peer broke a rule: du %u, the largest %u", what, top);
    if (what == DU_BEGIN && begin(w, path, top) < 0)
        return -1;
    bool done = slice(w->du);
    put(answer, w->du, done);
    if (done)
        du_drop(w);
    return 0;
}
