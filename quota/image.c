#include "quota/image.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/name.h"
#include "quota/ext4.h"
#include "quota/idmap.h"
#include "quota/loopdev.h"

enum { LOCK_MS = 30000, BUSY_MS = 500 };

/* Names below STATE/servers, all used relative to its descriptor. */
struct place {
    char image[NAME_MOST + 8], lock[NAME_MOST + 8];
    const char *folder;
    int servers;
    int locked;
};

static void place_close(struct place *p)
{
    cleanup_fd(&p->locked);
    cleanup_fd(&p->servers);
}

#define PLACE __attribute__((cleanup(place_close))) struct place

static int lock(const struct place *p, struct err *e)
{
    for (uint64_t end = now_ms() + LOCK_MS; flock(p->locked, LOCK_EX | LOCK_NB) < 0;) {
        if ((errno != EWOULDBLOCK && errno != EINTR) || now_ms() > end)
            return err_set(e, errno, "lock", "servers/%s", p->lock);
        nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
    }
    return 0;
}

/* Opens STATE/servers and takes the name's lock: up and down of one server never meet. */
static int place_open(struct place *p, const struct image *i, struct err *e)
{
    *p = (struct place){ .folder = i->name, .servers = -1, .locked = -1 };
    if (!name_ok(i->name))
        return err_set(e, EINVAL, "disk", "bad server name");
    snprintf(p->image, sizeof p->image, "%s.img", i->name);
    snprintf(p->lock, sizeof p->lock, ".%s.lock", i->name);
    FREE_MEM char *servers = mem_fmt("%s/servers", i->state);
    if (mkdir(servers, 0755) < 0 && errno != EEXIST)
        return err_set(e, errno, "mkdir", "%s", servers);
    p->servers = open(servers, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (p->servers < 0)
        return err_set(e, errno, "open", "%s", servers);
    p->locked = openat(p->servers, p->lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (p->locked < 0)
        return err_set(e, errno, "open", "%s/%s", servers, p->lock);
    return lock(p, e);
}

/* The file has no name until it is whole, so that whoever dies here leaves nothing. */
static int make(const struct place *p, const struct image *i, struct err *e)
{
    CLOSE_FD int fd = openat(p->servers, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_set(e, errno, "create", "servers/%s", p->image);
    const struct ext4_limits limits = { i->bytes, i->inodes };
    struct ext4_limits made;
    if (ext4_make(fd, &limits, IMAGE_UID, e) < 0 || ext4_limits_of(fd, &made, e) < 0)
        return -1;
    char self[32];
    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    if (fsync(fd) < 0 || linkat(AT_FDCWD, self, p->servers, p->image, AT_SYMLINK_FOLLOW) < 0 || fsync(p->servers) < 0)
        return err_set(e, errno, "store", "servers/%s", p->image);
    log_info("disk made", "server=%s bytes=%" PRIu64 " inodes=%" PRIu64, i->name, made.bytes, made.inodes);
    /* Opened by its name, which is what the loop device then shows. */
    int named = openat(p->servers, p->image, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    return named < 0 ? err_set(e, errno, "open", "servers/%s", p->image) : named;
}

static int open_image(const struct place *p, const struct image *i, struct err *e)
{
    int fd = openat(p->servers, p->image, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    struct stat st;
    if (fd < 0 && errno == ENOENT)
        return make(p, i, e);
    if (fd < 0)
        return err_set(e, errno, "open", "servers/%s", p->image);
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != 0 || (st.st_mode & 077)) {
        close(fd);
        return err_set(e, EPERM, "open", "servers/%s is not a file of root with mode 0600", p->image);
    }
    return fd;
}

/* What lies at the mount point now: 1 a mount (its device in *DEV), 0 none, -1 with E. */
static int mounted(const struct place *p, dev_t *dev, struct err *e)
{
    struct stat outer, inner;
    if (fstat(p->servers, &outer) < 0)
        return err_set(e, errno, "stat", "servers");
    if (fstatat(p->servers, p->folder, &inner, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : err_set(e, errno, "stat", "servers/%s", p->folder);
    if (!S_ISDIR(inner.st_mode))
        return err_set(e, ENOTDIR, "stat", "servers/%s", p->folder);
    *dev = inner.st_dev;
    return inner.st_dev != outer.st_dev;
}

static int foreign(const struct place *p, struct err *e)
{
    return err_set(e, EEXIST, "mount", "something else is mounted on servers/%s", p->folder);
}

static int compare(struct image *i, int fd, struct err *e)
{
    const struct ext4_limits wanted = { i->bytes, i->inodes };
    struct ext4_limits has, near = ext4_nearest(fd, &wanted);
    if (ext4_limits_of(fd, &has, e) < 0)
        return -1;
    if (has.bytes != near.bytes || has.inodes != near.inodes)
        log_warn("disk limit differs from configuration; the image keeps its own",
                 "server=%s bytes=%" PRIu64 " inodes=%" PRIu64 " configured_bytes=%" PRIu64 " configured_inodes=%" PRIu64,
                 i->name, has.bytes, has.inodes, i->bytes, i->inodes);
    i->bytes = has.bytes;
    i->inodes = has.inodes;
    return 0;
}

/* The kernel's own words on why a mount failed, out of the context's message queue. */
static void context_error(int context, struct err *e, const char *path)
{
    int no = errno;
    char said[200] = "";
    ssize_t n = read(context, said, sizeof said - 1);
    said[n > 0 ? n : 0] = '\0';
    said[strcspn(said, "\n")] = '\0';
    err_set(e, no, "mount", "%s%s%s", path, said[0] ? ": " : "", said);
}

/* A detached mount of DEVICE, or -1 with E. */
static int mount_device(const char *device, struct err *e)
{
    CLOSE_FD int context = fsopen("ext4", FSOPEN_CLOEXEC);
    if (context < 0)
        return err_set(e, errno, "fsopen", "ext4");
    if (fsconfig(context, FSCONFIG_SET_STRING, "source", device, 0) < 0 ||
        fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0) {
        context_error(context, e, device);
        return -1;
    }
    int fd = fsmount(context, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOATIME);
    return fd < 0 ? err_set(e, errno, "fsmount", "%s", device) : fd;
}

static int attach_and_mount(int image, struct err *e)
{
    char device[32];
    /* The descriptor holds the device until the mount does. */
    CLOSE_FD int loop = loopdev_attach(image, device, sizeof device, e);
    return loop < 0 ? -1 : mount_device(device, e);
}

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
static int range_of(const struct place *p, int root, uid_t *first, struct err *e)
{
    struct stat st;
    if (fstat(root, &st) < 0)
        return err_set(e, errno, "stat", "servers/%s", p->folder);
    if (st.st_uid >= IDMAP_IDS && (st.st_uid - IMAGE_UID < IDMAP_IDS || st.st_uid - IMAGE_UID > UINT32_MAX - IDMAP_IDS))
        return err_set(e, EINVAL, "root folder", "servers/%s belongs to uid %u; allowed: 0 to %d, or %d above the first of a range from %d on",
                       p->image, (unsigned)st.st_uid, IDMAP_IDS - 1, IMAGE_UID, IDMAP_IDS);
    *first = st.st_uid < IDMAP_IDS ? 0 : st.st_uid - IMAGE_UID;
    return 0;
}

/* Where nothing can be mapped, files must have the ids of this machine's range, and only those of an empty disk can be chosen. */
static int unmapped(const struct place *p, const struct image *i, int root, uid_t first, struct err *e)
{
    uid_t wanted = i->owner - IMAGE_UID;
    if (first != wanted && !empty(root))
        return err_set(e, EINVAL, "id map", "servers/%s has files of the ids from %u on, and this kernel can map no ids on ext4: only a disk with ids from %u on "
                       "can be used", p->image, (unsigned)first, (unsigned)wanted);
    log_warn("disk cannot be mapped to other ids; its files have those of this machine", "server=%s ids=%u", i->name, (unsigned)wanted);
    return give(root, i->owner, e);
}

/* Works on the mount before anybody can see it; on the disk's own ids until these are mapped. */
static int prepare_root(const struct place *p, const struct image *i, int tree, struct err *e)
{
    CLOSE_FD int root = openat(tree, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    uid_t first = 0;
    if (root < 0 ||
        (unlinkat(root, "lost+found", AT_REMOVEDIR) < 0 && errno != ENOENT && errno != ENOTEMPTY && errno != ENOTDIR))
        return err_set(e, errno, "lost+found", "remove");
    if (range_of(p, root, &first, e) < 0 || give(root, first + IMAGE_UID, e) < 0)
        return -1;
    int cannot = idmap_set(tree, first, i->owner - IMAGE_UID, e);
    if (cannot == 0)
        log_debug("disk mapped", "server=%s disk_ids=%u ids=%u", i->name, (unsigned)first, (unsigned)(i->owner - IMAGE_UID));
    return cannot > 0 ? unmapped(p, i, root, first, e) : cannot;
}

static int attach_tree(const struct place *p, int tree, struct err *e)
{
    if (mkdirat(p->servers, p->folder, 0755) < 0 && errno != EEXIST)
        return err_set(e, errno, "mkdir", "servers/%s", p->folder);
    CLOSE_FD int point = openat(p->servers, p->folder, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (point < 0 || move_mount(tree, "", point, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
        return err_set(e, errno, "move_mount", "servers/%s", p->folder);
    return 0;
}

static int mount_image(const struct place *p, const struct image *i, int image, struct err *e)
{
    CLOSE_FD int first = attach_and_mount(image, e), second = -1;
    if (first < 0 && (e->no == EUCLEAN || e->no == EINVAL || e->no == EIO || e->no == EBADMSG)) {
        char why[400];
        log_warn("disk is damaged, repairing", "server=%s error=%s", i->name, esc(err_text(e, why, sizeof why)));
        if (ext4_repair(image, e) < 0)
            return -1;
        second = attach_and_mount(image, e);
    }
    int tree = first >= 0 ? first : second;
    if (tree < 0 || prepare_root(p, i, tree, e) < 0)
        return -1;
    return attach_tree(p, tree, e);
}

static bool on_device(const char *path, dev_t dev)
{
    struct stat st;
    return stat(path, &st) == 0 && st.st_dev == dev;
}

static bool holds(const char *pid, dev_t dev)
{
    char path[PATH_MAX];
    static const char *const links[] = { "cwd", "root", "exe" };
    for (size_t i = 0; i < countof(links); i++) {
        snprintf(path, sizeof path, "/proc/%s/%s", pid, links[i]);
        if (on_device(path, dev))
            return true;
    }
    snprintf(path, sizeof path, "/proc/%s/fd", pid);
    DIR *d = opendir(path);
    bool found = false;
    for (struct dirent *f; d && !found && (f = readdir(d));) {
        snprintf(path, sizeof path, "/proc/%s/fd/%s", pid, f->d_name);
        found = isdigit((unsigned char)f->d_name[0]) && on_device(path, dev);
    }
    if (d)
        closedir(d);
    return found;
}

static int busy(const struct place *p, dev_t dev, struct err *e)
{
    DIR *d = opendir("/proc");
    char who[32] = "";
    for (struct dirent *pid; d && !who[0] && (pid = readdir(d));)
        if (isdigit((unsigned char)pid->d_name[0]) && holds(pid->d_name, dev))
            snprintf(who, sizeof who, ", by process %.16s", pid->d_name);
    if (d)
        closedir(d);
    return err_set(e, EBUSY, "unmount", "servers/%s is in use%s", p->folder, who);
}

/* The image shrinks by what was deleted; a host without holes in files loses nothing. */
static void trim(const struct place *p)
{
    CLOSE_FD int fd = openat(p->servers, p->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    struct fstrim_range all = { .len = UINT64_MAX };
    /* Blocks are free only once the transaction that freed them is written. */
    if (fd >= 0 && (syncfs(fd) < 0 || ioctl(fd, FITRIM, &all) < 0))
        log_debug("no trim", "server=%s error=%s", p->folder, strerror(errno));
}

static int unmount(const struct place *p, dev_t dev, struct err *e)
{
    char path[64];
    /* No *at form of umount exists, and the folder may lie behind a mount or a rename of its path: the descriptor does
     * not. */
    snprintf(path, sizeof path, "/proc/self/fd/%d/%s", p->servers, p->folder);
    for (uint64_t end = now_ms() + BUSY_MS; umount2(path, UMOUNT_NOFOLLOW) < 0;) {
        if (errno != EBUSY)
            return err_set(e, errno, "unmount", "servers/%s", p->folder);
        if (now_ms() > end)
            return busy(p, dev, e);
        nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
    }
    /* Whoever copied the mount into a namespace of his own keeps the device; the next up finds it and mounts the same.
     */
    if (loopdev_wait_free(dev, e) < 0) {
        char why[400];
        log_warn("disk is unmounted, but its loop device is not free", "server=%s error=\"%s\"", p->folder,
                 err_text(e, why, sizeof why));
    }
    return 0;
}

/* A store that has lost its database gives another number, and a mount that its daemon left behind shows the ids of the one before. */
static bool shown_for(const struct place *p, uid_t owner)
{
    struct stat st;
    return fstatat(p->servers, p->folder, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_uid == owner;
}

int image_up(struct image *i, struct err *e)
{
    PLACE p;
    dev_t dev = 0;
    if (i->owner < IDMAP_IDS + IMAGE_UID || i->owner - IMAGE_UID > UINT32_MAX - IDMAP_IDS)
        return err_set(e, EINVAL, "disk", "owner %u", (unsigned)i->owner);
    if (place_open(&p, i, e) < 0)
        return -1;
    int is = mounted(&p, &dev, e);
    if (is < 0)
        return -1;
    CLOSE_FD int image = is ? openat(p.servers, p.image, O_RDWR | O_CLOEXEC | O_NOFOLLOW) : open_image(&p, i, e);
    if (is && (image < 0 || !loopdev_holds(dev, image)))
        return foreign(&p, e);
    if (image < 0 || compare(i, image, e) < 0)
        return -1;
    if (is && shown_for(&p, i->owner))
        return 0;
    if (is)
        log_warn("disk is mounted for another owner, mounting it anew", "server=%s owner=%u", i->name, (unsigned)i->owner);
    return is && unmount(&p, dev, e) < 0 ? -1 : mount_image(&p, i, image, e);
}

int image_down(const struct image *i, struct err *e)
{
    PLACE p;
    dev_t dev = 0;
    if (place_open(&p, i, e) < 0)
        return -1;
    int is = mounted(&p, &dev, e);
    if (is <= 0)
        return is;
    CLOSE_FD int image = openat(p.servers, p.image, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (image < 0 || !loopdev_holds(dev, image))
        return foreign(&p, e);
    cleanup_fd(&image);
    image = -1;
    trim(&p);
    return unmount(&p, dev, e);
}
