#include "quota/btrfs_subvol.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/btrfs.h>
#include <linux/btrfs_tree.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"

bool subvol_fs(int fs)
{
    struct statfs f;
    return fstatfs(fs, &f) == 0 && f.f_type == BTRFS_SUPER_MAGIC;
}

int subvol_make(int folder, const char *name, struct err *e)
{
    struct btrfs_ioctl_vol_args_v2 a = { 0 };
    strncpy(a.name, name, sizeof a.name - 1);
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

/* By number and not by path: whoever owns what is above it may rename that meanwhile. */
static int open_id(int fs, uint64_t id)
{
    enum { WITHOUT_PARENT = 0x4d };
    const uint64_t root[2] = { BTRFS_FIRST_FREE_OBJECTID, id };
    union { struct file_handle h; char bytes[sizeof(struct file_handle) + 20]; } at = { .h = { .handle_bytes = 20, .handle_type = WITHOUT_PARENT } };
    memcpy(at.bytes + offsetof(struct file_handle, f_handle), root, sizeof root);     /* and a generation of 0: any */
    return open_by_handle_at(fs, &at.h, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Nothing below a read-only one can be deleted. */
static void make_writable(int fs, uint64_t id)
{
    uint64_t flags = 0;
    CLOSE_FD int fd = open_id(fs, id);
    if (fd >= 0 && ioctl(fd, BTRFS_IOC_SUBVOL_GETFLAGS, &flags) == 0 && (flags & BTRFS_SUBVOL_RDONLY)) {
        flags &= ~(uint64_t)BTRFS_SUBVOL_RDONLY;
        ioctl(fd, BTRFS_IOC_SUBVOL_SETFLAGS, &flags);
    }
}

int subvol_delete(int fs, uint64_t id, struct err *e)
{
    BTRFS_IDS list = { 0 };
    if (subvol_tree(fs, id, &list, e) < 0)
        return -1;
    for (size_t i = 0; i < list.n; i++)
        make_writable(fs, list.at[i]);
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
