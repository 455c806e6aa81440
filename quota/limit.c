#include "quota/limit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"

enum { RESERVED_INODES = 10, HOLD_MS = 10000 };

/* Not the server's, of what statfs counts as used. */
struct own { uint64_t blocks, inodes; };

static int own_folder(int root, const char *name, struct own *o, struct err *e)
{
    struct stat st;
    if (fstatat(root, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : err_set(e, errno, "stat", "%s of the disk", name);
    o->blocks += (uint64_t)st.st_blocks * 512 / EXT4_BLOCK;
    o->inodes++;
    return 0;
}

static int own_of(const struct limit_fs *f, struct own *o, struct err *e)
{
    *o = (struct own){ f->super.index + 1, RESERVED_INODES };
    if (!f->super.ours)
        return 0;
    *o = (struct own){ f->super.index + 1, RESERVED_INODES + 1 };   /* the first block of EXT4_FILES; what it grows by is the server's */
    struct own root = { 0 };
    if (own_folder(f->root, ".", &root, e) < 0 || own_folder(f->root, "lost+found", o, e) < 0 || own_folder(f->root, EXT4_HELD, o, e) < 0)
        return -1;
    o->blocks += root.blocks;
    return 0;
}

static int stat_fs(const struct limit_fs *f, struct statfs *s, struct err *e)
{
    return fstatfs(f->root, s) < 0 ? err_set(e, errno, "statfs", "%s", f->device) : 0;
}

static DIR *held_open(const struct limit_fs *f, struct err *e)
{
    CLOSE_FD int fd = openat(f->root, EXT4_HELD, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (d == NULL)
        err_set(e, errno, "open", EXT4_HELD " of the disk");
    else
        fd_steal(&fd);
    return d;
}

static uint64_t held_count(DIR *d)
{
    uint64_t n = 0;
    rewinddir(d);
    for (struct dirent *entry; (entry = readdir(d));)
        n += entry->d_name[0] != '.';
    return n;
}

static int held_less(DIR *d, uint64_t n, struct err *e)
{
    rewinddir(d);
    for (struct dirent *entry; n > 0 && (entry = readdir(d));)
        if (entry->d_name[0] != '.') {
            if (unlinkat(dirfd(d), entry->d_name, 0) < 0)
                return err_set(e, errno, "unlink", EXT4_HELD "/%s of the disk", entry->d_name);
            n--;
        }
    return 0;
}

/* Names are numbers; one that is taken was left by whoever was ended in the middle.  ENOSPC: the server has all others.  What takes too long, the
   next call goes on with. */
static int held_more(DIR *d, uint64_t from, uint64_t n, struct err *e)
{
    uint64_t end = now_ms() + HOLD_MS;
    for (char name[24]; n > 0 && (from % 256 || now_ms() < end); from++) {
        snprintf(name, sizeof name, "%" PRIx64, from);
        if (mknodat(dirfd(d), name, S_IFREG, 0) == 0)
            n--;
        else if (errno == ENOSPC)
            return 0;
        else if (errno != EEXIST)
            return err_set(e, errno, "create", EXT4_HELD "/%s of the disk", name);
    }
    return 0;
}

static int hold_inodes(const struct limit_fs *f, uint64_t *limit, struct err *e)
{
    struct own o;
    struct statfs s;
    DIR *d = f->super.ours ? held_open(f, e) : NULL;
    if ((f->super.ours && d == NULL) || own_of(f, &o, e) < 0 || stat_fs(f, &s, e) < 0) {
        if (d)
            closedir(d);
        return -1;
    }
    uint64_t all = (uint64_t)s.f_files - o.inodes, held = d ? held_count(d) : 0, want = all > *limit ? all - *limit : 0;
    int r = d == NULL ? 0 : held < want ? held_more(d, held, want - held, e) : held_less(d, held - want, e);
    *limit = all - (d ? held_count(d) : 0);
    if (d)
        closedir(d);
    return r;
}

static int reserve_open(const struct limit_fs *f, struct err *e)
{
    char path[96];
    snprintf(path, sizeof path, "/sys/fs/ext4/%s/reserved_clusters", strrchr(f->device, '/') + 1);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    return fd < 0 ? err_set(e, errno, "open", "%s", path) : fd;
}

/* A number that is there already needs no right to write it. */
static int reserve_set(const struct limit_fs *f, uint64_t blocks, struct err *e)
{
    char now[32] = "", new[32];
    CLOSE_FD int fd = reserve_open(f, e);
    if (fd < 0)
        return -1;
    if (pread(fd, now, sizeof now - 1, 0) > 0 && strtoull(now, NULL, 10) == blocks)
        return 0;
    int n = snprintf(new, sizeof new, "%" PRIu64 "\n", blocks);
    return write(fd, new, (size_t)n) == n ? 0 : err_set(e, errno, "reserve blocks", "%s of %s", new, f->device);
}

/* Blocks that nobody but the server has, were nothing reserved but what root keeps. */
static int blocks_of(const struct limit_fs *f, uint64_t *blocks, struct err *e)
{
    struct own o;
    struct statfs s;
    if (own_of(f, &o, e) < 0 || stat_fs(f, &s, e) < 0)
        return -1;
    uint64_t gone = o.blocks + f->super.reserved;
    *blocks = (uint64_t)s.f_blocks > gone ? (uint64_t)s.f_blocks - gone : 0;
    return 0;
}

static int hold_blocks(const struct limit_fs *f, uint64_t *limit, struct err *e)
{
    uint64_t all, keeps = ext4_keeps(f->super.blocks);
    if (blocks_of(f, &all, e) < 0)
        return -1;
    uint64_t most = all > keeps ? all - keeps : 0;
    if (*limit > most)
        *limit = most;
    return reserve_set(f, all - *limit, e);
}

int limit_most(const struct limit_fs *f, struct ext4_limits *most, struct err *e)
{
    uint64_t all, keeps = ext4_keeps(f->super.blocks);
    struct own o;
    struct statfs s;
    if (blocks_of(f, &all, e) < 0 || own_of(f, &o, e) < 0 || stat_fs(f, &s, e) < 0)
        return -1;
    *most = (struct ext4_limits){ all > keeps ? (all - keeps) * EXT4_BLOCK : 0, (uint64_t)s.f_files - o.inodes };
    return 0;
}

int limit_set(const struct limit_fs *f, struct ext4_limits *limits, struct err *e)
{
    uint64_t blocks = limits->bytes / EXT4_BLOCK, before = blocks;
    /* Twice: what holds inodes takes blocks, and they must be reckoned with. */
    if (hold_blocks(f, &before, e) < 0 || hold_inodes(f, &limits->inodes, e) < 0 || hold_blocks(f, &blocks, e) < 0)
        return -1;
    limits->bytes = blocks * EXT4_BLOCK;
    return 0;
}

int limit_used(const struct limit_fs *f, struct ext4_limits *used, struct err *e)
{
    struct own o;
    struct statfs s;
    DIR *d = f->super.ours ? held_open(f, e) : NULL;
    uint64_t held = d ? held_count(d) : 0;
    if (d)
        closedir(d);
    if ((f->super.ours && d == NULL) || own_of(f, &o, e) < 0 || stat_fs(f, &s, e) < 0)
        return -1;
    uint64_t blocks = (uint64_t)(s.f_blocks - s.f_bfree), inodes = (uint64_t)(s.f_files - s.f_ffree), not = o.inodes + held;
    used->bytes = blocks > o.blocks ? (blocks - o.blocks) * EXT4_BLOCK : 0;
    used->inodes = inodes > not ? inodes - not : 0;
    return 0;
}
