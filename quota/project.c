#include "quota/project.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "quota/erase.h"
#include "quota/place.h"
#include "quota/prjquota.h"
#include "quota/tree.h"

enum { SETTLE_MS = 10000, KIB = 1024 };

/* Below STATE/servers: the guard, its name while it is made or deleted, and what is mounted of it. */
struct names { char guard[NAME_MOST + 16], part[NAME_MOST + 24], files[NAME_MOST + 24]; };

static struct names names_of(const struct place *p)
{
    struct names n;
    snprintf(n.guard, sizeof n.guard, "%s.project", p->folder);
    snprintf(n.part, sizeof n.part, ".%s.project.part", p->folder);
    snprintf(n.files, sizeof n.files, "%s.project/files", p->folder);
    return n;
}

int project_id(const struct disk *d, uint32_t *id, struct err *e)
{
    if (d->project == 0 || d->project > PROJECT_MOST)
        return err_set(e, EINVAL, "project quota", "server number %" PRIu32 " has no project number; allowed: 1 to %d", d->project, PROJECT_MOST);
    *id = PROJECT_BASE + d->project;
    return 0;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

void project_limits(struct disk *d, uint64_t blocks, uint64_t size, uint64_t inodes)
{
    uint64_t unit = size < KIB ? KIB : size;
    d->bytes = least(d->bytes, blocks > 0 ? (blocks - 1) * size : 0) / unit * unit;
    d->inodes = least(d->inodes, inodes > 0 ? inodes - 1 : 0);
}

/* 0 would be no limit at all. */
static int limits_set(const struct place *p, struct disk *d, uint32_t id, struct err *e)
{
    struct statfs f;
    uint64_t bytes = d->bytes, inodes = d->inodes;
    if (fstatfs(p->servers, &f) < 0)
        return err_set(e, errno, "statfs", "servers");
    project_limits(d, (uint64_t)f.f_blocks, (uint64_t)f.f_bsize, (uint64_t)f.f_files);
    if (d->bytes == 0 || d->inodes == 0)
        return err_set(e, EINVAL, "project quota", "a limit of %" PRIu64 " bytes and %" PRIu64 " inodes; at least one block of %" PRIu64 " and one inode", bytes,
                       inodes, (uint64_t)f.f_bsize);
    if (bytes - d->bytes >= (uint64_t)f.f_bsize || inodes != d->inodes)
        log_warn("disk limit is above what the file system has", "server=%s bytes=%" PRIu64 " inodes=%" PRIu64 " configured_bytes=%" PRIu64 " configured_inodes=%" PRIu64,
                 d->name, d->bytes, d->inodes, bytes, inodes);
    return prjquota_set(p->servers, id, d->bytes, d->inodes, e);
}

static int files_open(const struct place *p)
{
    struct names n = names_of(p);
    struct open_how how = { .flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
                            .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV };
    return (int)syscall(SYS_openat2, p->servers, n.files, &how, sizeof how);
}

/* XFS deletes behind the back of who asked it to: what is not counted away yet is not somebody else's. */
static int unused(const struct place *p, uint32_t id, struct err *e)
{
    struct prjquota q;
    for (uint64_t end = now_ms() + SETTLE_MS;; nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL)) {
        if (prjquota_get(p->servers, id, &q, e) < 0)
            return -1;
        if (q.used == 0 && q.used_inodes == 0)
            return 0;
        if (now_ms() > end)
            return err_set(e, EEXIST, "project quota", "project %" PRIu32 " has %" PRIu64 " inodes and %" PRIu64 " bytes that are not a server's of ours; give those "
                           "files another number (chattr -p) or remove them", id, q.used_inodes, q.used);
    }
}

