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
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "quota/ext4.h"
#include "quota/found.h"
#include "quota/grow.h"
#include "quota/limit.h"
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

static bool has(const struct place *p)
{
    struct image i = image_of(p);
    return faccessat(p->servers, i.file, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* The file has no name until it is whole, so that whoever dies here leaves nothing. */
static int make(const struct place *p, const struct disk *d, struct err *e)
{
    struct image i = image_of(p);
    CLOSE_FD int fd = openat(p->servers, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_set(e, errno, "create", "servers/%s", i.file);
    if (ext4_make(fd, &(struct ext4_limits){ d->bytes, d->inodes }, e) < 0)
        return -1;
    char self[32];
    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    if (fsync(fd) < 0 || linkat(AT_FDCWD, self, p->servers, i.file, AT_SYMLINK_FOLLOW) < 0 || fsync(p->servers) < 0)
        return err_set(e, errno, "store", "servers/%s", i.file);
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

/* A detached mount of the whole of DEVICE, or -1 with E; of one that is mounted, another of the same file system.

   discard: what is deleted is the host's again within seconds, and a server that writes and deletes for ever takes no more of it than its limit. */
static int mount_device(const char *device, struct err *e)
{
    CLOSE_FD int context = fsopen("ext4", FSOPEN_CLOEXEC);
    if (context < 0)
        return err_set(e, errno, "fsopen", "ext4");
    if (fsconfig(context, FSCONFIG_SET_STRING, "source", device, 0) < 0 || fsconfig(context, FSCONFIG_SET_FLAG, "discard", NULL, 0) < 0 ||
        fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0) {
        context_error(context, e, device);
        return -1;
    }
    int fd = fsmount(context, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOATIME);
    return fd < 0 ? err_set(e, errno, "fsmount", "%s", device) : fd;
}

/* An image in use: LOOP holds the device until a mount does, WHOLE is the root folder of MOUNT, which is its whole file system, nowhere. */
struct use { int image, loop, mount, whole; char device[32]; struct limit_fs fs; };
#define USE_NONE { .image = -1, .loop = -1, .mount = -1, .whole = -1 }

static void use_unmount(struct use *u)
{
    cleanup_fd(&u->whole);
    cleanup_fd(&u->mount);
    cleanup_fd(&u->loop);
    u->whole = u->mount = u->loop = -1;
}

static void use_close(struct use *u)
{
    use_unmount(u);
    cleanup_fd(&u->image);
}
#define USE __attribute__((cleanup(use_close))) struct use

static int use_open(struct use *u, struct err *e)
{
    u->mount = mount_device(u->device, e);
    if (u->mount < 0)
        return -1;
    u->whole = openat(u->mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (u->whole < 0)
        return err_set(e, errno, "open", "%s", u->device);
    if (ext4_super(u->image, &u->fs.super, e) < 0)
        return -1;
    u->fs.device = u->device;
    u->fs.root = u->whole;
    return 0;
}

static int make_folder(int whole, const char *name, mode_t mode, struct err *e)
{
    return mkdirat(whole, name, mode) < 0 && errno != EEXIST ? err_set(e, errno, "mkdir", "%s of the disk", name) : 0;
}

static int make_layout(const struct use *u, struct err *e)
{
    if (!u->fs.super.ours)
        return 0;
    struct stat st;
    if (fchmod(u->whole, 0700) < 0)
        return err_set(e, errno, "chmod", "root folder of the disk");
    if (make_folder(u->whole, EXT4_HELD, 0700, e) < 0)
        return -1;
    if (fstatat(u->whole, EXT4_FILES, &st, AT_SYMLINK_NOFOLLOW) == 0)
        return 0;
    /* Whole before it has its name: the owner says whose ids its files have. */
    static const char new[] = EXT4_FILES ".new";
    if (make_folder(u->whole, new, 0700, e) < 0)
        return -1;
    if (fchownat(u->whole, new, DISK_UID, DISK_UID, AT_SYMLINK_NOFOLLOW) < 0 || renameat(u->whole, new, u->whole, EXT4_FILES) < 0)
        return err_set(e, errno, "make", "%s of the disk", EXT4_FILES);
    return 0;
}

/* What is changed before a server writes is durable before it does.  A journal that is cut short, the host being full, frees it otherwise while the
   disk has the old state, and the kernel discards what is free: e2fsck then finds folders of zeros. */
static int make_durable(const struct disk *d, const struct use *u, struct err *e)
{
    struct stat st;
    bool changes = fstatat(u->whole, "lost+found", &st, AT_SYMLINK_NOFOLLOW) == 0 || fstatat(u->whole, EXT4_FILES, &st, AT_SYMLINK_NOFOLLOW) < 0;
    if (make_layout(u, e) < 0 || found_settle(d->name, u->whole, u->fs.super.ours, e) < 0)
        return -1;
    return changes && syncfs(u->whole) < 0 ? err_set(e, errno, "write", "folders of the disk") : 0;
}

/* More where there is room to grow; what cannot be is what the disk has, and said. */
static int set_limits(struct use *u, struct disk *d, struct err *e)
{
    const struct ext4_limits asked = { d->bytes, d->inodes };
    struct ext4_limits whole = ext4_whole(&asked), most, now = whole;
    struct err cannot = { 0 };
    char why[400];
    if (limit_most(&u->fs, &most, e) < 0)
        return -1;
    /* Inodes come in whole blocks of every group's table: up to that they are the nearest below. */
    const uint64_t step = 2 * u->fs.super.groups * EXT4_INODES_STEP;
    const struct ext4_limits near = { whole.bytes, whole.inodes > most.inodes && whole.inodes - most.inodes < step ? most.inodes : whole.inodes };
    bool short_of = near.bytes > most.bytes || near.inodes > most.inodes;
    bool grown = short_of && grow_mounted(&u->fs, u->image, &near, &cannot) == 0;
    if (limit_set(&u->fs, &now, e) < 0)
        return -1;
    if (short_of && !grown)
        log_warn("disk limit cannot be reached while it is up", "server=%s bytes=%" PRIu64 " inodes=%" PRIu64 " configured_bytes=%" PRIu64
                 " configured_inodes=%" PRIu64 " error=\"%s\"", d->name, now.bytes, now.inodes, d->bytes, d->inodes,
                 err_text(&cannot, why, sizeof why));
    else if (now.inodes > whole.inodes)
        log_warn("inodes over the limit are in use, or not yet taken", "server=%s inodes=%" PRIu64 " configured_inodes=%" PRIu64, d->name, now.inodes, d->inodes);
    d->bytes = now.bytes;
    d->inodes = now.inodes;
    return 0;
}

static int answer_used(const struct use *u, struct disk *d, struct err *e)
{
    struct ext4_limits used;
    if (limit_used(&u->fs, &used, e) < 0)
        return -1;
    d->used = used.bytes;
    d->used_inodes = used.inodes;
    return 0;
}

/* A detached mount of the folder FILES of MOUNT, with its flags; private, wherever it was. */
static int copy_private(int mounted, int files)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", mounted);
    if (mount(NULL, path, NULL, MS_PRIVATE, NULL) < 0)
        return -1;
    return (int)syscall(SYS_open_tree, files, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
}

/* The folder with the server's files as a mount of its own.  A kernel before 6.15 copies no mount that is nowhere: the whole lies at the mount point
   for a moment, its root folder closed to all but root.  Who dies in that moment leaves a mount that is not its owner's, which `up` takes away. */
static int files_tree(const struct place *p, struct use *u, struct err *e)
{
    if (!u->fs.super.ours)
        return fcntl(u->mount, F_DUPFD_CLOEXEC, 3);
    uint64_t mount;
    dev_t dev;
    CLOSE_FD int again = mount_device(u->device, e);
    if (again < 0)
        return -1;
    if (place_attach(p, again, e) < 0 || place_mounted(p, &mount, &dev, e) <= 0)
        return -1;
    CLOSE_FD int files = openat(again, EXT4_FILES, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    CLOSE_FD int tree = files < 0 ? -1 : copy_private(again, files);
    if (tree < 0)
        err_set(e, errno, "open", EXT4_FILES " of the disk");
    cleanup_fd(&files);
    files = -1;
    cleanup_fd(&again);
    again = -1;
    struct err other;
    return place_unmount(p, mount, tree < 0 ? &other : e) < 0 || tree < 0 ? -1 : fd_steal(&tree);
}

static int mount_image(const struct place *p, struct disk *d, struct use *u, struct err *e)
{
    u->loop = loopdev_attach(u->image, u->device, sizeof u->device, e);
    if (u->loop < 0 || use_open(u, e) < 0 || make_durable(d, u, e) < 0 || set_limits(u, d, e) < 0)
        return -1;
    CLOSE_FD int tree = files_tree(p, u, e);
    if (tree < 0 || tree_own(d->name, tree, d->owner, e) < 0 || place_attach(p, tree, e) < 0)
        return -1;
    return answer_used(u, d, e);
}

/* Sets what the image needs before it can be mounted. */
static int ready(const struct place *p, const struct disk *d, struct use *u, bool suspect, struct err *e)
{
    struct image i = image_of(p);
    struct ext4_super s;
    struct stat st;
    struct err other = { 0 };
    char why[400];
    if (ext4_super(u->image, &s, e) < 0) {
        log_error("disk has no superblock: a person must decide", "server=%s copy_at=\"e2fsck -fy -b 32768 -B 4096 %s/servers/%s\"", d->name,
                  d->state, i.file);
        return err_wrap(e, i.file);
    }
    if (fstat(u->image, &st) < 0 || (uint64_t)st.st_size / EXT4_BLOCK < s.blocks)
        return err_set(e, EUCLEAN, "image", "servers/%s was cut: it has %lld bytes, its file system %" PRIu64, i.file, (long long)st.st_size,
                       s.blocks * EXT4_BLOCK);
    if (s.errors || suspect) {
        log_warn("disk has errors, checking", "server=%s", d->name);
        if (ext4_repair(u->image, e) < 0) {
            log_error("disk is damaged: a person must decide", "server=%s run=\"e2fsck -fy %s/servers/%s\"", d->name, d->state, i.file);
            return -1;
        }
    }
    /* Its limits hold without: a failure costs the host space, or the server what it was promised, and both are said. */
    const struct ext4_limits whole = ext4_whole(&(struct ext4_limits){ d->bytes, d->inodes });
    if (grow_unmounted(p, i.file, &u->image, &whole, &other) < 0)
        log_warn("disk keeps its size", "server=%s error=\"%s\"", d->name, err_text(&other, why, sizeof why));
    return u->image < 0 ? err_set(e, other.no, "open", "servers/%s", i.file) : 0;
}

static bool damage(const struct err *e)
{
    return e->no == EUCLEAN || e->no == EINVAL || e->no == EIO || e->no == EBADMSG;
}

/* A new file system is on a descriptor of its own: what was attached to a broken one must be gone first. */
static int mount_ready(const struct place *p, struct disk *d, struct use *u, bool suspect, struct err *e)
{
    const struct disk asked = *d;
    if (ready(p, d, u, suspect, e) < 0)
        return -1;
    if (mount_image(p, d, u, e) == 0)
        return 0;
    if (suspect || u->mount >= 0 || !damage(e))
        return -1;
    char why[400];
    log_warn("disk cannot be mounted", "server=%s error=\"%s\"", d->name, err_text(e, why, sizeof why));
    *d = asked;
    use_unmount(u);
    return ready(p, d, u, true, e) < 0 ? -1 : mount_image(p, d, u, e);
}

/* The image shrinks by what was deleted; a host without holes in files loses nothing.  Not of a file system that has stopped: what it has freed in
   memory is in use on the disk, where the journal has not got any more. */
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

static int settle(struct use *u, struct disk *d, struct err *e)
{
    return set_limits(u, d, e) < 0 || answer_used(u, d, e) < 0 ? -1 : 0;
}

static int open_live(struct use *u, dev_t dev, struct err *e)
{
    snprintf(u->device, sizeof u->device, "/dev/loop%u", minor(dev));
    return use_open(u, e);
}

/* A file system that the kernel has stopped writing to (the host was full, a disk failed) serves again only when it is mounted anew. */
static bool stopped(dev_t dev)
{
    char path[96];
    snprintf(path, sizeof path, "/sys/fs/ext4/loop%u/errors_count", minor(dev));
    FREE_MEM char *count = io_read_file(path, 32, NULL, NULL);
    return count && strtoul(count, NULL, 10) > 0;
}

static int up_first(const struct place *p, struct disk *d, struct use *u, struct err *e)
{
    bool old = has(p);
    u->image = open_image(p, d, e);
    if (u->image < 0 || mount_ready(p, d, u, false, e) < 0)
        return -1;
    if (!old)
        log_info("disk made", "server=%s bytes=%" PRIu64 " inodes=%" PRIu64, d->name, d->bytes, d->inodes);
    return 0;
}

static int up(const struct place *p, struct disk *d, struct err *e)
{
    dev_t dev = 0;
    uint64_t mount = 0;
    USE u = USE_NONE;
    int is = ours(p, &u.image, &mount, &dev, e);
    if (is < 0)
        return -1;
    if (!is)
        return up_first(p, d, &u, e);
    bool broken = stopped(dev);
    if (!broken && place_shown_for(p, d->owner))
        return open_live(&u, dev, e) < 0 ? -1 : settle(&u, d, e);
    log_warn(broken ? "disk had errors, mounting it anew" : "disk is mounted for another owner, mounting it anew", "server=%s owner=%u", d->name,
             (unsigned)d->owner);
    return unmount(p, mount, dev, e) < 0 ? -1 : mount_ready(p, d, &u, broken, e);
}

static int resize(const struct place *p, struct disk *d, struct err *e)
{
    dev_t dev = 0;
    uint64_t mount = 0;
    USE u = USE_NONE;
    int is = ours(p, &u.image, &mount, &dev, e);
    if (is <= 0)
        return is < 0 ? -1 : err_set(e, ENOENT, "resize", "servers/%s is not mounted", p->folder);
    return open_live(&u, dev, e) < 0 ? -1 : settle(&u, d, e);
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
    if (!stopped(dev))
        trim(p);
    return unmount(p, mount, dev, e);
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
    dev_t dev = 0;
    uint64_t mount = 0;
    USE u = USE_NONE;
    int is = ours(p, &u.image, &mount, &dev, e);
    if (is <= 0)
        return is < 0 ? -1 : err_set(e, ENOENT, "use", "servers/%s is not mounted", p->folder);
    return open_live(&u, dev, e) < 0 ? -1 : answer_used(&u, d, e);
}

static int fit(const struct place *p UNUSED, const struct disk *d UNUSED, struct err *e)
{
    if (access("/dev/loop-control", R_OK | W_OK) < 0)
        return err_set(e, errno, "loop devices", "/dev/loop-control");
    return 0;
}

const struct backend backend_image = {
    .word = "image", .count = DISK_COUNT_STATFS, .fit = fit, .has = has, .up = up, .resize = resize, .down = down, .use = use, .drop = drop,
    .move = move,
};
