#include "store/archive/walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/openat2.h>

#include "base/log.h"
#include "base/mem.h"

struct walker {
    struct writer *w;
    struct tally *t;
    char path[WALK_NAME + 2];     /* of the entry at hand, from "." */
    size_t len;
};

struct names { char **v; size_t n; };

static void names_free(struct names *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->v[i]);
    free(l->v);
}

#define NAMES_FREE __attribute__((cleanup(names_free)))

/* O_NOATIME: a backup is no access, and it would write to every inode. */
static int open_beneath(int folder, const char *name, int flags)
{
    struct open_how how = { .flags = (unsigned)(flags | O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_NOATIME),
                            .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS };
    int fd = (int)syscall(SYS_openat2, folder, name, &how, sizeof how);
    /* EPERM: of another owner, but readable. */
    if (fd < 0 && errno == EPERM) {
        how.flags ^= O_NOATIME;
        fd = (int)syscall(SYS_openat2, folder, name, &how, sizeof how);
    }
    return fd;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* All at once and sorted: the archive of an unchanged tree is the same, and no folder is read while it is left open for long. */
static int read_names(int fd, bool top, struct names *l)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    DIR *d = copy < 0 ? NULL : fdopendir(copy);
    if (d == NULL) {
        if (copy >= 0)
            close(copy);
        return -1;
    }
    size_t room = 0;
    for (struct dirent *one; (one = readdir(d));) {
        const char *name = one->d_name;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || (top && strcmp(name, "lost+found") == 0))
            continue;
        if (l->n == room)
            l->v = mem_grow(l->v, room = room ? room * 2 : 64, sizeof *l->v);
        l->v[l->n++] = mem_str(name);
    }
    closedir(d);
    if (l->n)
        qsort(l->v, l->n, sizeof *l->v, by_bytes);
    return 0;
}

static bool push_name(struct walker *k, const char *name)
{
    size_t n = strlen(name);
    if (k->len + 1 + n > WALK_NAME)
        return false;
    k->path[k->len] = '/';
    memcpy(k->path + k->len + 1, name, n + 1);
    k->len += n + 1;
    return true;
}

static void pop_name(struct walker *k, size_t len)
{
    k->len = len;
    k->path[len] = '\0';
}

/* An entry that could not be opened: gone is normal, the rest is told. */
static void left_out(struct walker *k, int why)
{
    if (why == ENOENT || why == ELOOP || why == ENOTDIR || why == ENXIO) {
        k->t->vanished++;
        return;
    }
    if (k->t->unreadable++ < 20)
        log_warn("archive.unreadable", "path=%s why=\"%s\"", escn(k->path, k->len), strerror(why));
}

static int add_file(struct walker *k, int folder, const char *name, struct err *e)
{
    struct stat st;
    bool changed = false;
    CLOSE_FD int fd = open_beneath(folder, name, 0);
    if (fd < 0 || fstat(fd, &st) < 0) {
        left_out(k, errno);
        return 0;
    }
    if (!S_ISREG(st.st_mode)) {
        k->t->vanished++;
        return 0;
    }
    int r = writer_file(k->w, k->path, &st, fd, &changed, e);
    k->t->changed += changed;
    return r;
}

static int add_symlink(struct walker *k, int folder, const char *name, const struct stat *st, struct err *e)
{
    char target[PATH_MAX + 1];
    ssize_t n = readlinkat(folder, name, target, PATH_MAX);
    if (n < 0) {
        left_out(k, errno == EINVAL ? ENOENT : errno);
        return 0;
    }
    target[n] = '\0';
    return writer_plain(k->w, k->path, st, target, e);
}

static int add_folder(struct walker *k, int fd, unsigned depth, struct err *e);

static int enter(struct walker *k, int folder, const char *name, unsigned depth, struct err *e)
{
    if (depth >= WALK_DEPTH) {
        k->t->deep++;
        return 0;
    }
    CLOSE_FD int fd = open_beneath(folder, name, O_DIRECTORY);
    if (fd < 0) {
        left_out(k, errno);
        return 0;
    }
    return add_folder(k, fd, depth, e);
}

static int add(struct walker *k, int folder, const char *name, unsigned depth, struct err *e)
{
    struct stat st;
    if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
        left_out(k, errno);
        return 0;
    }
    switch (st.st_mode & S_IFMT) {
    case S_IFREG:
        return add_file(k, folder, name, e);
    case S_IFDIR:
        return enter(k, folder, name, depth + 1, e);
    case S_IFLNK:
        return add_symlink(k, folder, name, &st, e);
    case S_IFIFO:
        return writer_plain(k->w, k->path, &st, NULL, e);
    default:
        k->t->special++;
        return 0;
    }
}

static int add_folder(struct walker *k, int fd, unsigned depth, struct err *e)
{
    NAMES_FREE struct names l = { 0 };
    struct stat st;
    if (fstat(fd, &st) < 0 || read_names(fd, depth == 0, &l) < 0) {
        left_out(k, errno);
        return 0;
    }
    if (writer_plain(k->w, depth ? k->path : "./", &st, NULL, e) < 0)
        return -1;
    size_t len = k->len;
    for (size_t i = 0; i < l.n; i++) {
        if (!push_name(k, l.v[i])) {
            k->t->deep++;
            continue;
        }
        int r = add(k, fd, l.v[i], depth, e);
        pop_name(k, len);
        if (r < 0)
            return -1;
    }
    return 0;
}

int walk(int root, struct writer *w, struct tally *t, struct err *e)
{
    struct walker k = { .w = w, .t = t, .path = ".", .len = 1 };
    *t = (struct tally){ 0 };
    return add_folder(&k, root, 0, e);
}
