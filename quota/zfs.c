#include "quota/zfs.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "quota/dataset.h"
#include "quota/place.h"
#include "quota/tree.h"

enum { MOUNTINFO_MOST = 16 << 20, LEAST = 1 << 20, ROOM = 1 << 20, ZFS_MAGIC = 0x2fc12fc1 };

struct shown { char type[16], source[DATASET_MOST + 1]; };

/* What mount MOUNT shows. */
static int shown_by(uint64_t mount, struct shown *s, struct err *e)
{
    char type[sizeof s->source];
    FREE_MEM char *all = io_read_file("/proc/self/mountinfo", MOUNTINFO_MOST, NULL, e);
    *s = (struct shown){ 0 };
    if (all == NULL)
        return -1;
    if (!dataset_mount(all, mount, type, s->source, sizeof s->source))
        return err_set(e, ENOENT, "zfs", "mount %" PRIu64 " is not in mountinfo", mount);
    if (strlen(type) < sizeof s->type)
        memcpy(s->type, type, strlen(type) + 1);
    return 0;
}

static int own(const struct place *p, struct dataset *s, struct err *e)
{
    struct statx x;
    struct shown parent;
    if (statx(p->servers, "", AT_EMPTY_PATH | AT_NO_AUTOMOUNT, STATX_MNT_ID, &x) < 0)
        return err_set(e, errno, "stat", "servers");
    if (shown_by(x.stx_mnt_id, &parent, e) < 0)
        return -1;
    return dataset_of(s, parent.source, p->folder, e);
}

struct server_name { char name[NAME_MOST + 1]; };

/* Of ".NAME.new" as well, where a migration makes them. */
static struct server_name server_of(const struct place *p)
{
    struct server_name n = { "" };
    bool hidden = p->folder[0] == '.';
    size_t len = strlen(p->folder) - (hidden ? strlen("..new") : 0);
    if (len < sizeof n.name)
        memcpy(n.name, p->folder + hidden, len);
    return n;
}

static int on_zfs(const struct place *p, struct err *e)
{
    struct statfs f;
    if (fstatfs(p->servers, &f) < 0)
        return err_set(e, errno, "statfs", "servers");
    return (uint64_t)f.f_type == ZFS_MAGIC ? 0 : err_set(e, EOPNOTSUPP, "zfs", "the state folder is not on ZFS (statfs says %#lx)", (unsigned long)f.f_type);
}

/* 1 it is there and ours, 0 there is none, -1 with E. */
static int find(const struct place *p, struct dataset *s, struct dataset_state *state, struct err *e)
{
    if (on_zfs(p, e) < 0 || own(p, s, e) < 0)
        return -1;
    int is = dataset_get(s, DISK_UID, state, e);
    if (is <= 0)
        return is;
    if (strcmp(state->server, server_of(p).name) != 0 || strcmp(state->mountpoint, "legacy") != 0)
        return err_set(e, EEXIST, "zfs", "dataset %s is there, and its holdfast:server=%s and mountpoint=%s are not of a server's disk of ours", s->name,
                       esc(state->server), esc(state->mountpoint));
    return 1;
}

/* The tool answers at all, and for this file system. */
static int fit(const struct place *p, const struct disk *d UNUSED, struct err *e)
{
    struct dataset s;
    struct dataset_state state;
    return find(p, &s, &state, e) < 0 ? -1 : 0;
}

static bool has(const struct place *p)
{
    struct dataset s;
    struct dataset_state state;
    struct err e = { 0 };
    char why[400];
    int is = on_zfs(p, NULL) < 0 ? 0 : find(p, &s, &state, &e);
    if (is < 0)
        log_warn("cannot tell whether there is a dataset", "server=%s error=\"%s\"", p->folder, err_text(&e, why, sizeof why));
    return is > 0;
}

