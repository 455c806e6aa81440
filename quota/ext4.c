#include "quota/ext4.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/close_range.h>

#include "base/io.h"
#include "base/mem.h"

enum {
    GROUP_BLOCKS = 8 * EXT4_BLOCK,
    INODE_SIZE = 256,
    INODES_STEP = EXT4_BLOCK / INODE_SIZE,   /* per group: whole blocks of the table */
    INODES_KEPT = 10,                        /* below the first that users get; lost+found's is given back */
    ROOT_BLOCKS = 1,
    BYTES_PER_INODE = 1024,                  /* at least: above that the tables, which no limit counts, outgrow the disk */
    JOURNAL_SMALL = 4, JOURNAL_BIG = 16,     /* MiB */
    TRIES = 24,
};

/* `index`: blocks of the journal's extent tree, which `overhead` leaves out. */
struct super { uint64_t blocks, reserved, overhead, index, groups; uint32_t inodes; };

static uint32_t le32_at(const uint8_t *raw, size_t at)
{
    uint32_t v;
    memcpy(&v, raw + at, sizeof v);
    return le32toh(v);
}

/* A journal in many pieces has a block that lists them; the superblock holds a copy of its inode's extent root. */
static uint64_t journal_index(const uint8_t *raw)
{
    enum { COPY = 0x10c, MAGIC = 0xf30a };
    uint32_t root = le32_at(raw, COPY), depth = le32_at(raw, COPY + 4) >> 16;
    return (root & 0xffff) == MAGIC && depth > 0 ? root >> 16 : 0;
}

static int super_read(int fd, struct super *s, struct err *e)
{
    uint8_t raw[1024];
    if (pread(fd, raw, sizeof raw, 1024) != (ssize_t)sizeof raw || raw[0x38] != 0x53 || raw[0x39] != 0xef)
        return err_set(e, EUCLEAN, "read superblock", "no ext4 file system");
    if (le32_at(raw, 0x18) != 2)
        return err_set(e, EUCLEAN, "read superblock", "blocks are not of %d bytes", EXT4_BLOCK);
    *s = (struct super){
        .inodes = le32_at(raw, 0),
        .blocks = le32_at(raw, 4) | (uint64_t)le32_at(raw, 0x150) << 32,
        .reserved = le32_at(raw, 8) | (uint64_t)le32_at(raw, 0x154) << 32,
        .overhead = le32_at(raw, 0x248),
        .index = journal_index(raw),
    };
    uint32_t a_group = le32_at(raw, 0x20);
    s->groups = a_group ? (s->blocks + a_group - 1) / a_group : 1;
    return 0;
}

/* What the kernel keeps back for itself at each mount: 2 %, at most 4096 blocks. */
static uint64_t kernel_keeps(uint64_t blocks)
{
    return blocks / 50 < 4096 ? blocks / 50 : 4096;
}

/* A group's bitmaps are of one block each: for more inodes than that mke2fs makes smaller groups. */
static uint64_t groups_of(uint64_t blocks, uint64_t inodes)
{
    uint64_t by_blocks = (blocks + GROUP_BLOCKS - 1) / GROUP_BLOCKS, by_inodes = (inodes + GROUP_BLOCKS - 1) / GROUP_BLOCKS;
    return by_blocks > by_inodes ? by_blocks : by_inodes;
}

/* mke2fs spreads inodes evenly over the groups, in whole blocks: the most of those that stay within the limit, or one
   block's in each group when the limit is below that. */
static uint64_t inodes_for(uint64_t blocks, uint64_t limit)
{
    uint64_t step = groups_of(blocks, limit + INODES_KEPT) * INODES_STEP;
    return limit + INODES_KEPT < step ? step : (limit + INODES_KEPT) / step * step;
}

/* Blocks that no user of the empty file system gets, besides the reserved. */
static uint64_t kept(const struct super *s)
{
    return s->overhead + s->index + ROOT_BLOCKS + kernel_keeps(s->blocks);
}

/* Runs one of e2fsprogs on IMAGE, which it sees as descriptor 3; ARGV[0] is its name.  The exit code, or -1 with E.
   Output ends up in TOLD. */
