#include "quota/fuse.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "quota/erase.h"
#include "quota/fuse_link.h"
#include "quota/fuse_start.h"
#include "quota/place.h"
#include "quota/tree.h"

enum { MOUNTS_MOST = 64 << 20, END_MS = 10000, GONE_MS = 3000 };
static const char ending[] = ".fuse", tree_name[] = "tree";

struct backing { char name[NAME_MOST + 16]; };

static struct backing backing_of(const struct place *p)
{
    struct backing b;
    snprintf(b.name, sizeof b.name, "%s%s", p->folder, ending);
    return b;
}

/* ---- what is there ---- */

/* "ID PARENT DEV ROOT POINT OPTIONS [TAGS] - TYPE SOURCE ...": whether the mount is one of ours. */
static bool line_is_ours(char *line, uint64_t mount, const char *source)
{
    char *end, *dash = strstr(line, " - "), wanted[sizeof "fuse." FUSE_SUBTYPE + NAME_MOST + 16];
    snprintf(wanted, sizeof wanted, "fuse." FUSE_SUBTYPE " %s ", source);
    return strtoull(line, &end, 10) == mount && dash && strncmp(dash + 3, wanted, strlen(wanted)) == 0;
}

/* 1 our mount, alive or dead; 0 none; -1 with E: also something else. */
static int ours(const struct place *p, uint64_t *mount, struct err *e)
{
    dev_t dev;
    bool found = false;
    int is = place_mounted(p, mount, &dev, e);
    if (is <= 0)
        return is;
    FREE_MEM char *text = io_read_file("/proc/self/mountinfo", MOUNTS_MOST, NULL, e);
    if (!text)
        return -1;
    for (char *save = NULL, *line = strtok_r(text, "\n", &save); line && !found; line = strtok_r(NULL, "\n", &save))
        found = line_is_ours(line, *mount, p->folder);
    return found ? 1 : place_foreign(p, e);
}

static int no_folders(const struct disk *d, struct err *e)
{
    return d->run && d->libexec ? 0 : err_set(e, EINVAL, "fuse", "folders of sockets and programs are wanted");
}

static int open_link(const struct place *p, const struct disk *d, struct err *e)
{
    return no_folders(d, e) < 0 ? -1 : fuse_link_open(d->run, p->folder, e);
}

static void fill(struct disk *d, const struct fuse_usage *u)
{
    d->bytes = u->bytes_most;
    d->inodes = u->inodes_most;
    d->used = u->bytes;
    d->used_inodes = u->inodes;
}

/* ---- the folder ---- */

