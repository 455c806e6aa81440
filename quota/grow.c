#include "quota/grow.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "quota/e2fs.h"
#include "quota/loopdev.h"

#define EXT4_IOC_RESIZE_FS _IOW('f', 16, uint64_t)

enum { TRIES = 4, STEPS = 64, GROW_MS = 20000, MiB = 1 << 20 };

/* Blocks for so many more blocks and inodes of users, their groups' tables with them. */
static uint64_t more(const struct ext4_super *s, uint64_t blocks, uint64_t inodes)
{
    uint64_t a_group = s->group_blocks - s->tables, groups = (blocks + a_group - 1) / a_group;
    uint64_t by_inodes = (inodes + s->group_inodes - 1) / s->group_inodes;
    if (by_inodes > groups || inodes > 0) {
        uint64_t first = s->groups * s->group_blocks - s->blocks;   /* the last group is there already, in part */
        uint64_t whole = first + by_inodes * s->group_blocks, plain = blocks + groups * s->tables + ext4_spare(inodes);
        return whole > plain ? whole : plain;
    }
    return blocks + groups * s->tables;
}

static uint64_t past(uint64_t wanted, uint64_t most)
{
    return wanted > most ? wanted - most : 0;
}

/* Groups come with inodes and blocks that are above LIMITS until they are held, and somebody may write: few at a time, so that neither the moment
   between nor a death in it gives away more than those. */
static int grow_steps(struct limit_fs *f, uint64_t blocks, const struct ext4_limits *limits, struct err *e)
{
    const uint64_t groups = blocks / f->super.group_blocks - f->super.blocks / f->super.group_blocks;
    const uint64_t step = (1 + groups / STEPS) * f->super.group_blocks, end = now_ms() + GROW_MS;
    for (uint64_t at = f->super.blocks; at < blocks;) {
        struct ext4_limits held = *limits;
        at = at / step * step + step;
        at = at < blocks ? at : blocks;
        if (ioctl(f->root, EXT4_IOC_RESIZE_FS, &at) < 0)
            return err_set(e, errno, "grow", "%s to %" PRIu64 " blocks", f->device, at);
        if (limit_set(f, &held, e) < 0)
            return -1;
        if (at < blocks && now_ms() > end)
            return err_set(e, ETIMEDOUT, "grow", "%s: its inodes take too long to hold, ask again for the rest", f->device);
    }
    return 0;
}

/* The kernel may leave a last group out that is too short: then it is asked for a little more. */
static int grow_to(struct limit_fs *f, int image, uint64_t blocks, const struct ext4_limits *limits, struct err *e)
{
    if (ftruncate(image, (off_t)(blocks * EXT4_BLOCK)) < 0)
        return err_set(e, errno, "size image", "%" PRIu64 " blocks", blocks);
    if (loopdev_resized(f->device, e) < 0)
        return -1;
    struct err other;
    int r = grow_steps(f, blocks, limits, e);
    if (syncfs(f->root) < 0)
        return r < 0 ? -1 : err_set(e, errno, "syncfs", "%s", f->device);
    return ext4_super(image, &f->super, r < 0 ? &other : e) < 0 ? -1 : r;
}

bool grow_can(void)
{
    return prctl(PR_CAPBSET_READ, CAP_SYS_RESOURCE) == 1;
}

int grow_mounted(struct limit_fs *f, int image, const struct ext4_limits *limits, struct err *e)
{
    if (!grow_can())
        return err_set(e, EPERM, "grow", "%s: only when it is mounted anew, since CAP_SYS_RESOURCE is missing here", f->device);
    struct ext4_limits most;
    const uint64_t before = f->super.blocks;
    int r = 0;
    for (uint64_t try = 0; try < TRIES; try++) {
        if (limit_most(f, &most, e) < 0)
            return -1;
        uint64_t blocks = past(limits->bytes, most.bytes) / EXT4_BLOCK, inodes = past(limits->inodes, most.inodes);
        if (blocks == 0 && inodes == 0)
            break;
        uint64_t to = f->super.blocks + more(&f->super, blocks, inodes) + 256 * try;
        if (to > f->super.growth)
            return err_set(e, EFBIG, "grow", "%s: at most to %" PRIu64 " MiB in place", f->device, f->super.growth / (MiB / EXT4_BLOCK));
        r = grow_to(f, image, to, limits, e);
        if (r < 0)
            break;
    }
    if (f->super.blocks > before) {
        log_info("disk grown", "device=%s blocks=%" PRIu64 " before=%" PRIu64, f->device, f->super.blocks, before);
        return r;
    }
    struct err other;
    if (ftruncate(image, (off_t)(before * EXT4_BLOCK)) == 0)
        loopdev_resized(f->device, &other);
    return -1;
}

static int copy_data(int from, int to, off_t size, struct err *e)
{
    for (off_t at = 0, end; (at = lseek(from, at, SEEK_DATA)) >= 0 && at < size; at = end) {
        end = lseek(from, at, SEEK_HOLE);
        for (off_t in = at, out = at; in < end;)
            if (copy_file_range(from, &in, to, &out, (size_t)(end - in), 0) <= 0)
                return err_set(e, errno, "copy image", "at %lld", (long long)in);
    }
    return 0;
}