static int run(int image, char *const argv[], char *told, size_t size, struct err *e)
{
    static const char *const folders[] = { "/usr/sbin", "/sbin" };
    char *const environment[] = { (char[]){ "PATH=/usr/sbin:/usr/bin:/sbin:/bin" }, (char[]){ "LC_ALL=C" },
                                  (char[]){ "MKE2FS_CONFIG=/dev/null" }, NULL };
    CLOSE_FD int out = memfd_create("output", MFD_CLOEXEC);
    pid_t parent = getpid(), pid = out < 0 ? -1 : fork();
    if (pid < 0)
        return err_set(e, errno, argv[0], "fork");
    if (pid == 0) {
        /* A killed parent must not leave it writing to a file that nobody will ever link. */
        int null = open("/dev/null", O_RDWR | O_CLOEXEC), high = fcntl(image, F_DUPFD_CLOEXEC, 10);
        int log = fcntl(out, F_DUPFD_CLOEXEC, 10);
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent || null < 0 || high < 0 || log < 0 ||
            dup2(null, 0) < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0 || dup2(high, 3) < 0 ||
            close_range(4, ~0U, 0) < 0)
            _exit(127);
        for (size_t i = 0; i < countof(folders); i++) {
            char path[64];
            snprintf(path, sizeof path, "%s/%s", folders[i], argv[0]);
            execve(path, argv, environment);
        }
        _exit(errno == ENOENT ? 126 : 127);
    }
    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return err_set(e, errno, argv[0], "wait");
    ssize_t n = pread(out, told, size - 1, 0);
    told[n < 0 ? 0 : n] = '\0';
    for (char *c = told; *c; c++)
        if (*c == '\n')
            *c = c[1] ? ' ' : '\0';
    if (!WIFEXITED(status))
        return err_set(e, 0, argv[0], "killed by signal %d", WTERMSIG(status));
    if (WEXITSTATUS(status) == 126)
        return err_set(e, ENOENT, argv[0], "not found in /usr/sbin or /sbin: install e2fsprogs");
    return WEXITSTATUS(status);
}

#define THE_IMAGE ((char[]){ "/proc/self/fd/3" })

static int format(int fd, uint64_t blocks, uint64_t inodes, uid_t owner, struct err *e)
{
    char count[24], size[24], journal[24], extended[160], told[512];
    snprintf(count, sizeof count, "%" PRIu64, inodes);
    snprintf(size, sizeof size, "%" PRIu64, blocks);
    snprintf(journal, sizeof journal, "size=%d", blocks < GROUP_BLOCKS * 4 ? JOURNAL_SMALL : JOURNAL_BIG);
    /* The file is all holes, so nothing needs zeroing, now or by the kernel's thread after the mount. */
    snprintf(extended, sizeof extended,
             "lazy_itable_init=0,lazy_journal_init=0,assume_storage_prezeroed=1,nodiscard,packed_meta_blocks=1,root_"
             "owner=%u:%u",
             (unsigned)owner, (unsigned)owner);
    char *const argv[] = {
        (char[]){"mke2fs"},
        (char[]){"-q"},
        (char[]){"-F"},
        (char[]){"-b"},
        (char[]){"4096"},
        (char[]){"-I"},
        (char[]){"256"},
        (char[]){"-m"},
        (char[]){"0"},
        (char[]){"-e"},
        (char[]){"remount-ro"},
        (char[]){"-O"},
        (char[]){"none,has_journal,ext_attr,dir_index,filetype,extent,64bit,flex_bg,sparse_super,large_file,huge_file,"
                 "dir_nlink,extra_isize,metadata_csum"},
        (char[]){"-J"},
        journal,
        (char[]){"-E"},
        extended,
        (char[]){"-N"},
        count,
        THE_IMAGE,
        size,
        NULL};
    if (ftruncate(fd, 0) < 0 || ftruncate(fd, (off_t)(blocks * EXT4_BLOCK)) < 0)
        return err_set(e, errno, "size image", "%" PRIu64 " blocks", blocks);
    int code = run(fd, argv, told, sizeof told, e);
    return code == 0 ? 0 : code < 0 ? -1 : err_set(e, EIO, "mke2fs", "%s", told);
}

