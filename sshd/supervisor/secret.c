#include "sshd/supervisor/secret.h"

#include <errno.h>
#include <fcntl.h>
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

/* One that is missing is made in KEY, and not saved yet. */
static int get(struct super *s, const char *path, uint8_t key[SECRET_BYTES], struct err *e)
{
    CLOSE_FD int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    s->secret_fresh = fd < 0 && errno == ENOENT;
    if (s->secret_fresh)
        return getrandom(key, SECRET_BYTES, 0) == SECRET_BYTES ? 0 : err_set(e, errno, "random bytes", "%s", path);
    if (fd < 0)
        return err_set(e, errno, "open", "%s", path);
    if (check(fd, path, e) < 0)
        return -1;
    return io_read_all(fd, key, SECRET_BYTES) == SECRET_BYTES ? 0 : err_set(e, EIO, "read", "%s", path);
}

int secret_load(struct super *s, struct err *e)
{
    uint8_t key[SECRET_BYTES];
    FREE_MEM char *path = path_of(s);
    int rc = get(s, path, key, e);
    if (rc == 0) {
        s->secret = io_sealed("secret", key, sizeof key);
        if (s->secret < 0)
            rc = err_set(e, errno, "memfd", "secret key");
    }
    mem_wipe(key, sizeof key);
    return rc;
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

int secret_settle(struct super *s, bool used, struct err *e)
{
    FREE_MEM char *path = path_of(s);
    if (used)
        return s->secret_fresh ? save(s, path, e) : 0;
    log_error("secret.lost", "file=%s why=\"%s: the database holds what was sealed with another key; put that one back and start again. Until then "
              "own keys log in but cannot be shown or changed, and no code of a second factor can be checked\"", path, s->secret_fresh ? "it is missing" : "it is not the right one");
    return 0;
}
