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
#include "quota/ext4.h"
#include "quota/loopdev.h"
#include "quota/place.h"
#include "quota/tree.h"

/* NAME.img below STATE/servers. */
struct image { char file[NAME_MOST + 16]; };

static struct image image_of(const struct place *p)
{
    struct image i;
    snprintf(i.file, sizeof i.file, "%s.img", p->folder);
    return i;
}

/* The file has no name until it is whole, so that whoever dies here leaves nothing. */
static int make(const struct place *p, const struct disk *d, struct err *e)
{
    struct image i = image_of(p);
    CLOSE_FD int fd = openat(p->servers, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_set(e, errno, "create", "servers/%s", i.file);
    const struct ext4_limits limits = { d->bytes, d->inodes };
    struct ext4_limits made;
    if (ext4_make(fd, &limits, DISK_UID, e) < 0 || ext4_limits_of(fd, &made, e) < 0)
        return -1;
    char self[32];
    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    if (fsync(fd) < 0 || linkat(AT_FDCWD, self, p->servers, i.file, AT_SYMLINK_FOLLOW) < 0 || fsync(p->servers) < 0)
        return err_set(e, errno, "store", "servers/%s", i.file);
    log_info("disk made", "server=%s bytes=%" PRIu64 " inodes=%" PRIu64, d->name, made.bytes, made.inodes);
    /* Opened by its name, which is what the loop device then shows. */
    int named = openat(p->servers, i.file, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    return named < 0 ? err_set(e, errno, "open", "servers/%s", i.file) : named;
}

static int open_image(const struct place *p, const struct disk *d, struct err *e)
{
    struct image i = image_of(p);
    int fd = openat(p->servers, i.file, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    struct stat st;
    if (fd < 0 && errno == ENOENT)
        return make(p, d, e);
    if (fd < 0)
        return err_set(e, errno, "open", "servers/%s", i.file);
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != 0 || (st.st_mode & 077)) {
        close(fd);
        return err_set(e, EPERM, "open", "servers/%s is not a file of root with mode 0600", i.file);
    }
    return fd;
}

static int compare(struct disk *d, int fd, struct err *e)
{
    const struct ext4_limits wanted = { d->bytes, d->inodes };
    struct ext4_limits has, near = ext4_nearest(fd, &wanted);
    if (ext4_limits_of(fd, &has, e) < 0)
        return -1;
    if (has.bytes != near.bytes || has.inodes != near.inodes)
        log_warn("disk limit differs from configuration; the image keeps its own",
                 "server=%s bytes=%" PRIu64 " inodes=%" PRIu64 " configured_bytes=%" PRIu64 " configured_inodes=%" PRIu64,
                 d->name, has.bytes, has.inodes, d->bytes, d->inodes);
    d->bytes = has.bytes;
    d->inodes = has.inodes;
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

static int prepare_root(const struct disk *d, int tree, struct err *e)
{
    if (unlinkat(tree, "lost+found", AT_REMOVEDIR) < 0 && errno != ENOENT && errno != ENOTEMPTY && errno != ENOTDIR)
        return err_set(e, errno, "lost+found", "remove");
    return tree_own(d->name, tree, d->owner, e);
}

static int mount_image(const struct place *p, const struct disk *d, int image, struct err *e)
{
    CLOSE_FD int first = attach_and_mount(image, e), second = -1;
    if (first < 0 && (e->no == EUCLEAN || e->no == EINVAL || e->no == EIO || e->no == EBADMSG)) {
        char why[400];
        log_warn("disk is damaged, repairing", "server=%s error=%s", d->name, esc(err_text(e, why, sizeof why)));
        if (ext4_repair(image, e) < 0)
            return -1;
        second = attach_and_mount(image, e);
    }
    int tree = first >= 0 ? first : second;
    if (tree < 0 || prepare_root(d, tree, e) < 0)
        return -1;
    return place_attach(p, tree, e);
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


static int unmount(const struct place *p, uint64_t mount, dev_t dev, struct err *e)
{
    if (place_unmount(p, mount, e) < 0)
        return -1;
    /* Whoever copied the mount into a namespace of his own keeps the device; the next up finds it and mounts the same. */
    if (loopdev_wait_free(dev, e) < 0) {
        char why[400];
        log_warn("disk is unmounted, but its loop device is not free", "server=%s error=\"%s\"", p->folder,
                 err_text(e, why, sizeof why));
    }
    return 0;
}

/* What is mounted: 1 our image (open in *FD), 0 nothing, -1 with E: also something else. */
static int ours(const struct place *p, int *fd, uint64_t *mount, dev_t *dev, struct err *e)
{
    struct image i = image_of(p);
    int is = place_mounted(p, mount, dev, e);
    if (is <= 0)
        return is;
    *fd = openat(p->servers, i.file, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    return *fd < 0 || !loopdev_holds(*dev, *fd) ? place_foreign(p, e) : 1;
}

static int up(const struct place *p, struct disk *d, struct err *e)
{
    dev_t dev = 0;
    uint64_t mount = 0;
    CLOSE_FD int image = -1;
    int is = ours(p, &image, &mount, &dev, e);
    if (is < 0)
        return -1;
    if (!is)
        image = open_image(p, d, e);
    if (image < 0 || compare(d, image, e) < 0)
        return -1;
    if (is && place_shown_for(p, d->owner))
        return 0;
    if (is)
        log_warn("disk is mounted for another owner, mounting it anew", "server=%s owner=%u", d->name, (unsigned)d->owner);
    return is && unmount(p, mount, dev, e) < 0 ? -1 : mount_image(p, d, image, e);
}

static int down(const struct place *p, const struct disk *d UNUSED, struct err *e)
{
    dev_t dev = 0;
    uint64_t mount = 0;
    CLOSE_FD int image = -1;
    int is = ours(p, &image, &mount, &dev, e);
    if (is <= 0)
        return is;
    cleanup_fd(&image);
    image = -1;
    trim(p);
    return unmount(p, mount, dev, e);
}

static bool has(const struct place *p)
{
    struct image i = image_of(p);
    return faccessat(p->servers, i.file, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int drop(const struct place *p, const struct disk *d UNUSED, struct err *e)
{
    struct image i = image_of(p);
    if (unlinkat(p->servers, i.file, 0) < 0 && errno != ENOENT)
        return err_set(e, errno, "unlink", "servers/%s", i.file);
    return 0;
}

static int move(const struct place *from, const struct place *to, struct err *e)
{
    return place_rename(from, to, ".img", e);
}

static int use(const struct place *p, struct disk *d, struct err *e)
{
    struct statfs f;
    CLOSE_FD int fd = openat(p->servers, p->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || fstatfs(fd, &f) < 0)
        return err_set(e, errno, "statfs", "servers/%s", p->folder);
    d->used = (uint64_t)(f.f_blocks - f.f_bfree) * (uint64_t)f.f_bsize;
    d->used_inodes = (uint64_t)(f.f_files - f.f_ffree);
    return 0;
}

static int fit(const struct place *p UNUSED, const struct disk *d UNUSED, struct err *e)
{
    if (access("/dev/loop-control", R_OK | W_OK) < 0)
        return err_set(e, errno, "loop devices", "/dev/loop-control");
    return 0;
}

const struct backend backend_image = {
    .word = "image", .count = DISK_COUNT_STATFS, .fit = fit, .has = has, .up = up, .down = down, .use = use, .drop = drop,
    .move = move,
};
