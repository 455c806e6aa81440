#include "quota/copy/attrs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"

/* Those that somebody in the server can have set; others are the machine's, and made by it anew. */
static bool ours(const char *name)
{
    return strncmp(name, "user.", 5) == 0 || strncmp(name, "system.posix_acl_", 17) == 0 || strcmp(name, "security.capability") == 0;
}

struct names { char *text; ssize_t size; };

static int names_of(int fd, struct names *n, struct err *e)
{
    n->text = NULL;
    n->size = flistxattr(fd, NULL, 0);
    if (n->size < 0 && errno == EOPNOTSUPP)
        n->size = 0;
    if (n->size <= 0)
        return n->size == 0 ? 0 : err_set(e, errno, "attributes", "list");
    n->text = mem_new((size_t)n->size + 1);
    n->size = flistxattr(fd, n->text, (size_t)n->size);
    if (n->size >= 0)
        return 0;
    free(n->text);
    return err_set(e, errno, "attributes", "list");
}

static char value[XATTR_SIZE_MAX], other[XATTR_SIZE_MAX];

static int copy_one(int from, int to, const char *name, struct err *e)
{
    ssize_t n = fgetxattr(from, name, value, sizeof value);
    if (n < 0 || fsetxattr(to, name, value, (size_t)n, 0) < 0)
        return err_set(e, errno, "attribute", "%s", esc(name));
    return 0;
}

static int copy_extended(int from, int to, struct err *e)
{
    struct names n;
    if (names_of(from, &n, e) < 0)
        return -1;
    int r = 0;
    for (const char *at = n.text; r == 0 && at < n.text + n.size; at += strlen(at) + 1)
        if (ours(at))
            r = copy_one(from, to, at, e);
    free(n.text);
    return r;
}

int attrs_copy(int from, int to, const struct stat *st, struct err *e)
{
    const struct timespec times[] = { st->st_atim, st->st_mtim };
    /* In this order: an owner takes set-id bits and capabilities away, an access list is part of the mode, and all of it changes times. */
    if (fchown(to, st->st_uid, st->st_gid) < 0 || fchmod(to, st->st_mode & 07777) < 0)
        return err_set(e, errno, "owner and mode", "%u:%u %o", st->st_uid, st->st_gid, st->st_mode & 07777);
    if (copy_extended(from, to, e) < 0)
        return -1;
    return futimens(to, times) < 0 ? err_set(e, errno, "times", "%s", "") : 0;
}

int attrs_copy_at(int folder, const char *name, const struct stat *st, struct err *e)
{
    const struct timespec times[] = { st->st_atim, st->st_mtim };
    if (fchownat(folder, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0 ||
        (!S_ISLNK(st->st_mode) && fchmodat(folder, name, st->st_mode & 07777, 0) < 0) ||
        utimensat(folder, name, times, AT_SYMLINK_NOFOLLOW) < 0)
        return err_set(e, errno, "owner, mode and times", "%s", esc(name));
    return 0;
}

static int compare_one(int from, int to, const char *name, struct err *e)
{
    ssize_t n = fgetxattr(from, name, value, sizeof value);
    if (n < 0 || fgetxattr(to, name, other, sizeof other) != n || memcmp(value, other, (size_t)n) != 0)
        return err_set(e, EBADMSG, "compare", "attribute %s", esc(name));
    return 0;
}

static size_t count(const struct names *n)
{
    size_t found = 0;
    for (const char *at = n->text; at < n->text + n->size; at += strlen(at) + 1)
        found += ours(at);
    return found;
}

int attrs_compare(int from, int to, struct err *e)
{
    struct names a, b = { 0 };
    if (names_of(from, &a, e) < 0)
        return -1;
    int r = names_of(to, &b, e);
    if (r == 0 && count(&a) != count(&b))
        r = err_set(e, EBADMSG, "compare", "attributes: %zu, and %zu", count(&a), count(&b));
    for (const char *at = a.text; r == 0 && at < a.text + a.size; at += strlen(at) + 1)
        if (ours(at))
            r = compare_one(from, to, at, e);
    free(a.text);
    free(b.text);
    return r;
}

int attrs_compare_stat(const struct stat *a, const struct stat *b, struct err *e)
{
    if (a->st_mode != b->st_mode || a->st_uid != b->st_uid || a->st_gid != b->st_gid)
        return err_set(e, EBADMSG, "compare", "%u:%u %o, and %u:%u %o", a->st_uid, a->st_gid, a->st_mode, b->st_uid, b->st_gid, b->st_mode);
    if (a->st_mtim.tv_sec != b->st_mtim.tv_sec || a->st_mtim.tv_nsec != b->st_mtim.tv_nsec)
        return err_set(e, EBADMSG, "compare", "times");
    if (!S_ISDIR(a->st_mode) && (a->st_nlink != b->st_nlink || a->st_size != b->st_size))
        return err_set(e, EBADMSG, "compare", "%lu links and %lld bytes, and %lu and %lld", (unsigned long)a->st_nlink, (long long)a->st_size,
                       (unsigned long)b->st_nlink, (long long)b->st_size);
    return 0;
}