static int mount_dataset(const struct dataset *s, struct err *e)
{
    CLOSE_FD int context = fsopen("zfs", FSOPEN_CLOEXEC);
    if (context < 0)
        return err_set(e, errno, "fsopen", "zfs");
    if (fsconfig(context, FSCONFIG_SET_STRING, "source", s->name, 0) < 0 || fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        return err_set(e, errno, "mount", "dataset %s", s->name);
    int fd = fsmount(context, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOATIME);
    return fd < 0 ? err_set(e, errno, "fsmount", "dataset %s", s->name) : fd;
}

/* Whose its files are on the disk: a mount that maps nothing tells. */
static int owner_of(const struct dataset *s, uid_t *owner, struct err *e)
{
    struct stat st;
    CLOSE_FD int tree = mount_dataset(s, e);
    if (tree < 0)
        return -1;
    if (fstatat(tree, "", &st, AT_EMPTY_PATH) < 0)
        return err_set(e, errno, "stat", "dataset %s", s->name);
    *owner = st.st_uid;
    return 0;
}

/* What is mounted: 1 our dataset, 0 nothing, -1 with E: also something else. */
static int ours(const struct place *p, uint64_t *mount, struct err *e)
{
    dev_t dev = 0;
    struct shown s;
    struct dataset wanted;
    int is = place_mounted(p, mount, &dev, e);
    if (is <= 0)
        return is;
    if (shown_by(*mount, &s, e) < 0 || own(p, &wanted, e) < 0)
        return -1;
    return strcmp(s.type, "zfs") == 0 && strcmp(s.source, wanted.name) == 0 ? 1 : place_foreign(p, e);
}

static int limits_set(const struct dataset *s, struct disk *d, struct err *e)
{
    uint64_t bytes = d->bytes;
    if (d->bytes < LEAST || d->inodes == 0)
        return err_set(e, EINVAL, "zfs", "a limit of %" PRIu64 " bytes and %" PRIu64 " inodes; at least %d bytes and one inode", d->bytes, d->inodes, LEAST);
    if (dataset_limit(s, &d->bytes, e) < 0)
        return -1;
    if (d->bytes != bytes)
        log_warn("disk is above its limit and held to what it uses", "server=%s bytes=%" PRIu64 " configured_bytes=%" PRIu64, d->name, d->bytes, bytes);
    return 0;
}

static int state_of(const struct dataset *s, uid_t owner, struct dataset_state *state, struct err *e)
{
    int is = dataset_get(s, owner, state, e);
    return is > 0 ? 0 : is < 0 ? -1 : err_set(e, ENOENT, "zfs", "no dataset %s", s->name);
}

static int use_of(struct disk *d, const struct dataset_state *state)
{
    d->used = state->used;
    d->used_inodes = state->used_inodes;
    return 0;
}

/* The number is written into the dataset itself, and one at its limit has no room for that: it gets some for the moment. */
static int objects_set(const struct dataset *s, struct disk *d, uid_t owner, struct err *e)
{
    struct err second;
    uint64_t more = d->bytes + ROOM;
    if (dataset_objects(s, owner, d->inodes, e) == 0)
        return 0;
    int r = dataset_limit(s, &more, e) < 0 ? -1 : dataset_objects(s, owner, d->inodes, e);
    return limits_set(s, d, r < 0 ? &second : e) < 0 ? -1 : r;
}

/* Once its root folder is the owner's: that of a new one is root's. */
static int inodes_set(const struct dataset *s, struct disk *d, struct err *e)
{
    uid_t owner;
    struct dataset_state state;
    if (owner_of(s, &owner, e) < 0 || state_of(s, owner, &state, e) < 0)
        return -1;
    return state.inodes != d->inodes && objects_set(s, d, owner, e) < 0 ? -1 : use_of(d, &state);
}

static int mount_files(const struct place *p, struct disk *d, const struct dataset *s, struct err *e)
{
    CLOSE_FD int tree = mount_dataset(s, e);
    return tree < 0 || tree_own(d->name, tree, d->owner, e) < 0 || inodes_set(s, d, e) < 0 ? -1 : place_attach(p, tree, e);
}

static int resize(const struct place *p, struct disk *d, struct err *e)
{
    struct dataset s;
    struct dataset_state state;
    int is = find(p, &s, &state, e);
    if (is <= 0)
        return is < 0 ? -1 : err_set(e, ENOENT, "zfs", "no dataset %s", s.name);
    return limits_set(&s, d, e) < 0 ? -1 : inodes_set(&s, d, e);
}

/* The dataset, made when missing, its bytes limited. */
static int prepare(const struct place *p, struct disk *d, struct dataset *s, struct err *e)
{
    struct dataset_state state;
    int is = find(p, s, &state, e);
    if (is < 0)
        return -1;
    if (is == 0) {
        if (d->bytes < LEAST || dataset_make(s, server_of(p).name, d->bytes, e) < 0)
            return d->bytes < LEAST ? limits_set(s, d, e) : -1;
        log_info("disk made", "server=%s dataset=%s", d->name, s->name);
    }
    return limits_set(s, d, e);
}

static int up(const struct place *p, struct disk *d, struct err *e)
{
    uint64_t mount = 0;
    struct dataset s;
    struct err second = { 0 };
    int is = on_zfs(p, e) < 0 ? -1 : ours(p, &mount, e);
    if (is < 0)
        return -1;
    bool good = prepare(p, d, &s, e) == 0;
    if (good && is && place_shown_for(p, d->owner) && inodes_set(&s, d, e) == 0)
        return 0;
    if (is && place_unmount(p, mount, &second) < 0)
        return good ? (*e = second, -1) : -1;
    return good ? mount_files(p, d, &s, e) : -1;
}

static int down(const struct place *p, const struct disk *d UNUSED, struct err *e)
{
    uint64_t mount = 0;
    int is = ours(p, &mount, e);
    return is <= 0 ? is : place_unmount(p, mount, e);
}

static int use(const struct place *p, struct disk *d, struct err *e)
{
    uid_t owner;
    struct dataset s;
    struct dataset_state state;
    return own(p, &s, e) < 0 || owner_of(&s, &owner, e) < 0 || state_of(&s, owner, &state, e) < 0 ? -1 : use_of(d, &state);
}

static int drop(const struct place *p, const struct disk *d UNUSED, struct err *e)
{
    uint64_t mount = 0;
    struct dataset s;
    struct dataset_state state;
    int is = find(p, &s, &state, e);
    if (is <= 0)
        return is;
    /* `zfs destroy` would unmount it first. */
    is = ours(p, &mount, e);
    return is ? (is < 0 ? -1 : err_set(e, EBUSY, "zfs", "dataset %s is mounted", s.name)) : dataset_destroy(&s, e);
}

static int move(const struct place *from, const struct place *to, struct err *e)
{
    struct dataset a, b;
    struct dataset_state state;
    int is = find(from, &a, &state, e);
    if (is < 0 || own(to, &b, e) < 0)
        return -1;
    if (is > 0)
        return dataset_rename(&a, &b, e);
    is = find(to, &b, &state, e);
    return is > 0 ? 0 : is < 0 ? -1 : err_set(e, ENOENT, "zfs", "no dataset %s", a.name);
}

const struct backend backend_zfs = {
    .word = "zfs", .count = DISK_COUNT_OBJECTS, .fit = fit, .has = has, .up = up, .resize = resize, .down = down, .use = use, .drop = drop, .move = move,
};