static int open_backing(const struct place *p, struct err *e)
{
    struct backing b = backing_of(p);
    if (mkdirat(p->servers, b.name, 0700) < 0 && errno != EEXIST)
        return err_set(e, errno, "mkdir", "servers/%s", b.name);
    CLOSE_FD int outer = place_guard(p, b.name, e);
    if (outer < 0)
        return -1;
    if (mkdirat(outer, tree_name, 0750) < 0 && errno != EEXIST)
        return err_set(e, errno, "mkdir", "servers/%s/%s", b.name, tree_name);
    int tree = openat(outer, tree_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return tree < 0 ? err_set(e, errno, "open", "servers/%s/%s", b.name, tree_name) : tree;
}

/* ---- up and down ---- */

static int mount_new(const struct place *p, struct disk *d, struct err *e)
{
    CLOSE_FD int backing = open_backing(p, e), tree = backing < 0 ? -1 : tree_of(backing, e);
    if (tree < 0 || tree_own(d->name, tree, d->owner, e) < 0)
        return -1;
    CLOSE_FD int mount = fuse_start(p, d, tree, e);
    if (mount < 0)
        return -1;
    log_info("disk mounted", "server=%s used=%" PRIu64 " used_inodes=%" PRIu64, d->name, d->used, d->used_inodes);
    return place_attach(p, mount, e);
}

/* Nobody answers there any more: whoever still has it open gets errors, and takes nothing from the new one. */
static int detach(const struct place *p, struct err *e)
{
    char path[96];
    snprintf(path, sizeof path, "/proc/self/fd/%d/%s", p->servers, p->folder);
    return umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 ? err_set(e, errno, "unmount", "servers/%s", p->folder) : 0;
}

static void end(const struct place *p, const struct disk *d, int link)
{
    /* The mount's last user may be a sandbox that is on its way out. */
    if (!fuse_link_gone(link, GONE_MS)) {
        log_warn("disk is unmounted, but in use elsewhere; its quotafs is ended", "server=%s", p->folder);
        if (fuse_link_end(link, NULL) < 0 || !fuse_link_gone(link, END_MS))
            log_error("quotafs does not end", "server=%s", p->folder);
    }
    fuse_link_remove(d->run, p->folder);
}

static int unmount(const struct place *p, const struct disk *d, uint64_t mount, struct err *e)
{
    CLOSE_FD int link = open_link(p, d, NULL);
    if (link < 0)
        return detach(p, e);
    if (place_unmount(p, mount, e) < 0)
        return -1;
    end(p, d, link);
    return 0;
}

/* 1 when it serves D's owner, with D's limits; 0 when it has to be mounted anew; -1 with E. */
static int serves(const struct place *p, struct disk *d, struct err *e)
{
    struct fuse_usage u;
    CLOSE_FD int link = open_link(p, d, e);
    if (link < 0)
        return e->no == ENOENT || e->no == ECONNREFUSED ? 0 : -1;
    if (fuse_link_use(link, &u, e) < 0)
        return -1;
    if (u.base != d->owner - DISK_UID)
        return 0;
    if (fuse_link_limit(link, d->bytes, d->inodes, &u, e) < 0)
        return -1;
    fill(d, &u);
    return 1;
}

/* One that serves a mount that somebody else took away: two of them would each count what it has seen itself. */
static void end_stray(const struct place *p, const struct disk *d)
{
    CLOSE_FD int link = open_link(p, d, NULL);
    if (link >= 0)
        end(p, d, link);
}

static int up(const struct place *p, struct disk *d, struct err *e)
{
    uint64_t mount = 0;
    int is = no_folders(d, e) < 0 ? -1 : ours(p, &mount, e), good = is > 0 ? serves(p, d, e) : 0;
    if (is < 0 || good < 0)
        return -1;
    if (good)
        return 0;
    if (is)
        log_warn("disk is mounted for another owner, or by a process that has gone; mounting it anew", "server=%s owner=%u", d->name, (unsigned)d->owner);
    if (is && unmount(p, d, mount, e) < 0)
        return -1;
    end_stray(p, d);
    return mount_new(p, d, e);
}

static void sync_backing(const struct place *p)
{
    struct backing b = backing_of(p);
    CLOSE_FD int fd = openat(p->servers, b.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0 && syncfs(fd) < 0)
        log_warn("disk not synced", "server=%s error=%s", p->folder, strerror(errno));
}

static int down(const struct place *p, const struct disk *d, struct err *e)
{
    uint64_t mount = 0;
    int is = no_folders(d, e) < 0 ? -1 : ours(p, &mount, e);
    if (is < 0)
        return -1;
    if (is && unmount(p, d, mount, e) < 0)
        return -1;
    end_stray(p, d);
    if (is)
        sync_backing(p);
    return 0;
}

static int resize(const struct place *p, struct disk *d, struct err *e)
{
    struct fuse_usage u;
    CLOSE_FD int link = open_link(p, d, e);
    if (link < 0 || fuse_link_limit(link, d->bytes, d->inodes, &u, e) < 0)
        return -1;
    fill(d, &u);
    return 0;
}

static int use(const struct place *p, struct disk *d, struct err *e)
{
    struct fuse_usage u;
    CLOSE_FD int link = open_link(p, d, e);
    if (link < 0 || fuse_link_use(link, &u, e) < 0)
        return -1;
    fill(d, &u);
    return 0;
}

static bool has(const struct place *p)
{
    struct backing b = backing_of(p);
    char path[sizeof b.name + sizeof tree_name + 1];
    snprintf(path, sizeof path, "%s/%s", b.name, tree_name);
    return faccessat(p->servers, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int drop(const struct place *p, const struct disk *d UNUSED, struct err *e)
{
    struct backing b = backing_of(p);
    return erase_tree(p->servers, b.name, e);
}

static int fit(const struct place *p, const struct disk *d, struct err *e)
{
    size_t n = strlen(p->folder), last = sizeof ending - 1;
    if (n > last && strcmp(p->folder + n - last, ending) == 0)
        return err_set(e, EINVAL, "fuse", "a server whose name ends in %s cannot have it", ending);
    if (no_folders(d, e) < 0)
        return -1;
    CLOSE_FD int device = open("/dev/fuse", O_RDWR | O_CLOEXEC), context = fsopen("fuse", FSOPEN_CLOEXEC);
    if (device < 0)
        return err_set(e, errno, "fuse", "/dev/fuse");
    return context < 0 ? err_set(e, errno, "fuse", "this kernel has no fuse") : 0;
}

static int move(const struct place *from, const struct place *to, struct err *e)
{
    return place_rename(from, to, ending, e);
}

const struct backend backend_fuse = {
    .word = "fuse", .count = DISK_COUNT_TOLD, .fit = fit, .has = has, .up = up, .resize = resize, .down = down, .use = use, .drop = drop,
    .move = move,
};