static int reserve(int fd, uint64_t blocks, struct err *e)
{
    char count[24], told[512];
    snprintf(count, sizeof count, "%" PRIu64, blocks);
    char *const argv[] = { (char[]){ "tune2fs" }, (char[]){ "-r" }, count, THE_IMAGE, NULL };
    int code = run(fd, argv, told, sizeof told, e);
    return code == 0 ? 0 : code < 0 ? -1 : err_set(e, EIO, "tune2fs", "%s", told);
}

/* A little more than tables and journal will take: how much is only known when they are made. */
static uint64_t first_guess(uint64_t users, uint64_t inodes)
{
    uint64_t journal = (uint64_t)(users < GROUP_BLOCKS * 4 ? JOURNAL_SMALL : JOURNAL_BIG) << 8;
    uint64_t blocks = users + inodes / INODES_STEP + journal + 64;
    blocks += blocks / 2000 + kernel_keeps(blocks + blocks / 40);
    return blocks < 2304 ? 2304 : blocks;   /* the least that mke2fs puts a journal into */
}

/* The inodes to aim at on a disk of so many bytes. */
static uint64_t aim(const struct ext4_limits *limits)
{
    uint64_t most = limits->bytes / BYTES_PER_INODE;
    return limits->inodes < most ? limits->inodes : most;
}

int ext4_make(int fd, const struct ext4_limits *limits, uid_t owner, struct err *e)
{
    uint64_t users = limits->bytes / EXT4_BLOCK, wanted = aim(limits), blocks = first_guess(users, wanted);
    for (uint64_t try = 0; try < TRIES; try++) {
        uint64_t inodes = inodes_for(blocks, wanted);
        struct super s;
        if (format(fd, blocks, inodes, owner, e) < 0 || super_read(fd, &s, e) < 0)
            return -1;
        uint64_t taken = kept(&s) + users, most = wanted + INODES_KEPT;
        /* Rounding may give it one group more than was reckoned with. */
        if (s.inodes > most && s.inodes > s.groups * INODES_STEP) {
            wanted -= s.inodes - most < wanted ? s.inodes - most : wanted;
            continue;
        }
        if (taken <= s.blocks)
            return reserve(fd, s.blocks - taken, e);
        /* Also when the last group was too short to be made: then only more helps. */
        blocks += taken - s.blocks + 64 * try;
    }
    return err_set(e, EIO, "make image", "no size found for %" PRIu64 " bytes and %" PRIu64 " inodes", limits->bytes,
                   limits->inodes);
}

int ext4_limits_of(int fd, struct ext4_limits *limits, struct err *e)
{
    struct super s;
    if (super_read(fd, &s, e) < 0)
        return -1;
    uint64_t taken = kept(&s) + s.reserved;
    limits->bytes = taken < s.blocks ? (s.blocks - taken) * EXT4_BLOCK : 0;
    limits->inodes = s.inodes > INODES_KEPT ? s.inodes - INODES_KEPT : 0;
    return 0;
}

struct ext4_limits ext4_nearest(int fd, const struct ext4_limits *limits)
{
    struct super s;
    struct ext4_limits near = { limits->bytes / EXT4_BLOCK * EXT4_BLOCK, aim(limits) };
    if (super_read(fd, &s, NULL) < 0)
        return near;
    uint64_t wanted = near.inodes + INODES_KEPT, step = s.groups * INODES_STEP;
    if (s.inodes <= wanted ? wanted - s.inodes < 2 * step : s.inodes == step)
        near.inodes = s.inodes - INODES_KEPT;
    return near;
}

int ext4_repair(int fd, struct err *e)
{
    char told[512];
    char *const argv[] = { (char[]){ "e2fsck" }, (char[]){ "-p" }, THE_IMAGE, NULL };
    int code = run(fd, argv, told, sizeof told, e);
    return code == 0 || code == 1 ? 0 : code < 0 ? -1 : err_set(e, EUCLEAN, "e2fsck", "exit %d: %s", code, told);
}
