#include "store/archive/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/openat2.h>

#include "base/log.h"
#include "store/archive/path.h"

enum { BLOCK = 4096 };

static int fail(struct err *e, int no, const char *path, const char *what)
{
    return err_set(e, no, what, "%s", esc(path));
}

int tree_open(int folder, const char *path, int flags, mode_t mode)
{
    struct open_how how = { .flags = (unsigned)(flags | O_NOFOLLOW | O_CLOEXEC), .mode = mode,
                            .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS };
    return (int)syscall(SYS_openat2, folder, path, &how, sizeof how);
}

static int count(struct tree *t, const char *path, struct err *e)
{
    if (t->entries >= t->entries_most)
        return err_set(e, 0, "too many files", "more than %llu ([limits] image_files): %s", (unsigned long long)t->entries_most, esc(path));
    t->entries++;
    return 0;
}

/* One step down, which is made if it is not there. */
static int step(struct tree *t, int folder, const char *name, const char *path, struct err *e)
{
    int fd = tree_open(folder, name, O_PATH | O_DIRECTORY, 0);
    if (fd >= 0 || errno != ENOENT)
        return fd;
    if (count(t, path, e) < 0)
        return -2;
    return mkdirat(folder, name, 0755) < 0 ? -1 : tree_open(folder, name, O_PATH | O_DIRECTORY, 0);
}

static int make_way(struct tree *t, const char *path, const char *end, struct err *e)
{
    int at = tree_open(t->root, ".", O_PATH | O_DIRECTORY, 0);
    for (const char *p = path; at >= 0 && p < end;) {
        char part[PART_BYTES + 1];
        size_t n = strcspn(p, "/");
        memcpy(part, p, n);
        part[n] = '\0';
        int next = step(t, at, part, path, e), no = errno;
        close(at);
        errno = no;
        at = next;
        p += n + 1;
    }
    return at;
}

/* The folder that PATH's last name stands in. */
static int open_parent(struct tree *t, const char *path, bool make, struct err *e)
{
    char way[PATH_BYTES + 1];
    const char *name = path_name(path);
    size_t n = name > path ? (size_t)(name - path) - 1 : 0;
    memcpy(way, path, n);
    way[n] = '\0';
    int fd = tree_open(t->root, n ? way : ".", O_PATH | O_DIRECTORY, 0);
    if (fd < 0 && errno == ENOENT && make)
        fd = make_way(t, path, path + n, e);
    if (fd >= 0 || fd == -2)
        return fd;
    if (errno == ELOOP || errno == ENOTDIR)
        return err_set(e, 0, "path", "goes through a symbolic link or a file: %s", esc(path));
    return fail(e, errno, path, "open the folder of");
}

/* Something that is no folder at PATH: makes room for the next of that name. */
static int clear(int folder, const char *path, struct err *e)
{
    if (unlinkat(folder, path_name(path), 0) == 0)
        return 0;
    if (errno == EISDIR)
        return err_set(e, 0, "path", "is a folder already and then something else: %s", esc(path));
    return fail(e, errno, path, "replace");
}

