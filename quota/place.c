#include "quota/place.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"

enum { LOCK_MS = 30000, BUSY_MS = 500 };

void place_close(struct place *p)
{
    cleanup_fd(&p->locked);
    cleanup_fd(&p->servers);
}

static int lock(const struct place *p, struct err *e)
{
    for (uint64_t end = now_ms() + LOCK_MS; flock(p->locked, LOCK_EX | LOCK_NB) < 0;) {
        if ((errno != EWOULDBLOCK && errno != EINTR) || now_ms() > end)
            return err_set(e, errno, "lock", "servers/%s", p->lock);
        nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
    }
    return 0;
}

static bool folder_ok(const char *folder)
{
    static const char end[] = ".new";
    size_t n = strlen(folder);
    if (folder[0] != '.')
        return name_ok(folder);
    if (n <= sizeof end || strcmp(folder + n - (sizeof end - 1), end) != 0)
        return false;
    FREE_MEM char *name = mem_strn(folder + 1, n - sizeof end);
    return name_ok(name);
}

int place_open(struct place *p, const char *state, const char *folder, struct err *e)
{
    *p = (struct place){ .folder = folder, .servers = -1, .locked = -1 };
    if (!folder_ok(folder))
        return err_set(e, EINVAL, "disk", "bad server name");
    snprintf(p->lock, sizeof p->lock, ".%s.lock", folder);
    FREE_MEM char *servers = mem_fmt("%s/servers", state);
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

int place_look(struct place *p, const char *state, const char *folder, struct err *e)
{
    *p = (struct place){ .folder = folder, .servers = -1, .locked = -1 };
    FREE_MEM char *path = mem_fmt("%s/servers", state);
    while ((p->servers = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) {
        char *slash = strrchr(path, '/');
        if (errno != ENOENT || slash == NULL || slash[1] == '\0')
            return err_set(e, errno, "open", "%s", path);
        slash[slash == path] = '\0';
    }
    return 0;
}

int place_mounted(const struct place *p, uint64_t *mount, dev_t *dev, struct err *e)
{
    struct statx x;
    /* Nothing is asked of who serves the mount: it may be dead. */
    if (statx(p->servers, p->folder, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC, STATX_TYPE | STATX_MNT_ID, &x) < 0)
        return errno == ENOENT ? 0 : err_set(e, errno, "stat", "servers/%s", p->folder);
    if (!S_ISDIR(x.stx_mode))
        return err_set(e, ENOTDIR, "stat", "servers/%s", p->folder);
    /* Devices do not tell: a folder of the same file system may be mounted there, and a subvolume has one of its own without a mount. */
    if (!(x.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT) || !(x.stx_mask & STATX_MNT_ID))
        return err_set(e, ENOSYS, "stat", "this kernel does not tell mounts apart");
    *mount = x.stx_mnt_id;
    *dev = makedev(x.stx_dev_major, x.stx_dev_minor);
    return (x.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

int place_shows(const struct place *p, int files, uint64_t *mount, struct err *e)
{
    dev_t dev;
    struct stat kept, shown;
    int is = place_mounted(p, mount, &dev, e);
    if (is <= 0)
        return is;
    if (files < 0 || fstat(files, &kept) < 0 || fstatat(p->servers, p->folder, &shown, AT_SYMLINK_NOFOLLOW) < 0 || shown.st_dev != kept.st_dev ||
        shown.st_ino != kept.st_ino)
        return place_foreign(p, e);
    return 1;
}

int place_guard(const struct place *p, const char *name, struct err *e)
{
    struct stat st;
    CLOSE_FD int fd = openat(p->servers, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_set(e, errno, "open", "servers/%s", name);
    if (st.st_uid != 0 || (st.st_mode & 077))
        return err_set(e, EPERM, "open", "servers/%s is not a folder of root with mode 0700", name);
    return fd_steal(&fd);
}

int place_foreign(const struct place *p, struct err *e)
{
    return err_set(e, EEXIST, "mount", "something else is mounted on servers/%s", p->folder);
}

/* A store that has lost its database gives another number, and a mount that its daemon left behind shows the ids of the one before. */
bool place_shown_for(const struct place *p, uid_t owner)
{
    struct stat st;
    return fstatat(p->servers, p->folder, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_uid == owner;
}

int place_attach(const struct place *p, int tree, struct err *e)
{
    if (mkdirat(p->servers, p->folder, 0755) < 0 && errno != EEXIST)
        return err_set(e, errno, "mkdir", "servers/%s", p->folder);
    CLOSE_FD int point = openat(p->servers, p->folder, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (point < 0 || move_mount(tree, "", point, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
        return err_set(e, errno, "move_mount", "servers/%s", p->folder);
    return 0;
}

static bool on_mount(const char *path, uint64_t mount)
{
    struct statx x;
    return statx(AT_FDCWD, path, AT_NO_AUTOMOUNT, STATX_MNT_ID, &x) == 0 && (x.stx_mask & STATX_MNT_ID) && x.stx_mnt_id == mount;
}

static bool holds(const char *pid, uint64_t mount)
{
    char path[PATH_MAX];
    static const char *const links[] = { "cwd", "root", "exe" };
    for (size_t i = 0; i < countof(links); i++) {
        snprintf(path, sizeof path, "/proc/%s/%s", pid, links[i]);
        if (on_mount(path, mount))
            return true;
    }
    snprintf(path, sizeof path, "/proc/%s/fd", pid);
    DIR *d = opendir(path);
    bool found = false;
    for (struct dirent *f; d && !found && (f = readdir(d));) {
        snprintf(path, sizeof path, "/proc/%s/fd/%s", pid, f->d_name);
        found = isdigit((unsigned char)f->d_name[0]) && on_mount(path, mount);
    }
    if (d)
        closedir(d);
    return found;
}

static int busy(const struct place *p, uint64_t mount, struct err *e)
{
    DIR *d = opendir("/proc");
    char who[32] = "";
    for (struct dirent *pid; d && !who[0] && (pid = readdir(d));)
        if (isdigit((unsigned char)pid->d_name[0]) && holds(pid->d_name, mount))
            snprintf(who, sizeof who, ", by process %.16s", pid->d_name);
    if (d)
        closedir(d);
    return err_set(e, EBUSY, "unmount", "servers/%s is in use%s", p->folder, who);
}

int place_unmount(const struct place *p, uint64_t mount, struct err *e)
{
    char path[96];
    /* No *at form of umount exists, and the folder may lie behind a mount or a rename of its path: the descriptor does not. */
    snprintf(path, sizeof path, "/proc/self/fd/%d/%s", p->servers, p->folder);
    for (uint64_t end = now_ms() + BUSY_MS; umount2(path, UMOUNT_NOFOLLOW) < 0;) {
        if (errno != EBUSY)
            return err_set(e, errno, "unmount", "servers/%s", p->folder);
        if (now_ms() > end)
            return busy(p, mount, e);
        nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
    }
    return 0;
}

int place_rename(const struct place *from, const struct place *to, const char *ending, struct err *e)
{
    FREE_MEM char *old = mem_fmt("%s%s", from->folder, ending);
    FREE_MEM char *new = mem_fmt("%s%s", to->folder, ending);
    struct stat st;
    if (io_rename_new(from->servers, old, to->servers, new) < 0 &&
        (errno != ENOENT || fstatat(to->servers, new, &st, AT_SYMLINK_NOFOLLOW) < 0))
        return err_set(e, errno, "rename", "servers/%s", old);
    return fsync(to->servers) < 0 ? err_set(e, errno, "fsync", "servers") : 0;
}
