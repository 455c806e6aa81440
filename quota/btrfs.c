#include "quota/btrfs.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "quota/btrfs_gone.h"
#include "quota/btrfs_group.h"
#include "quota/btrfs_subvol.h"
#include "quota/place.h"
#include "quota/tree.h"

/* The least that an inode takes: its item and the head of that. */
enum { INODE_BYTES = 160 + 25, LEAST_BYTES = 1 << 20, TRIES = 8, CLEAN_MS = 3000 };

/* "@" is in no server's name, so that none of these is ever another server's.  Inside the subvolume, whose root folder keeps the host's users out, a
   folder has the files. */
struct names { char files[NAME_MOST + 16], making[NAME_MOST + 24]; };
static const char inside[] = "files";

static struct names names_of(const struct place *p)
{
    struct names n;
    snprintf(n.files, sizeof n.files, "@%s", p->folder);
    snprintf(n.making, sizeof n.making, "@%s@new", p->folder);
    return n;
}

static bool has(const struct place *p)
{
    struct names n = names_of(p);
    return faccessat(p->servers, n.files, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int on_btrfs(const struct place *p, struct err *e)
{
    return subvol_fs(p->servers) ? 0 : err_set(e, EOPNOTSUPP, "btrfs", "the state folder is on another file system");
}

static int fit(const struct place *p, const struct disk *d UNUSED, struct err *e)
{
    struct quota_state s;
    if (on_btrfs(p, e) < 0 || quota_look(p->servers, &s, e) < 0)
        return -1;
    if (access("/sys/fs/btrfs/features", F_OK) < 0)
        return err_set(e, errno, "btrfs", "/sys tells nothing of it");
    if (s.mode != QUOTA_OFF)
        return 0;
    err_set(e, 0, "btrfs", "%s", quota_simple_known() ?
            "no quotas are on: 'quota = btrfs' switches simple ones on, and kernels before 6.7 cannot mount the file system any more" :
            "no quotas are on: 'quota = btrfs' switches full ones on, which slow the whole file system down");
    return 1;
}

/* --- making -------------------------------------------------------------------------------------------------------------------------- */

/* In the group from the first byte, whole before it has its name. */
static int make_one(const struct place *p, const struct names *n, struct subvol *s, struct err *e)
{
    CLOSE_FD int fd = subvol_make(p->servers, n->making, e);
    if (fd < 0 || subvol_of(fd, s, e) < 0 || group_hold(p->servers, s->id, e) < 0)
        return -1;
    if (mkdirat(fd, inside, 0750) < 0)
        return err_set(e, errno, "mkdir", "servers/%s/%s", n->making, inside);
    return renameat(p->servers, n->making, p->servers, n->files) < 0 ? err_set(e, errno, "rename", "servers/%s", n->making) : 0;
}

static int make(const struct place *p, const struct disk *d, struct err *e)
{
    struct names n = names_of(p);
    struct subvol s;
    if (d->bytes < LEAST_BYTES)
        return err_set(e, EINVAL, "btrfs", "a disk has at least %d bytes", LEAST_BYTES);
    for (int i = 0; make_one(p, &n, &s, e) < 0; i++) {
        gone_clean(p);
        /* The group of that number is the admin's: the next subvolume has another. */
        if (e->no != EEXIST || i == TRIES)
            return -1;
    }
    log_info("disk made", "server=%s bytes=%" PRIu64 " subvolume=%" PRIu64, d->name, d->bytes, s.id);
    return 0;
}

/* --- up ------------------------------------------------------------------------------------------------------------------------------ */

static int switch_on(const struct place *p, struct err *e)
{
    struct quota_state s;
    if (quota_look(p->servers, &s, e) < 0)
        return -1;
    if (s.mode != QUOTA_OFF || (has(p) && quota_simple_known()))
        return 0;
    return quota_switch_on(p->servers, e);
}

/* What was written before simple quotas were on is not counted, and would come on top of the limit. */
static int counted(const struct place *p, const struct subvol *s, struct err *e)
{
    struct quota_state q;
    if (quota_look(p->servers, &q, e) < 0)
        return -1;
    if (q.mode == QUOTA_OFF || s->made < q.since)
        return err_set(e, EUCLEAN, "btrfs", "quotas of this file system were off for some time: what servers/@%s has is not counted; move it to another "
                       "backend and back", p->folder);
    if (q.mode == QUOTA_FULL)
        log_warn("full quotas: nothing but the sandbox's filter of system calls keeps subvolumes made inside from passing the limit", "server=%s", p->folder);
    return 0;
}

static int open_files(const struct place *p, struct subvol *s, struct err *e)
{
    struct names n = names_of(p);
    CLOSE_FD int fd = subvol_open(p->servers, n.files, e);
    return fd < 0 || subvol_of(fd, s, e) < 0 ? -1 : fd_steal(&fd);
}

/* The subvolume, there and held to its limit; or -1 with E. */
static int hold(const struct place *p, const struct disk *d, struct subvol *s, struct err *e)
{
    CLOSE_FD int lock = gone_lock(p, e);
    if (lock < 0 || switch_on(p, e) < 0 || quota_settle(p->servers, e) < 0)
        return -1;
    gone_clean(p);
    bool new = !has(p);
    if (new && make(p, d, e) < 0)
        return -1;
    CLOSE_FD int fd = open_files(p, s, e);
    if (fd < 0 || counted(p, s, e) < 0 || group_hold(p->servers, s->id, e) < 0 || group_limit(p->servers, s->id, d->bytes, e) < 0)
        return -1;
    cleanup_fd(&lock);
    lock = -1;
    /* After a power cut it must not have the name of a half-made one: what the server was told is on the disk would go with it. */
    return new && syncfs(fd) < 0 ? err_set(e, errno, "sync", "servers") : fd_steal(&fd);
}

static int answer(const struct place *p, struct disk *d, const struct subvol *s, struct err *e)
{
    uint64_t referenced, reserved;
    if (group_use(p->servers, s->id, &referenced, &reserved, e) < 0 || group_file(p->servers, s->id, d->count, sizeof d->count, e) < 0)
        return -1;
    d->used = referenced + reserved;
    d->used_inodes = 0;
    return 0;
}

static int mount_files(const struct place *p, const struct disk *d, int fd, struct err *e)
{
    CLOSE_FD int files = openat(fd, inside, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (files < 0)
        return err_set(e, errno, "open", "servers/@%s/%s", p->folder, inside);
    CLOSE_FD int tree = tree_of(files, e);
    return tree < 0 || tree_own(d->name, tree, d->owner, e) < 0 ? -1 : place_attach(p, tree, e);
}

/* What is mounted: 1 our files, 0 nothing, -1 with E: also something else. */
static int ours(const struct place *p, uint64_t *mount, struct err *e)
{
    char path[sizeof((struct names *)0)->files + sizeof inside + 1];
    snprintf(path, sizeof path, "@%s/%s", p->folder, inside);
    CLOSE_FD int files = openat(p->servers, path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    return place_shows(p, files, mount, e);
}

static void inodes_in_force(struct disk *d, bool say)
{
    uint64_t most = d->bytes / INODE_BYTES;
    if (say && d->inodes < most)
        log_warn("btrfs has no limit of inodes: they are held by the bytes that each takes", "server=%s inodes=%" PRIu64 " configured_inodes=%" PRIu64,
                 d->name, most, d->inodes);
    d->inodes = most;
}

static int up(const struct place *p, struct disk *d, struct err *e)
{
    struct subvol s;
    uint64_t mount = 0;
    int is = on_btrfs(p, e) < 0 ? -1 : ours(p, &mount, e);
    if (is < 0)
        return -1;
    CLOSE_FD int fd = hold(p, d, &s, e);
    if (fd < 0 || answer(p, d, &s, e) < 0)
        return -1;
    bool shown = is && place_shown_for(p, d->owner);
    inodes_in_force(d, !shown);
    if (shown)
        return 0;
    if (is)
        log_warn("disk is mounted for another owner, mounting it anew", "server=%s owner=%u", d->name, (unsigned)d->owner);
    return is && place_unmount(p, mount, e) < 0 ? -1 : mount_files(p, d, fd, e);
}

/* --- the rest ------------------------------------------------------------------------------------------------------------------------- */

static int resize(const struct place *p, struct disk *d, struct err *e)
{
    struct subvol s;
    CLOSE_FD int fd = open_files(p, &s, e);
    if (fd < 0 || group_hold(p->servers, s.id, e) < 0 || group_limit(p->servers, s.id, d->bytes, e) < 0 || answer(p, d, &s, e) < 0)
        return -1;
    inodes_in_force(d, true);
    return 0;
}

static int down(const struct place *p, const struct disk *d UNUSED, struct err *e)
{
    uint64_t mount = 0;
    int is = ours(p, &mount, e);
    return is <= 0 ? is : place_unmount(p, mount, e);
}

static int use(const struct place *p, struct disk *d, struct err *e)
{
    struct subvol s;
    CLOSE_FD int fd = open_files(p, &s, e);
    return fd < 0 || group_hold(p->servers, s.id, e) < 0 ? -1 : answer(p, d, &s, e);
}

/* The kernel's cleaner works when a transaction has ended, and frees a large disk for minutes: what it leaves is looked after by the next `up` or
   `drop` of any server. */
static int wait_clean(const struct place *p, struct err *e)
{
    for (uint64_t end = now_ms() + CLEAN_MS;;) {
        CLOSE_FD int lock = gone_lock(p, e);
        if (lock < 0)
            return -1;
        if (gone_clean(p) == 0 || now_ms() > end)
            return 0;
        subvol_wake_cleaner(p->servers);
        cleanup_fd(&lock);
        lock = -1;
        nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
    }
}

static int retire(const struct place *p, struct err *e)
{
    struct names n = names_of(p);
    CLOSE_FD int lock = gone_lock(p, e);
    return lock < 0 || gone_move(p, n.making, e) < 0 || gone_move(p, n.files, e) < 0 ? -1 : 0;
}

static int drop(const struct place *p, const struct disk *d UNUSED, struct err *e)
{
    dev_t dev;
    uint64_t mount;
    int is = place_mounted(p, &mount, &dev, e);
    if (is)
        return is < 0 ? -1 : err_set(e, EBUSY, "drop", "servers/%s is mounted", p->folder);
    return retire(p, e) < 0 ? -1 : wait_clean(p, e);
}

/* Synced, as after `up`. */
static int move(const struct place *from, const struct place *to, struct err *e)
{
    struct names old = names_of(from), new = names_of(to);
    if (renameat2(from->servers, old.files, to->servers, new.files, RENAME_NOREPLACE) < 0 && (errno != ENOENT || !has(to)))
        return err_set(e, errno, "rename", "servers/%s", old.files);
    return syncfs(to->servers) < 0 ? err_set(e, errno, "sync", "servers") : 0;
}

const struct backend backend_btrfs = {
    .word = "btrfs", .count = DISK_COUNT_FILE, .fit = fit, .has = has, .up = up, .resize = resize, .down = down, .use = use, .drop = drop,
    .move = move,
};
