#include "quota/erase.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"

struct erase {
    int top;
    uint64_t next;      /* the name that the next folder gets at the top */
    bool left;          /* this pass found something */
    bool done;          /* and got something done */
    int full;           /* and this is why not all of it */
};

static DIR *folder_open(int folder, const char *name)
{
    struct open_how how = { .flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
                            .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV };
    CLOSE_FD int fd = (int)syscall(SYS_openat2, folder, name, &how, sizeof how);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (d)
        fd_steal(&fd);
    return d;
}

/* The next but "." and "..": NULL at the end, or with errno. */
static const char *next_name(DIR *d)
{
    errno = 0;
    for (struct dirent *one; (one = readdir(d));)
        if (strcmp(one->d_name, ".") != 0 && strcmp(one->d_name, "..") != 0)
            return one->d_name;
    return NULL;
}

bool erase_empty(int fd)
{
    DIR *d = folder_open(fd, ".");
    if (d == NULL)
        return false;
    bool empty = next_name(d) == NULL && errno == 0;
    closedir(d);
    return empty;
}

/* Deletes NAME unless it is a folder with something in it: 1 when it is. */
static int remove_one(struct erase *x, int folder, const char *name)
{
    if (unlinkat(folder, name, 0) < 0 && errno != ENOENT && (errno != EISDIR || (unlinkat(folder, name, AT_REMOVEDIR) < 0 && errno != ENOENT)))
        return errno == ENOTEMPTY || errno == EEXIST ? 1 : -1;
    x->done = true;
    return 0;
}

/* Without a free block the name cannot be written; what else goes may free one. */
static int move_up(struct erase *x, int folder, const char *name)
{
    char number[24];
    for (;;) {
        snprintf(number, sizeof number, "%" PRIu64, x->next++);
        if (io_rename_new(folder, name, x->top, number) == 0) {
            x->done = true;
            return 0;
        }
        if (errno != EEXIST)
            break;
    }
    if (errno == ENOSPC || errno == EDQUOT)
        x->full = errno;
    return errno == x->full || errno == ENOENT ? 0 : -1;
}

static int flatten(struct erase *x, const char *name, struct err *e)
{
    DIR *d = folder_open(x->top, name);
    if (d == NULL)
        /* Something else by now: the next pass sees what. */
        return errno == ENOENT || errno == ENOTDIR || errno == ELOOP ? 0 : err_set(e, errno, "open", "%s", esc(name));
    int r = 0;
    for (const char *one; r == 0 && (one = next_name(d));) {
        r = remove_one(x, dirfd(d), one);
        if (r > 0)
            r = move_up(x, dirfd(d), one);
        if (r < 0)
            err_set(e, errno, "remove", "%s", esc(one));
    }
    closedir(d);
    return r;
}

/* One reading of the top.  Folders that are moved there meanwhile may be seen or not: then there is another one. */
static int pass(struct erase *x, DIR *top, struct err *e)
{
    x->left = x->done = false;
    x->full = 0;
    rewinddir(top);
    for (const char *one; (one = next_name(top));) {
        x->left = true;
        int r = remove_one(x, x->top, one);
        if (r < 0)
            return err_set(e, errno, "remove", "%s", esc(one));
        if (r > 0 && flatten(x, one, e) < 0)
            return -1;
        if (r > 0 && remove_one(x, x->top, one) < 0)
            return err_set(e, errno, "remove", "%s", esc(one));
    }
    return !x->done && x->full ? err_set(e, x->full, "remove", "no block is free to move a folder") : 0;
}

static int make_empty(int folder, const char *name, struct err *e)
{
    DIR *top = folder_open(folder, name);
    if (top == NULL)
        return err_set(e, errno, "open", "%s", esc(name));
    struct erase x = { .top = dirfd(top), .left = true };
    int r = 0;
    while (r == 0 && x.left)
        r = pass(&x, top, e);
    closedir(top);
    return r;
}

int erase_tree(int folder, const char *name, struct err *e)
{
    struct erase x = { .top = -1 };
    int r = remove_one(&x, folder, name);
    if (r > 0 && make_empty(folder, name, e) < 0)
        return -1;
    if (r > 0)
        r = remove_one(&x, folder, name);
    return r == 0 ? 0 : err_set(e, errno, "remove", "%s", esc(name));
}
