#include "quota/none.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "quota/erase.h"
#include "quota/place.h"
#include "quota/tree.h"

#define FILES ".files"

struct path { char text[NAME_MOST + 32]; };

static struct path path_of(const struct place *p, const char *ending)
{
    struct path q;
    snprintf(q.text, sizeof q.text, "%s" FILES "%s", p->folder, ending);
    return q;
}

static int open_files(const struct place *p, struct err *e)
{
    struct path outer = path_of(p, "");
    CLOSE_FD int fd = place_guard(p, outer.text, e);
    if (fd < 0)
        return -1;
    int tree = openat(fd, "tree", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return tree < 0 ? err_set(e, errno, "open", "servers/%s/tree", outer.text) : tree;
}

static bool has(const struct place *p)
{
    struct path outer = path_of(p, "");
    return faccessat(p->servers, outer.text, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int make(const struct place *p, const struct disk *d, struct err *e)
{
    struct path outer = path_of(p, ""), tree = path_of(p, "/tree");
    if (mkdirat(p->servers, outer.text, 0700) < 0 && errno != EEXIST)
        return err_set(e, errno, "mkdir", "servers/%s", outer.text);
    if (mkdirat(p->servers, tree.text, 0700) < 0)
        return errno == EEXIST ? 0 : err_set(e, errno, "mkdir", "servers/%s", tree.text);
    log_info("disk made", "server=%s backend=none", d->name);
    return 0;
}

/* What is mounted: 1 our folder, 0 nothing, -1 with E: also something else. */
static int ours(const struct place *p, uint64_t *mount, struct err *e)
{
    CLOSE_FD int tree = has(p) ? open_files(p, NULL) : -1;
    return place_shows(p, tree, mount, e);
}

static int show(const struct place *p, const struct disk *d, struct err *e)
{
    CLOSE_FD int files = open_files(p, e);
    if (files < 0)
        return -1;
    CLOSE_FD int tree = tree_of(files, e);
    if (tree < 0 || tree_own(d->name, tree, d->owner, e) < 0)
        return -1;
    return place_attach(p, tree, e);
}

static int up(const struct place *p, struct disk *d, struct err *e)
{
    uint64_t mount = 0;
    int is = ours(p, &mount, e);
    if (is < 0 || (is == 0 && make(p, d, e) < 0))
        return -1;
    log_warn("quota.none", "server=%s why=\"nothing holds it to its disk limit: quota = none, unsafe\"", d->name);
    if (is && place_shown_for(p, d->owner))
        return 0;
    return is && place_unmount(p, mount, e) < 0 ? -1 : show(p, d, e);
}

static int resize(const struct place *p UNUSED, struct disk *d UNUSED, struct err *e UNUSED)
{
    return 0;
}

static int down(const struct place *p, const struct disk *d UNUSED, struct err *e)
{
    uint64_t mount = 0;
    int is = ours(p, &mount, e);
    return is <= 0 ? is : place_unmount(p, mount, e);
}

static int drop(const struct place *p, const struct disk *d UNUSED, struct err *e)
{
    struct path outer = path_of(p, "");
    return erase_tree(p->servers, outer.text, e);
}

static int move(const struct place *from, const struct place *to, struct err *e)
{
    return place_rename(from, to, FILES, e);
}

static int fit(const struct place *p UNUSED, const struct disk *d UNUSED, struct err *e UNUSED)
{
    return 0;
}

const struct backend backend_none = {
    .word = "none", .count = DISK_COUNT_LEDGER, .fit = fit, .has = has, .up = up, .resize = resize, .down = down, .drop = drop, .move = move,
};
