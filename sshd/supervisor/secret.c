#include "sshd/supervisor/secret.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"

enum { SECRET_BYTES = 32 };

static char *path_of(const struct super *s)
{
    return mem_fmt("%s/secret.key", s->folder);
}

static char *next_path_of(const struct super *s)
{
    return mem_fmt("%s/secret.key.new", s->folder);
}

static int check(int fd, const char *path, struct err *e)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return err_set(e, errno, "stat", "%s", path);
    if (!S_ISREG(st.st_mode) || st.st_uid != 0 || (st.st_mode & 0177) || st.st_nlink != 1)
        return err_set(e, EPERM, "secret key", "%s must be a file of root's with mode 0600 and one name", path);
    if (st.st_size != SECRET_BYTES)
        return err_set(e, 0, "secret key", "%s has %lld bytes, must have %d", path, (long long)st.st_size, SECRET_BYTES);
    return 0;
}

static int read_key(int fd, const char *path, uint8_t key[SECRET_BYTES], struct err *e)
{
    if (check(fd, path, e) < 0)
        return -1;
    return io_read_all(fd, key, SECRET_BYTES) == SECRET_BYTES ? 0 : err_set(e, EIO, "read", "%s", path);
}

/* A sealed memfd; the bytes are wiped. */
static int hand(uint8_t key[SECRET_BYTES], struct err *e)
{
    int fd = io_sealed("secret", key, SECRET_BYTES);
    mem_wipe(key, SECRET_BYTES);
    return fd < 0 ? err_set(e, errno, "memfd", "secret key") : fd;
}

static int fresh(const char *path, uint8_t key[SECRET_BYTES], struct err *e)
{
    return getrandom(key, SECRET_BYTES, 0) == SECRET_BYTES ? 0 : err_set(e, errno, "random bytes", "%s", path);
}

/* The file at PATH in *OUT, -1 where there is none. */
static int load(const char *path, int *out, struct err *e)
{
    uint8_t key[SECRET_BYTES];
    CLOSE_FD int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    *out = -1;
    if (fd < 0)
        return errno == ENOENT ? 0 : err_set(e, errno, "open", "%s", path);
    if (read_key(fd, path, key, e) < 0) {
        mem_wipe(key, sizeof key);
        return -1;
    }
    *out = hand(key, e);
    return *out < 0 ? -1 : 0;
}

/* Files that io_write_file had not renamed yet: "secret.key.PID.new", "secret.key.new.PID.new". */
static bool is_left_over(const char *name)
{
    static const char head[] = "secret.key.";
    if (strncmp(name, head, sizeof head - 1) != 0)
        return false;
    name += sizeof head - 1;
    if (strncmp(name, "new.", 4) == 0)
        name += 4;
    size_t digits = strspn(name, "0123456789");
    return digits > 0 && strcmp(name + digits, ".new") == 0;
}

static void sweep(const struct super *s)
{
    DIR *d = opendir(s->folder);
    for (const struct dirent *n; d && (n = readdir(d));)
        if (is_left_over(n->d_name) && unlinkat(dirfd(d), n->d_name, 0) == 0)
            log_info("secret.swept", "file=%s/%s", s->folder, n->d_name);
    if (d)
        closedir(d);
}

/* A missing one is made, and not saved yet. */
int secret_load(struct super *s, struct err *e)
{
    uint8_t key[SECRET_BYTES];
    FREE_MEM char *path = path_of(s), *next = next_path_of(s);
    sweep(s);
    if (load(path, &s->secret, e) < 0 || load(next, &s->secret_next, e) < 0)
        return -1;
    s->secret_fresh = s->secret < 0;
    if (s->secret_fresh && (fresh(path, key, e) < 0 || (s->secret = hand(key, e)) < 0))
        return -1;
    return 0;
}

static int save(struct super *s, const char *path, struct err *e)
{
    uint8_t key[SECRET_BYTES];
    int rc = pread(s->secret, key, sizeof key, 0) == sizeof key ? 0 : err_set(e, EIO, "read", "secret key");
    if (rc == 0)
        rc = io_write_file(path, 0600, key, sizeof key, e);
    mem_wipe(key, sizeof key);
    if (rc < 0)
        return -1;
    s->secret_fresh = false;
    log_info("secret.made", "file=%s", path);
    return 0;
}

static int sync_folder(const struct super *s, struct err *e)
{
    CLOSE_FD int fd = open(s->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 && fsync(fd) == 0 ? 0 : err_set(e, errno, "fsync", "%s", s->folder);
}

static void forget_next(struct super *s)
{
    close(s->secret_next);
    s->secret_next = -1;
}

/* The new key is the one: the old one is overwritten by the name. */
static int finish(struct super *s, const char *path, const char *next, struct err *e)
{
    if (rename(next, path) < 0)
        return err_set(e, errno, "rename", "%s to %s", next, path);
    /* It has replaced the old one in any case. */
    close(s->secret);
    s->secret = s->secret_next;
    s->secret_next = -1;
    s->secret_fresh = false;
    log_info("secret.rotated", "file=%s", path);
    return sync_folder(s, e);
}

static int take_back(struct super *s, const char *next, struct err *e)
{
    if (unlink(next) < 0 && errno != ENOENT)
        return err_set(e, errno, "unlink", "%s", next);
    forget_next(s);
    log_warn("secret.rotate", "file=%s why=\"the rotation did not reach the database: the old key stays\"", next);
    return sync_folder(s, e);
}

int secret_settle(struct super *s, enum store_sealed sealed, struct err *e)
{
    FREE_MEM char *path = path_of(s), *next = next_path_of(s);
    if (sealed == SEALED_SECOND)
        return s->secret_next < 0 ? err_set(e, EPROTO, "secret key", "the store says it has a new one") : finish(s, path, next, e);
    if (sealed == SEALED_FIRST) {
        if (s->secret_fresh && save(s, path, e) < 0)
            return -1;
        return s->secret_next < 0 ? 0 : take_back(s, next, e);
    }
    log_error("secret.lost", "file=%s why=\"%s: the database holds what was sealed with another key; put that one back and start again. Until then "
              "own keys neither log in nor can be shown or changed, and no code of a second factor can be checked\"", path,
              s->secret_fresh ? "it is missing" : "it is not the right one");
    return 0;
}

int secret_make_next(struct super *s, struct err *e)
{
    uint8_t key[SECRET_BYTES];
    FREE_MEM char *next = next_path_of(s);
    if (s->secret_next >= 0)
        return 0;
    int rc = fresh(next, key, e);
    if (rc == 0)
        rc = io_write_file(next, 0600, key, sizeof key, e);
    s->secret_next = rc == 0 ? hand(key, e) : -1;
    mem_wipe(key, sizeof key);
    if (rc == 0 && s->secret_next < 0)
        unlink(next);
    return s->secret_next < 0 ? -1 : 0;
}
