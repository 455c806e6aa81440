#include "sshd/attrs.h"

#include <stdio.h>
#include <time.h>

static uint32_t seconds(time_t t)
{
    if (t < 0)
        return 0;
    return t > UINT32_MAX ? UINT32_MAX : (uint32_t)t;
}

void attrs_of_stat(struct attrs *a, const struct stat *st)
{
    *a = (struct attrs){
        .flags = ATTRS_ALL,
        .size = (uint64_t)st->st_size,
        .uid = st->st_uid,
        .gid = st->st_gid,
        .mode = st->st_mode,
        .atime = seconds(st->st_atime),
        .mtime = seconds(st->st_mtime),
    };
}

void attrs_put(struct buf *b, const struct attrs *a)
{
    buf_put_u32(b, a->flags & ATTRS_ALL);
    if (a->flags & ATTRS_SIZE)
        buf_put_u64(b, a->size);
    if (a->flags & ATTRS_OWNER) {
        buf_put_u32(b, a->uid);
        buf_put_u32(b, a->gid);
    }
    if (a->flags & ATTRS_MODE)
        buf_put_u32(b, a->mode);
    if (a->flags & ATTRS_TIMES) {
        buf_put_u32(b, a->atime);
        buf_put_u32(b, a->mtime);
    }
}

static void skip_extended(struct buf *b)
{
    size_t size;
    for (uint32_t n = buf_get_u32(b); n > 0 && !b->bad; n--) {
        buf_get_bytes(b, &size);
        buf_get_bytes(b, &size);
    }
}

void attrs_get(struct buf *b, struct attrs *a)
{
    *a = (struct attrs){ .flags = buf_get_u32(b) };
    if (a->flags & ~(ATTRS_ALL | ATTRS_EXTENDED))
        b->bad = true;
    if (a->flags & ATTRS_SIZE)
        a->size = buf_get_u64(b);
    if (a->flags & ATTRS_OWNER) {
        a->uid = buf_get_u32(b);
        a->gid = buf_get_u32(b);
    }
    if (a->flags & ATTRS_MODE)
        a->mode = buf_get_u32(b);
    if (a->flags & ATTRS_TIMES) {
        a->atime = buf_get_u32(b);
        a->mtime = buf_get_u32(b);
    }
    if (a->flags & ATTRS_EXTENDED)
        skip_extended(b);
    a->flags &= ATTRS_ALL;
    if (b->bad)
        a->flags = 0;
}

static char type_letter(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFDIR: return 'd';
    case S_IFLNK: return 'l';
    case S_IFIFO: return 'p';
    case S_IFSOCK: return 's';
    case S_IFCHR: return 'c';
    case S_IFBLK: return 'b';
    default: return '-';
    }
}

static void mode_word(mode_t mode, char word[11])
{
    word[0] = type_letter(mode);
    for (int i = 0; i < 9; i++)
        word[1 + i] = mode & (1u << (8 - i)) ? "rwxrwxrwx"[i] : '-';
    if (mode & S_ISUID)
        word[3] = mode & S_IXUSR ? 's' : 'S';
    if (mode & S_ISGID)
        word[6] = mode & S_IXGRP ? 's' : 'S';
    if (mode & S_ISVTX)
        word[9] = mode & S_IXOTH ? 't' : 'T';
    word[10] = '\0';
}

char *attrs_line(const struct stat *st, int64_t now, char *buf)
{
    const int64_t half_year = 182 * 86400;
    char mode[11], when[32];
    struct tm tm;
    mode_word(st->st_mode, mode);
    bool recent = st->st_mtime > now - half_year && st->st_mtime < now + half_year;
    if (gmtime_r(&st->st_mtime, &tm) == NULL ||
        strftime(when, sizeof when, recent ? "%b %e %H:%M" : "%b %e  %Y", &tm) == 0)
        snprintf(when, sizeof when, "?");
    snprintf(buf, ATTRS_LINE, "%s %4lu server   server   %10llu %-12s ", mode, (unsigned long)st->st_nlink,
             (unsigned long long)st->st_size, when);
    return buf;
}
