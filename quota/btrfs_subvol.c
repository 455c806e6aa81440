#include "quota/btrfs_subvol.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/btrfs.h>
#include <linux/btrfs_tree.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"

enum { DEPTH = 100 };

bool subvol_fs(int fs)
{
    struct statfs f;
    return fstatfs(fs, &f) == 0 && f.f_type == BTRFS_SUPER_MAGIC;
}

int subvol_make(int folder, const char *name, struct err *e)
{
    struct btrfs_ioctl_vol_args_v2 a = { 0 };
    snprintf(a.name, sizeof a.name, "%s", name);
    if (ioctl(folder, BTRFS_IOC_SUBVOL_CREATE_V2, &a) < 0)
        return err_set(e, errno, "subvolume", "make servers/%s", name);
    CLOSE_FD int fd = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fchmod(fd, 0700) < 0)
        return err_set(e, errno, "subvolume", "open servers/%s", name);
    return fd_steal(&fd);
}

int subvol_open(int folder, const char *name, struct err *e)
{
    CLOSE_FD int fd = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_set(e, errno, "open", "servers/%s", name);
    if (!subvol_fs(fd) || st.st_ino != BTRFS_FIRST_FREE_OBJECTID || st.st_uid != 0 || (st.st_mode & 077))
        return err_set(e, EPERM, "open", "servers/%s is not a subvolume of root with mode 0700", name);
    return fd_steal(&fd);
}

int subvol_of(int fd, struct subvol *s, struct err *e)
{
    struct btrfs_ioctl_get_subvol_info_args a = { 0 };
    if (ioctl(fd, BTRFS_IOC_GET_SUBVOL_INFO, &a) < 0)
        return err_set(e, errno, "subvolume", "look");
    *s = (struct subvol){ .id = a.treeid, .made = a.otransid };
    return 0;
}

static int found(void *arg UNUSED, const struct btrfs_item *i)
{
    return btrfs_u64(i, offsetof(struct btrfs_root_item, refs)) << 32 ? SUBVOL_THERE : SUBVOL_DYING;     /* 32 bits of it */
}

int subvol_state(int fs, uint64_t id, struct err *e)
{
    int is = btrfs_items(fs, BTRFS_ROOT_TREE_OBJECTID, id, BTRFS_ROOT_ITEM_KEY, found, NULL);
    return is < 0 ? err_set(e, errno, "subvolume", "look for %" PRIu64, id) : is;
}

static int child(void *list, const struct btrfs_item *i)
{
    btrfs_ids_add(list, i->offset);
    return 0;
}

int subvol_tree(int fs, uint64_t id, struct btrfs_ids *list, struct err *e)
{
    size_t at = list->n;
    btrfs_ids_add(list, id);
    for (; at < list->n; at++)
        if (btrfs_items(fs, BTRFS_ROOT_TREE_OBJECTID, list->at[at], BTRFS_ROOT_REF_KEY, child, list) < 0)
            return err_set(e, errno, "subvolume", "look below %" PRIu64, list->at[at]);
    return 0;
}

/* --- deleting ------------------------------------------------------------------------------------------------------------------------- */

struct below { uint64_t id, dirid; char name[BTRFS_SUBVOL_NAME_MAX + 1]; };

static int named(void *arg, const struct btrfs_item *i)
{
    struct below *b = arg;
    struct btrfs_root_ref r;
    if (i->offset != b->id || i->len < sizeof r)
        return 0;
    memcpy(&r, i->bytes, sizeof r);
    size_t n = le16toh(r.name_len);
    if (n > i->len - sizeof r || n >= sizeof b->name)
        return 0;
    b->dirid = le64toh(r.dirid);
    memcpy(b->name, (const char *)i->bytes + sizeof r, n);
    b->name[n] = '\0';
    return 1;
}

/* Its root folder, from that of PARENT, whose number is WITHIN; what lies between is its owner's, who may have it changed meanwhile. */
static int open_below(int parent, uint64_t within, uint64_t id)
{
    struct below b = { .id = id };
    if (btrfs_items(parent, BTRFS_ROOT_TREE_OBJECTID, within, BTRFS_ROOT_REF_KEY, named, &b) <= 0)
        return -1;
    struct btrfs_ioctl_ino_lookup_args way = { .treeid = within, .objectid = b.dirid };
    if (ioctl(parent, BTRFS_IOC_INO_LOOKUP, &way) < 0)
        return -1;
    way.name[sizeof way.name - 1] = '\0';
    FREE_MEM char *path = mem_fmt("%s%s", way.name, b.name);
    struct open_how how = { .flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS };
    return (int)syscall(SYS_openat2, parent, path, &how, sizeof how);
}

static void make_writable(int fd)
{
    uint64_t flags = 0;
    if (ioctl(fd, BTRFS_IOC_SUBVOL_GETFLAGS, &flags) == 0 && (flags & BTRFS_SUBVOL_RDONLY)) {
        flags &= ~(uint64_t)BTRFS_SUBVOL_RDONLY;
        ioctl(fd, BTRFS_IOC_SUBVOL_SETFLAGS, &flags);
    }
}

/* Nothing below a read-only one can be deleted.  One that has none below stays as it is; what cannot be opened is named when its deletion fails. */
static void make_all_writable(int fd, uint64_t id, int depth)
{
    BTRFS_IDS list = { 0 };
    if (depth > DEPTH || btrfs_items(fd, BTRFS_ROOT_TREE_OBJECTID, id, BTRFS_ROOT_REF_KEY, child, &list) < 0 || list.n == 0)
        return;
    make_writable(fd);
    for (size_t i = 0; i < list.n; i++) {
        CLOSE_FD int sub = open_below(fd, id, list.at[i]);
        if (sub >= 0)
            make_all_writable(sub, list.at[i], depth + 1);
    }
}

int subvol_delete(int fs, int fd, uint64_t id, struct err *e)
{
    BTRFS_IDS list = { 0 };
    if (subvol_tree(fs, id, &list, e) < 0)
        return -1;
    make_all_writable(fd, id, 0);
    for (size_t i = list.n; i-- > 0;) {
        struct btrfs_ioctl_vol_args_v2 a = { .flags = BTRFS_SUBVOL_SPEC_BY_ID, .subvolid = list.at[i] };
        if (ioctl(fs, BTRFS_IOC_SNAP_DESTROY_V2, &a) < 0 && errno != ENOENT)
            return err_set(e, errno, "subvolume", "delete %" PRIu64, list.at[i]);
    }
    return 0;
}

void subvol_wake_cleaner(int fs)
{
    uint64_t transaction;
    if (ioctl(fs, BTRFS_IOC_START_SYNC, &transaction) < 0)
        log_debug("no new transaction", "error=%s", strerror(errno));
}
