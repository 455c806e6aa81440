#include "quota/ext4.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "quota/e2fs.h"

enum {
    GROUP_BLOCKS = 8 * EXT4_BLOCK,
    INODES_STEP = EXT4_INODES_STEP,          /* per group: whole blocks of the table */
    BYTES_PER_INODE = 1024,                  /* at least: above that the tables, which no limit counts, outgrow the disk */
    ENTRIES_PER_BLOCK = 128,                 /* of a folder, at least: names of few letters, blocks half full */
    JOURNAL_SMALL = 4, JOURNAL_BIG = 16,     /* MiB */
    GROWTH = 100,                            /* times the size that a file system can grow to in place: a block for 8 GiB of that */
    GROWTH_LEAST = 128,                      /* groups: without one spare block of descriptors the kernel would change the layout */
    DESCRIPTOR = 64,
    TRIES = 24,
};

static uint32_t le32_at(const uint8_t *raw, size_t at)
{
    uint32_t v;
    memcpy(&v, raw + at, sizeof v);
    return le32toh(v);
}

static uint32_t le16_at(const uint8_t *raw, size_t at)
{
    return raw[at] | (uint32_t)raw[at + 1] << 8;
}

/* A journal in many pieces has a block that lists them; the superblock holds a copy of its inode's extent root. */
static uint64_t journal_index(const uint8_t *raw)
{
    enum { COPY = 0x10c, MAGIC = 0xf30a };
    uint32_t root = le32_at(raw, COPY), depth = le32_at(raw, COPY + 4) >> 16;
    return (root & 0xffff) == MAGIC && depth > 0 ? root >> 16 : 0;
}

static void super_groups(struct ext4_super *s, const uint8_t *raw)
{
    enum { RESIZE_INODE = 0x10 };
    uint64_t per_block = EXT4_BLOCK / DESCRIPTOR, used = (s->groups + per_block - 1) / per_block;
    uint32_t spare = le32_at(raw, 0x5c) & RESIZE_INODE ? le16_at(raw, 0xce) : 0;
    s->growth = spare ? (used + spare) * per_block * s->group_blocks : s->blocks;
    s->index += spare > 0;
    s->tables = 2 + s->group_inodes / INODES_STEP + 1 + (uint32_t)used + spare;
}

int ext4_super(int fd, struct ext4_super *s, struct err *e)
{
    enum { ERRORS = 2 };
    uint8_t raw[1024];
    if (pread(fd, raw, sizeof raw, 1024) != (ssize_t)sizeof raw || raw[0x38] != 0x53 || raw[0x39] != 0xef)
        return err_set(e, EUCLEAN, "superblock", "there is no ext4 file system in the image");
    if (le32_at(raw, 0x18) != 2)
        return err_set(e, EUCLEAN, "superblock", "its blocks are not of %d bytes", EXT4_BLOCK);
    *s = (struct ext4_super){
        .inodes = le32_at(raw, 0),
        .used_inodes = le32_at(raw, 0) - le32_at(raw, 0x10),
        .blocks = le32_at(raw, 4) | (uint64_t)le32_at(raw, 0x150) << 32,
        .reserved = le32_at(raw, 8) | (uint64_t)le32_at(raw, 0x154) << 32,
        .overhead = le32_at(raw, 0x248),
        .index = journal_index(raw),
        .group_blocks = le32_at(raw, 0x20),
        .group_inodes = le32_at(raw, 0x28),
        .ours = memcmp(raw + 0x78, "holdfast\0", 9) == 0,
        .errors = (le16_at(raw, 0x3a) & ERRORS) != 0,
    };
    if (s->blocks == 0 || s->group_blocks == 0 || s->inodes == 0 || s->group_inodes == 0)
        return err_set(e, EUCLEAN, "superblock", "it has no blocks or no inodes");
    s->groups = (s->blocks + s->group_blocks - 1) / s->group_blocks;
    super_groups(s, raw);
    return 0;
}

/* 2 %, at most 4096. */
uint64_t ext4_keeps(uint64_t blocks)
{
    return blocks / 50 < 4096 ? blocks / 50 : 4096;
}

uint64_t ext4_spare(uint64_t inodes)
{
    return inodes / ENTRIES_PER_BLOCK + 8;
}

struct ext4_limits ext4_whole(const struct ext4_limits *limits)
{
    uint64_t most = limits->bytes / BYTES_PER_INODE;
    return (struct ext4_limits){ limits->bytes / EXT4_BLOCK * EXT4_BLOCK, limits->inodes < most ? limits->inodes : most };
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
    uint64_t step = groups_of(blocks, limit + EXT4_OWN_INODES) * INODES_STEP;
    return limit + EXT4_OWN_INODES < step ? step : (limit + EXT4_OWN_INODES) / step * step;
}

/* Blocks that no user gets: the spare ones once for root to use, once for what root has used. */
static uint64_t kept(const struct ext4_super *s)
{
    return s->overhead + s->index + EXT4_OWN_BLOCKS + ext4_keeps(s->blocks) + 2 * ext4_spare(s->inodes);
}

static int said(int code, const char *program, const char *told, struct err *e)
{
    return code == 0 ? 0 : code < 0 ? -1 : err_set(e, EIO, program, "exit %d: %s", code, told);
}

