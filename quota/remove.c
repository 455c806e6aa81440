#include "quota/remove.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"

/* Folders within folders are moved to the top, so that nothing is deeper than two. */
struct remove { int top; uint64_t number; };

static DIR *open_at(int at, const char *name)
{
    CLOSE_FD int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (d)
        fd_steal(&fd);
    return d;
}

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static int lift(struct remove *r, int at, const char *name)
{
    char to[32];
    do
        snprintf(to, sizeof to, ".%" PRIu64, r->number++);
    while (renameat2(at, name, r->top, to, 1u /* RENAME_NOREPLACE */) < 0 && errno == EEXIST);
    return faccessat(at, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0 ? -1 : 0;
}

static int one(struct remove *r, int at, const char *name, bool top)
{
    if (unlinkat(at, name, 0) == 0 || (errno != EISDIR && errno != EPERM && errno != ENOENT))
        return errno == ENOENT ? 0 : errno && faccessat(at, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0 ? -1 : 0;
    if (unlinkat(at, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
        return 0;
    if (errno != ENOTEMPTY && errno != EEXIST)
        return -1;
    return top ? 1 : lift(r, at, name);
}

/* What is in NAME, which is in the top folder. */
static int empty(struct remove *r, const char *name)
{
    DIR *d = open_at(r->top, name);
    int no = d ? 0 : -1;
    for (struct dirent *f; !no && (f = readdir(d));)
        no = is_dots(f->d_name) ? 0 : one(r, dirfd(d), f->d_name, false);
    if (d)
        closedir(d);
    return no;
}

/* One pass; *LEFT when there may be more. */
static int pass(struct remove *r, DIR *d, bool *left)
{
    int no = 0;
    *left = false;
    rewinddir(d);
    for (struct dirent *f; no >= 0 && (f = readdir(d));) {
        if (is_dots(f->d_name))
            continue;
        *left = true;
        no = one(r, r->top, f->d_name, true);
        if (no > 0)
            no = empty(r, f->d_name);
    }
    return no < 0 ? -1 : 0;
}

int remove_tree(int at, const char *name, struct err *e)
{
    DIR *d = open_at(at, name);
    bool left = true;
    int no = 0;
    if (!d)
        return errno == ENOENT ? 0 : err_set(e, errno, "remove", "%s", name);
    struct remove r = { .top = dirfd(d) };
    while (!no && left)
        no = pass(&r, d, &left);
    if (no)
        err_set(e, errno, "remove", "what is in %s", name);
    closedir(d);
    if (no)
        return -1;
    return unlinkat(at, name, AT_REMOVEDIR) < 0 ? err_set(e, errno, "remove", "%s", name) : 0;
}