static int build(int part, uint32_t id, struct err *e)
{
    if (mkdirat(part, "files", 0700) < 0)
        return err_set(e, errno, "mkdir", "files");
    CLOSE_FD int fd = openat(part, "files", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return err_set(e, errno, "open", "files");
    if (prjquota_mark(fd, id, e) < 0)
        return -1;
    if (fchown(fd, DISK_UID, DISK_UID) < 0 || fchmod(fd, 0750) < 0 || fsync(fd) < 0 || fsync(part) < 0)
        return err_set(e, errno, "make", "files");
    return 0;
}

/* It gets its name when it is whole.  What one that died has left counts for the number, too, and goes first. */
static int make(const struct place *p, uint32_t id, struct err *e)
{
    struct names n = names_of(p);
    if (erase_tree(p->servers, n.part, e) < 0 || unused(p, id, e) < 0)
        return -1;
    if (mkdirat(p->servers, n.part, 0700) < 0)
        return err_set(e, errno, "mkdir", "servers/%s", n.part);
    CLOSE_FD int part = openat(p->servers, n.part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (part < 0)
        return err_set(e, errno, "open", "servers/%s", n.part);
    if (build(part, id, e) < 0)
        return -1;
    if (syscall(SYS_renameat2, p->servers, n.part, p->servers, n.guard, RENAME_NOREPLACE) < 0 || fsync(p->servers) < 0)
        return err_set(e, errno, "store", "servers/%s", n.guard);
    log_info("disk made", "server=%s project=%" PRIu32, p->folder, id);
    return 0;
}

/* A number that was changed from outside cannot be put right for files that exist: they are counted where they are. */
static int marked(const struct place *p, int files, uint32_t id, struct err *e)
{
    uint32_t has;
    bool inherited;
    if (prjquota_mark_of(files, &has, &inherited, e) < 0)
        return -1;
    if (has == id && inherited)
        return 0;
    if (!erase_empty(files))
        return err_set(e, EUCLEAN, "project quota", "servers/%s.project/files has project %" PRIu32 "%s, not %" PRIu32 ", and is not empty: while nothing runs, "
                       "'chattr -R -p %" PRIu32 " +P' it", p->folder, has, inherited ? "" : " and does not give it on", id, id);
    log_warn("empty disk had another project number", "server=%s project=%" PRIu32 " had=%" PRIu32, p->folder, id, has);
    return prjquota_mark(files, id, e);
}

/* The files' folder, with its number; made when it is not there. */
static int files_need(const struct place *p, uint32_t id, struct err *e)
{
    CLOSE_FD int fd = files_open(p);
    if (fd < 0 && errno == ENOENT && make(p, id, e) < 0)
        return -1;
    if (fd < 0)
        fd = files_open(p);
    if (fd < 0)
        return err_set(e, errno, "open", "servers/%s.project/files", p->folder);
    struct names n = names_of(p);
    CLOSE_FD int guard = place_guard(p, n.guard, e);
    return guard < 0 || marked(p, fd, id, e) < 0 ? -1 : fd_steal(&fd);
}

/* What is mounted: 1 our folder (mount MOUNT), 0 nothing, -1 with E: also something else. */
static int ours(const struct place *p, uint64_t *mount, struct err *e)
{
    CLOSE_FD int fd = files_open(p);
    return place_shows(p, fd, mount, e);
}

bool project_delays(const char *mountinfo, uint64_t mount)
{
    char id[32];
    int n = snprintf(id, sizeof id, "%" PRIu64 " ", mount);
    for (const char *line = mountinfo; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        const char *rest = strncmp(line, id, (size_t)n) == 0 ? strstr(line, " - ") : NULL;
        const char *end = line + strcspn(line, "\n");
        if (rest == NULL || rest > end)
            continue;
        /* Type, source, options of the file system. */
        for (int i = 0; i < 3 && rest && rest < end; i++)
            rest = strchr(rest + 1, ' ');
        FREE_MEM char *options = rest && rest < end ? mem_fmt(",%.*s,", (int)(end - rest - 1), rest + 1) : NULL;
        return options == NULL || strstr(options, ",nodelalloc,") == NULL;
    }
    return true;
}

/* What maps a file's pieces is charged but not refused when the pieces get their place after they were accepted: many files of few pieces end a
   fifth above the limit. */
static int at_once(const struct place *p, struct err *e)
{
    struct statfs f;
    struct statx x;
    if (fstatfs(p->servers, &f) < 0 || statx(p->servers, "", AT_EMPTY_PATH, STATX_MNT_ID, &x) < 0)
        return err_set(e, errno, "statfs", "servers");
    if ((uint64_t)f.f_type != EXT4_SUPER_MAGIC)
        return 0;
    FREE_MEM char *text = io_read_file("/proc/self/mountinfo", 4 << 20, NULL, e);
    if (text == NULL)
        return -1;
    return project_delays(text, x.stx_mnt_id) ? err_set(e, 0, "project quota", "ext4 lets a server pass its limit where it finds a place for data late: mount it with "
                                                        "nodelalloc, too") : 0;
}

static int fit(const struct place *p, const struct disk *d UNUSED, struct err *e)
{
    return prjquota_on(p->servers, e) < 0 ? -1 : at_once(p, e);
}

static int use_of(const struct place *p, struct disk *d, uint32_t id, struct err *e)
{
    struct prjquota q;
    if (prjquota_get(p->servers, id, &q, e) < 0)
        return -1;
    d->used = q.used;
    d->used_inodes = q.used_inodes;
    return 0;
}

static int use(const struct place *p, struct disk *d, struct err *e)
{
    uint32_t id;
    return project_id(d, &id, e) < 0 ? -1 : use_of(p, d, id, e);
}

static int resize(const struct place *p, struct disk *d, struct err *e)
{
    uint32_t id;
    return project_id(d, &id, e) < 0 || fit(p, d, e) < 0 || limits_set(p, d, id, e) < 0 ? -1 : use_of(p, d, id, e);
}

static int mount_files(const struct place *p, const struct disk *d, int files, struct err *e)
{
    CLOSE_FD int tree = tree_of(files, e);
    return tree < 0 || tree_own(d->name, tree, d->owner, e) < 0 ? -1 : place_attach(p, tree, e);
}

/* Limits first: nobody writes before them. */
static int prepare(const struct place *p, struct disk *d, struct err *e)
{
    uint32_t id;
    if (project_id(d, &id, e) < 0 || fit(p, d, e) < 0)
        return -1;
    CLOSE_FD int files = files_need(p, id, e);
    return files < 0 || limits_set(p, d, id, e) < 0 || use_of(p, d, id, e) < 0 ? -1 : fd_steal(&files);
}

static int up(const struct place *p, struct disk *d, struct err *e)
{
    uint64_t mount = 0;
    int is = ours(p, &mount, e);
    if (is < 0)
        return -1;
    CLOSE_FD int files = prepare(p, d, e);
    if (files >= 0 && is && place_shown_for(p, d->owner))
        return 0;
    if (files >= 0 && is)
        log_warn("disk is mounted for another owner, mounting it anew", "server=%s owner=%u", d->name, (unsigned)d->owner);
    struct err second = { 0 };
    if (is && place_unmount(p, mount, &second) < 0)
        return files < 0 ? -1 : (*e = second, -1);
    return files < 0 ? -1 : mount_files(p, d, files, e);
}

static int down(const struct place *p, const struct disk *d UNUSED, struct err *e)
{
    uint64_t mount = 0;
    int is = ours(p, &mount, e);
    return is <= 0 ? is : place_unmount(p, mount, e);
}

static bool has(const struct place *p)
{
    struct names n = names_of(p);
    return faccessat(p->servers, n.guard, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* No bytes are held back, so that folders can be moved; and no inode is to be had by whoever has a descriptor still. */
static int drop(const struct place *p, const struct disk *d, struct err *e)
{
    struct names n = names_of(p);
    uint64_t mount;
    dev_t dev;
    uint32_t id;
    int is = place_mounted(p, &mount, &dev, e);
    if (is != 0)
        return is < 0 ? -1 : err_set(e, EBUSY, "drop", "servers/%s is mounted", p->folder);
    if (project_id(d, &id, e) < 0 || prjquota_set(p->servers, id, 0, 1, e) < 0 || erase_tree(p->servers, n.part, e) < 0)
        return -1;
    if (syscall(SYS_renameat2, p->servers, n.guard, p->servers, n.part, RENAME_NOREPLACE) < 0 && errno != ENOENT)
        return err_set(e, errno, "rename", "servers/%s", n.guard);
    return erase_tree(p->servers, n.part, e) < 0 ? -1 : prjquota_set(p->servers, id, 0, 0, e);
}

/* The number stays: it is the server's, whatever its folder is called. */
static int move(const struct place *from, const struct place *to, struct err *e)
{
    struct names a = names_of(from), b = names_of(to);
    if (syscall(SYS_renameat2, from->servers, a.guard, to->servers, b.guard, RENAME_NOREPLACE) < 0 && (errno != ENOENT || !has(to)))
        return err_set(e, errno, "rename", "servers/%s", a.guard);
    return fsync(to->servers) < 0 ? err_set(e, errno, "fsync", "servers") : 0;
}

const struct backend backend_project = {
    .word = "project", .count = DISK_COUNT_STATFS, .fit = fit, .has = has, .up = up, .resize = resize, .down = down, .use = use, .drop = drop, .move = move,
};
