/* The end of a tree, from the top down by descriptors alone. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "store/archive/tree.h"

/* FD is closed. */
static int empty(int fd, struct err *e);

static int enter(int folder, const char *name, struct err *e)
{
    int fd = tree_open(folder, name, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return err_set(e, errno, "open", "%s", esc(name));
    if (empty(fd, e) < 0)
        return -1;
    return unlinkat(folder, name, AT_REMOVEDIR) < 0 ? err_set(e, errno, "rmdir", "%s", esc(name)) : 0;
}

/* *FOUND: there was something, and a folder that is changed while it is read may not have told all of it. */
static int pass(DIR *d, bool *found, struct err *e)
{
    *found = false;
    rewinddir(d);
    for (struct dirent *one; (one = readdir(d));) {
        if (strcmp(one->d_name, ".") == 0 || strcmp(one->d_name, "..") == 0)
            continue;
        *found = true;
        if (unlinkat(dirfd(d), one->d_name, 0) == 0)
            continue;
        if (errno != EISDIR)
            return err_set(e, errno, "unlink", "%s", esc(one->d_name));
        if (enter(dirfd(d), one->d_name, e) < 0)
            return -1;
    }
    return 0;
}

static int empty(int fd, struct err *e)
{
    DIR *d = fdopendir(fd);
    if (d == NULL) {
        close(fd);
        return err_set(e, errno, "read", "a folder");
    }
    bool found = true;
    int r = 0;
    while (found && r == 0)
        r = pass(d, &found, e);
    closedir(d);
    return r;
}

int tree_empty(int root, struct err *e)
{
    int fd = tree_open(root, ".", O_RDONLY | O_DIRECTORY, 0);
    return fd < 0 ? err_set(e, errno, "open", "the tree") : empty(fd, e);
}