/* 1, 0 when it would cost too much, -1 with E. */
static int copy_image(int from, int to, const struct stat *st, struct err *e)
{
    struct statvfs host;
    uint64_t bytes = (uint64_t)st->st_blocks * 512;
    if (ftruncate(to, st->st_size) < 0)
        return err_set(e, errno, "size image", "copy");
    if (ioctl(to, FICLONE, from) == 0)
        return 1;
    if (bytes > GROW_COPY || fstatvfs(to, &host) < 0 || (uint64_t)host.f_bavail * host.f_frsize < 4 * bytes + GROW_COPY)
        return 0;
    return copy_data(from, to, st->st_size, e) < 0 ? -1 : 1;
}

static int resize2fs(int fd, uint64_t blocks, struct err *e)
{
    char size[24], told[512];
    struct ext4_super s;
    snprintf(size, sizeof size, "%" PRIu64, blocks);
    char *const argv[] = { (char[]){ "resize2fs" }, (char[]){ "-f" }, E2FS_IMAGE, size, NULL };
    if (ext4_repair(fd, e) < 0 || ext4_super(fd, &s, e) < 0)
        return -1;
    if (blocks > s.blocks && ftruncate(fd, (off_t)(blocks * EXT4_BLOCK)) < 0)
        return err_set(e, errno, "size image", "%" PRIu64 " blocks", blocks);
    int code = e2fs_run(fd, argv, told, sizeof told, e);
    if (code)
        return code < 0 ? -1 : err_set(e, EIO, "resize2fs", "exit %d: %s", code, told);
    if (ext4_repair(fd, e) < 0 || ext4_super(fd, &s, e) < 0)
        return -1;
    return ftruncate(fd, (off_t)(s.blocks * EXT4_BLOCK)) < 0 ? err_set(e, errno, "size image", "copy") : 0;
}

static int take_name(const struct place *p, int fd, const char *file, struct err *e)
{
    char self[32], new[128];
    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    snprintf(new, sizeof new, "%s.resized", file);
    if (unlinkat(p->servers, new, 0) < 0 && errno != ENOENT)
        return err_set(e, errno, "unlink", "servers/%s", new);
    if (fsync(fd) < 0 || linkat(AT_FDCWD, self, p->servers, new, AT_SYMLINK_FOLLOW) < 0 ||
        renameat(p->servers, new, p->servers, file) < 0 || fsync(p->servers) < 0)
        return err_set(e, errno, "store", "servers/%s", file);
    return 0;
}

/* The blocks LIMITS want. */
static uint64_t wanted(const struct ext4_super *s, const struct ext4_limits *limits)
{
    uint64_t kept = s->overhead + s->index + EXT4_OWN_BLOCKS + s->reserved + ext4_keeps(s->blocks), users = limits->bytes / EXT4_BLOCK;
    uint64_t now = kept < s->blocks ? s->blocks - kept : 0, lacking = past(limits->inodes + EXT4_OWN_INODES, s->inodes);
    bool inodes = lacking >= 2 * s->groups * EXT4_INODES_STEP;
    /* What the kernel keeps grows with it. */
    uint64_t extra = past(users, now), keeps = extra / 40 < 4096 ? extra / 40 : 4096;
    if (extra || inodes)
        return s->blocks + more(s, extra + keeps + ext4_spare(s->inodes) + 64, inodes ? lacking : 0);
    /* Not below the groups that the inodes need: those wanted, and those in use, with what is in EXT4_HELD. */
    uint64_t need = limits->inodes + EXT4_OWN_INODES > s->used_inodes ? limits->inodes + EXT4_OWN_INODES : s->used_inodes;
    uint64_t least = (need / s->group_inodes + 2) * s->group_blocks, less = past(now - users, ext4_spare(s->inodes) + 64);
    return s->blocks - less > least ? s->blocks - less : least < s->blocks ? least : s->blocks;
}

/* Larger, where that cannot be done while it is mounted; smaller not for little: an eighth, and 64 MiB. */
static bool worth(const struct ext4_super *s, uint64_t to)
{
    return to > s->blocks ? !grow_can() : (s->blocks - to > s->blocks / 8 && s->blocks - to > 64 * MiB / EXT4_BLOCK);
}

int grow_unmounted(const struct place *p, const char *file, int *image, const struct ext4_limits *limits, struct err *e)
{
    struct ext4_super s;
    struct stat st;
    if (ext4_super(*image, &s, e) < 0 || fstat(*image, &st) < 0)
        return -1;
    uint64_t to = wanted(&s, limits);
    if (!worth(&s, to))
        return 0;
    CLOSE_FD int copy = openat(p->servers, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    int is = copy < 0 ? err_set(e, errno, "create", "servers/%s", file) : copy_image(*image, copy, &st, e);
    if (is == 0)
        log_info("disk keeps its size: a copy would cost too much", "image=%s blocks=%" PRIu64 " wanted=%" PRIu64, file, s.blocks, to);
    if (is <= 0)
        return is;
    if (resize2fs(copy, to, e) < 0 || take_name(p, copy, file, e) < 0)
        return -1;
    log_info("disk resized", "image=%s blocks=%" PRIu64 " before=%" PRIu64, file, to, s.blocks);
    close(*image);
    *image = openat(p->servers, file, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    return *image < 0 ? err_set(e, errno, "open", "servers/%s", file) : 1;
}
