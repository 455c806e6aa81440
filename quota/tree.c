#include "quota/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "quota/backend.h"
#include "quota/idmap.h"

static bool empty(int root)
{
    CLOSE_FD int fd = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (d == NULL)
        return false;
    fd_steal(&fd);
    bool found = false;
    for (struct dirent *f; !found && (f = readdir(d));)
        found = strcmp(f->d_name, ".") != 0 && strcmp(f->d_name, "..") != 0;
    closedir(d);
    return !found;
}

static int give(int root, uid_t owner, struct err *e)
{
    return fchown(root, owner, owner) < 0 || fchmod(root, 0750) < 0 ? err_set(e, errno, "root folder", "owner %u", (unsigned)owner) : 0;
}

/* The first of the ids that the disk's files have. */
static int range_of(const char *name, int root, uid_t *first, struct err *e)
{
    struct stat st;
    if (fstat(root, &st) < 0)
        return err_set(e, errno, "stat", "servers/%s", name);
    if (st.st_uid >= IDMAP_IDS && (st.st_uid - DISK_UID < IDMAP_IDS || st.st_uid - DISK_UID > UINT32_MAX - IDMAP_IDS))
        return err_set(e, EINVAL, "root folder", "the disk of %s belongs to uid %u; allowed: 0 to %d, or %d above the first of a range from %d on",
                       name, (unsigned)st.st_uid, IDMAP_IDS - 1, DISK_UID, IDMAP_IDS);
    *first = st.st_uid < IDMAP_IDS ? 0 : st.st_uid - DISK_UID;
    return 0;
}

/* Where nothing can be mapped, files must have the ids of this machine's range, and only those of an empty disk can be chosen. */
static int unmapped(const char *name, uid_t owner, int root, uid_t first, struct err *e)
{
    uid_t wanted = owner - DISK_UID;
    if (first != wanted && !empty(root))
        return err_set(e, EINVAL, "id map", "the disk of %s has files of the ids from %u on, and this kernel can map no ids there: only a disk with ids from %u on "
                       "can be used", name, (unsigned)first, (unsigned)wanted);
    log_warn("disk cannot be mapped to other ids; its files have those of this machine", "server=%s ids=%u", name, (unsigned)wanted);
    return give(root, owner, e);
}

int tree_own(const char *name, int tree, uid_t owner, struct err *e)
{
    CLOSE_FD int root = openat(tree, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    uid_t first = 0;
    if (root < 0)
        return err_set(e, errno, "open", "the root folder of %s", name);
    if (range_of(name, root, &first, e) < 0 || give(root, first + DISK_UID, e) < 0)
        return -1;
    int cannot = idmap_set(tree, first, owner - DISK_UID, e);
    if (cannot == 0)
        log_debug("disk mapped", "server=%s disk_ids=%u ids=%u", name, (unsigned)first, (unsigned)(owner - DISK_UID));
    return cannot > 0 ? unmapped(name, owner, root, first, e) : cannot;
}

int tree_of(int backing, struct err *e)
{
    struct mount_attr attr = { .attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOATIME, .attr_clr = MOUNT_ATTR__ATIME,
                               .propagation = MS_PRIVATE };
    CLOSE_FD int tree = (int)syscall(SYS_open_tree, backing, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
    if (tree < 0 || mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof attr) < 0)
        return err_set(e, errno, "open_tree", "the server's files");
    return fd_steal(&tree);
}

int tree_owner_ok(uid_t owner, struct err *e)
{
    if (owner < IDMAP_IDS + DISK_UID || owner - DISK_UID > UINT32_MAX - IDMAP_IDS)
        return err_set(e, EINVAL, "disk", "owner %u", (unsigned)owner);
    return 0;
}