int tree_folder(struct tree *t, const char *path, mode_t mode, struct err *e)
{
    const char *name = path_name(path);
    CLOSE_FD int folder = open_parent(t, path, true, e);
    if (folder < 0)
        return -1;
    mode = (mode & 01777) | 0755;
    if (mkdirat(folder, name, mode) == 0)
        return count(t, path, e);
    if (errno != EEXIST)
        return fail(e, errno, path, "mkdir");
    CLOSE_FD int fd = tree_open(folder, name, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return err_set(e, 0, "path", "is something else already and then a folder: %s", esc(path));
    return fchmod(fd, mode) < 0 ? fail(e, errno, path, "chmod") : 0;
}

static int take_room(struct tree *t, const char *path, uint64_t size, struct err *e)
{
    /* In two steps, so that no sum can be too large for its type. */
    if (size > t->bytes_most || t->bytes + (size + BLOCK - 1) / BLOCK * BLOCK > t->bytes_most)
        return err_set(e, 0, "too large", "more than %llu bytes ([limits] image_size) with one of %llu bytes: %s",
                       (unsigned long long)t->bytes_most, (unsigned long long)size, esc(path));
    t->bytes += (size + BLOCK - 1) / BLOCK * BLOCK;
    return count(t, path, e);
}

int tree_file(struct tree *t, const char *path, uint64_t size, struct err *e)
{
    const int flags = O_WRONLY | O_CREAT | O_EXCL;
    if (take_room(t, path, size, e) < 0)
        return -1;
    CLOSE_FD int folder = open_parent(t, path, true, e);
    if (folder < 0)
        return -1;
    int fd = tree_open(folder, path_name(path), flags, 0600);
    if (fd < 0 && errno == EEXIST) {
        if (clear(folder, path, e) < 0)
            return -1;
        fd = tree_open(folder, path_name(path), flags, 0600);
    }
    return fd < 0 ? fail(e, errno, path, "create") : fd;
}

int tree_file_end(int fd, const char *path, uint64_t size, mode_t mode, int64_t mtime, struct err *e)
{
    /* Not the part of a second: nobody in it would miss that, and an archive may say nonsense. */
    const struct timespec times[2] = { { .tv_sec = mtime }, { .tv_sec = mtime } };
    if (ftruncate(fd, (off_t)size) < 0)
        return fail(e, errno, path, "write");
    if (fchmod(fd, (mode & 0777) | 0444) < 0)
        return fail(e, errno, path, "chmod");
    return futimens(fd, times) < 0 ? fail(e, errno, path, "set the time of") : 0;
}

int tree_symlink(struct tree *t, const char *path, const char *target, struct err *e)
{
    CLOSE_FD int folder = open_parent(t, path, true, e);
    if (folder < 0 || count(t, path, e) < 0)
        return -1;
    int r = symlinkat(target, folder, path_name(path));
    if (r < 0 && errno == EEXIST) {
        if (clear(folder, path, e) < 0)
            return -1;
        r = symlinkat(target, folder, path_name(path));
    }
    return r < 0 ? fail(e, errno, path, "symlink") : 0;
}

int tree_link(struct tree *t, const char *path, const char *target, struct err *e)
{
    if (strcmp(path, target) == 0)
        return 0;
    CLOSE_FD int from = open_parent(t, target, false, e);
    if (from < 0)
        return -1;
    CLOSE_FD int folder = open_parent(t, path, true, e);
    if (folder < 0 || count(t, path, e) < 0)
        return -1;
    int r = linkat(from, path_name(target), folder, path_name(path), 0);
    if (r < 0 && errno == EEXIST) {
        if (clear(folder, path, e) < 0)
            return -1;
        r = linkat(from, path_name(target), folder, path_name(path), 0);
    }
    return r < 0 ? fail(e, errno, path, "link") : 0;
}

/* What a sandbox mounts things on (sandbox/launch/image.c): real folders and files, as a link would lead a mount elsewhere.  What is covered as a
   whole may be replaced; etc and var hold what is the image's own. */
static const struct { const char *path; bool covered; } folders[] = {
    { "etc", false }, { "var", false }, { "proc", true }, { "dev", true }, { "tmp", true }, { "run", true }, { "home", true }, { "sys", true },
    { "var/tmp", true },
};
static const char *const files[] = { "etc/passwd", "etc/group", "etc/hostname", "etc/hosts", "etc/resolv.conf", "etc/machine-id" };

static int finish_folder(struct tree *t, const char *path, bool covered, struct err *e)
{
    struct stat st;
    CLOSE_FD int fd = tree_open(t->root, path, O_PATH | O_DIRECTORY, 0);
    if (fd >= 0)
        return 0;
    CLOSE_FD int folder = open_parent(t, path, true, e);
    if (folder < 0)
        return -1;
    bool there = fstatat(folder, path_name(path), &st, AT_SYMLINK_NOFOLLOW) == 0;
    if (there && !covered)
        return err_set(e, 0, "not a root file system", "/%s is not a folder", path);
    if (there && clear(folder, path, e) < 0)
        return -1;
    return tree_folder(t, path, 0755, e);
}

static int finish_file(struct tree *t, const char *path, struct err *e)
{
    struct stat st;
    CLOSE_FD int fd = tree_open(t->root, path, O_PATH, 0);
    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        return 0;
    CLOSE_FD int made = tree_file(t, path, 0, e);
    return made < 0 ? -1 : tree_file_end(made, path, 0, 0644, 0, e);
}

int tree_finish(struct tree *t, struct err *e)
{
    for (size_t i = 0; i < countof(folders); i++)
        if (finish_folder(t, folders[i].path, folders[i].covered, e) < 0)
            return -1;
    for (size_t i = 0; i < countof(files); i++)
        if (finish_file(t, files[i], e) < 0)
            return -1;
    return syncfs(t->root) < 0 ? err_set(e, errno, "sync", "%s", "") : 0;
}
