#include "quota/btrfs_gone.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "quota/btrfs_group.h"
#include "quota/btrfs_subvol.h"

enum { LOCK_MS = 30000 };

static const char inside[] = "files";

int gone_lock(const struct place *p, struct err *e)
{
    CLOSE_FD int fd = openat(p->servers, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_set(e, errno, "open", "servers");
    for (uint64_t end = now_ms() + LOCK_MS; flock(fd, LOCK_EX | LOCK_NB) < 0;) {
        if ((errno != EWOULDBLOCK && errno != EINTR) || now_ms() > end)
            return err_set(e, errno, "lock", "servers");
        nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
    }
    return fd_steal(&fd);
}

int gone_move(const struct place *p, const char *name, struct err *e)
{
    struct subvol s;
    CLOSE_FD int fd = openat(p->servers, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : err_set(e, errno, "open", "servers/%s", name);
    if (subvol_of(fd, &s, e) < 0)
        return -1;
    const char *end = strchr(name + 1, '@');
    FREE_MEM char *folder = mem_fmt("%.*s@gone@%" PRIu64, end ? (int)(end - name) : (int)strlen(name), name, s.id);
    FREE_MEM char *to = mem_fmt("%s/%s", folder, inside);
    if (mkdirat(p->servers, folder, 0700) < 0 && errno != EEXIST)
        return err_set(e, errno, "mkdir", "servers/%s", folder);
    return renameat(p->servers, name, p->servers, to) < 0 ? err_set(e, errno, "rename", "servers/%s", name) : 0;
}

/* A subvolume cannot be deleted at its limit, and all below it must be members for their groups to be removed. */
static int delete(const struct place *p, int fd, uint64_t id, struct err *e)
{
    struct quota_state s;
    if (quota_look(p->servers, &s, e) < 0)
        return -1;
    if (s.mode != QUOTA_OFF && (group_hold(p->servers, id, e) < 0 || group_limit(p->servers, id, GROUP_NO_LIMIT, e) < 0))
        return -1;
    return subvol_delete(p->servers, fd, id, e);
}

/* What lies in FOLDER, which says that it is subvolume ID. */
static int delete_inside(const struct place *p, const char *folder, uint64_t id, struct err *e)
{
    FREE_MEM char *path = mem_fmt("%s/%s", folder, inside);
    struct subvol s;
    CLOSE_FD int fd = openat(p->servers, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : err_set(e, errno, "open", "servers/%s", path);
    if (subvol_of(fd, &s, e) < 0)
        return -1;
    return s.id == id ? delete(p, fd, id, e) : err_set(e, EINVAL, "delete", "servers/%s is subvolume %" PRIu64, path, s.id);
}

/* 0 all is gone, 1 not yet, -1 with E. */
static int finish(const struct place *p, const char *folder, uint64_t id, struct err *e)
{
    if (delete_inside(p, folder, id, e) < 0)
        return -1;
    int left = group_remove(p->servers, id, e);
    if (left == 0 && unlinkat(p->servers, folder, AT_REMOVEDIR) < 0 && errno != ENOENT)
        return err_set(e, errno, "rmdir", "servers/%s", folder);
    return left;
}

static int clean(const struct place *p, const char *folder, const char *id)
{
    struct err e = { 0 };
    char text[400];
    int left = finish(p, folder, strtoull(id, NULL, 10), &e);
    if (left < 0)
        log_warn("a deleted disk is not cleaned yet", "folder=%s error=\"%s\"", esc(folder), err_text(&e, text, sizeof text));
    return left ? 1 : 0;
}

static bool ends(const char *name, const char *end)
{
    size_t n = strlen(name), m = strlen(end);
    return n > m && strcmp(name + n - m, end) == 0;
}

static int each(const struct place *p, int (*fn)(const struct place *p, const char *name))
{
    int n = 0, fd = openat(p->servers, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (d == NULL && fd >= 0)
        close(fd);
    for (struct dirent *f; d && (f = readdir(d));)
        if (f->d_name[0] == '@')
            n += fn(p, f->d_name);
    if (d)
        closedir(d);
    return n;
}

/* Nobody is making it: he would have the lock. */
static int unmade(const struct place *p, const char *name)
{
    struct err e = { 0 };
    char text[400];
    if (ends(name, "@new") && gone_move(p, name, &e) < 0)
        log_warn("a half-made disk cannot be moved away", "folder=%s error=\"%s\"", esc(name), err_text(&e, text, sizeof text));
    return 0;
}

static int gone(const struct place *p, const char *name)
{
    const char *at = strstr(name, "@gone@");
    return at ? clean(p, name, at + 6) : 0;
}

int gone_clean(const struct place *p)
{
    each(p, unmade);
    return each(p, gone);
}