static int format(int fd, uint64_t blocks, uint64_t inodes, struct err *e)
{
    char count[24], size[24], journal[24], extended[160], told[512];
    uint64_t groups = groups_of(blocks, inodes) * GROWTH, growth = (groups > GROWTH_LEAST ? groups : GROWTH_LEAST) * GROUP_BLOCKS;
    snprintf(count, sizeof count, "%" PRIu64, inodes);
    snprintf(size, sizeof size, "%" PRIu64, blocks);
    snprintf(journal, sizeof journal, "size=%d", blocks < GROUP_BLOCKS * 4 ? JOURNAL_SMALL : JOURNAL_BIG);
    /* The file is all holes, so nothing needs zeroing, now or by the kernel's thread after the mount. */
    snprintf(extended, sizeof extended, "lazy_itable_init=0,lazy_journal_init=0,assume_storage_prezeroed=1,nodiscard,resize=%" PRIu64,
             growth < UINT32_MAX ? growth : (uint64_t)UINT32_MAX);
    /* Groups in sixteens: one that spans the whole file system (packed_meta_blocks) is more than older kernels can add to. */
    char *const argv[] = {
        (char[]){ "mke2fs" }, (char[]){ "-q" }, (char[]){ "-F" }, (char[]){ "-b" }, (char[]){ "4096" }, (char[]){ "-I" }, (char[]){ "256" },
        (char[]){ "-m" }, (char[]){ "0" }, (char[]){ "-e" }, (char[]){ "remount-ro" }, (char[]){ "-L" }, (char[]){ "holdfast" },
        (char[]){ "-G" }, (char[]){ "16" }, (char[]){ "-O" },
        (char[]){ "none,has_journal,ext_attr,dir_index,filetype,extent,64bit,flex_bg,sparse_super,large_file,huge_file,dir_nlink,extra_isize,"
                  "metadata_csum" },
        (char[]){ "-J" }, journal, (char[]){ "-E" }, extended, (char[]){ "-N" }, count, E2FS_IMAGE, size, NULL };
    if (ftruncate(fd, 0) < 0 || ftruncate(fd, (off_t)(blocks * EXT4_BLOCK)) < 0)
        return err_set(e, errno, "size image", "%" PRIu64 " blocks", blocks);
    return said(e2fs_run(fd, argv, told, sizeof told, e), argv[0], told, e);
}

static int reserve(int fd, uint64_t blocks, struct err *e)
{
    char count[24], told[512];
    snprintf(count, sizeof count, "%" PRIu64, blocks);
    char *const argv[] = { (char[]){ "tune2fs" }, (char[]){ "-r" }, count, E2FS_IMAGE, NULL };
    return said(e2fs_run(fd, argv, told, sizeof told, e), argv[0], told, e);
}

/* A little more than tables and journal will take: how much is only known when they are made. */
static uint64_t first_guess(uint64_t users, uint64_t inodes)
{
    uint64_t journal = (uint64_t)(users < GROUP_BLOCKS * 4 ? JOURNAL_SMALL : JOURNAL_BIG) << 8;
    uint64_t blocks = users + inodes / INODES_STEP + 2 * ext4_spare(inodes) + journal + 64;
    blocks += blocks / 1000 + ext4_keeps(blocks + blocks / 40);
    return blocks < 2304 ? 2304 : blocks;   /* the least that mke2fs puts a journal into */
}

int ext4_make(int fd, const struct ext4_limits *limits, struct err *e)
{
    struct ext4_limits whole = ext4_whole(limits);
    uint64_t users = whole.bytes / EXT4_BLOCK, wanted = whole.inodes, blocks = first_guess(users, wanted);
    for (uint64_t try = 0; try < TRIES; try++) {
        struct ext4_super s;
        if (format(fd, blocks, inodes_for(blocks, wanted), e) < 0 || ext4_super(fd, &s, e) < 0)
            return -1;
        uint64_t taken = kept(&s) + users, most = wanted + EXT4_OWN_INODES;
        /* Rounding may give it one group more than was reckoned with. */
        if (s.inodes > most && s.inodes > s.groups * INODES_STEP) {
            wanted -= s.inodes - most < wanted ? s.inodes - most : wanted;
            continue;
        }
        if (taken <= s.blocks)
            return reserve(fd, ext4_spare(s.inodes), e);
        /* Also when the last group was too short to be made: then only more helps. */
        blocks += taken - s.blocks + 64 * try;
    }
    return err_set(e, EIO, "make image", "no size found for %" PRIu64 " bytes and %" PRIu64 " inodes", limits->bytes, limits->inodes);
}

/* Only what is safe without a person: what e2fsck -y throws away, nobody gets back. */
int ext4_repair(int fd, struct err *e)
{
    char told[512];
    char *const argv[] = { (char[]){ "e2fsck" }, (char[]){ "-fp" }, E2FS_IMAGE, NULL };
    int code = e2fs_run(fd, argv, told, sizeof told, e);
    if (code == 0 || code == 1)
        log_info("disk checked", "repaired=%d said=\"%s\"", code, esc_text(told));
    return code == 0 || code == 1 ? 0 : code < 0 ? -1 : err_set(e, EUCLEAN, "e2fsck", "exit %d: %s", code, told);
}
