#include "store/stored/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "base/io.h"
#include "base/mem.h"
#include "store/stored/secret.h"

static int check(const struct stat *st, mode_t type, const char *what, mode_t mode, const char *name, struct err *e)
{
    if ((st->st_mode & S_IFMT) != type)
        return err_set(e, 0, name, "is not %s", what);
    if (st->st_uid != geteuid())
        return err_set(e, 0, name, "belongs to uid %u, must belong to %u", st->st_uid, geteuid());
    if ((st->st_mode & 07777) != mode)
        return err_set(e, 0, name, "has mode %04o, must have %04o", st->st_mode & 07777, mode);
    return 0;
}

int folder_check(int folder, const char *path, const char *name, struct err *e)
{
    struct stat st;
    char whole[PATH_MAX];
    snprintf(whole, sizeof whole, "%s/%s", path, name);
    if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : err_set(e, errno, "stat", "%s", whole);
    if (check(&st, S_IFREG, "a plain file", 0600, whole, e) < 0)
        return -1;
    return st.st_nlink == 1 ? 0 : err_set(e, 0, whole, "has %lu names, must have one", (unsigned long)st.st_nlink);
}

int folder_open(const char *path, struct err *e)
{
    static const char *const files[] = { "store.db", "store.db-wal", "store.db-shm", "hash.key" };
    if (path[0] != '/' || strlen(path) > PATH_MAX - 32)
        return err_set(e, 0, "folder", "'%s' is no absolute path, or too long", path);
    CLOSE_FD int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return err_set(e, errno, "open", "%s", path);
    struct stat st;
    if (fstat(fd, &st) < 0)
        return err_set(e, errno, "stat", "%s", path);
    if (check(&st, S_IFDIR, "a folder", 0700, path, e) < 0)
        return -1;
    for (size_t i = 0; i < countof(files); i++)
        if (folder_check(fd, path, files[i], e) < 0)
            return -1;
    return fd_steal(&fd);
}

static int make_key(const char *file, int folder, struct err *e)
{
    uint8_t fresh[HASH_KEY];
    /* A new key would leave every hash in the database without a match. */
    if (faccessat(folder, "store.db", F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return err_set(e, ENOENT, file, "the database beside it was made with it, restore it");
    randombytes_buf(fresh, sizeof fresh);
    int r = io_write_file(file, 0600, fresh, sizeof fresh, e);
    mem_wipe(fresh, sizeof fresh);
    return r;
}

const uint8_t *folder_hash_key(const char *path, int folder, struct err *e)
{
    static _Alignas(4096) uint8_t page[4096];
    char file[PATH_MAX];
    snprintf(file, sizeof file, "%s/hash.key", path);
    secret_hold(page, sizeof page);
    if (faccessat(folder, "hash.key", F_OK, AT_SYMLINK_NOFOLLOW) < 0 && make_key(file, folder, e) < 0)
        return NULL;
    CLOSE_FD int fd = openat(folder, "hash.key", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        err_set(e, errno, "open", "%s", file);
        return NULL;
    }
    ssize_t n = io_read_all(fd, page, HASH_KEY + 1);
    if (n != HASH_KEY) {
        err_set(e, n < 0 ? errno : 0, file, "must hold %d bytes", HASH_KEY);
        return NULL;
    }
    return page;
}
