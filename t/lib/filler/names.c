/* Inodes, names, links, attributes: what takes room without a byte of content. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "t/lib/filler/filler.h"

enum { EMPTY_MOST = 10000000, A_DIRECTORY = 30000, LINKS_MOST = 200000, RENAMES = 20000, DEEP_MOST = 3000, VALUE = 3000, LARGE = 60000 };

/* A count of our own beside the inodes: more() looks at those that were made only. */
static bool made(struct tally *t, long r)
{
    if (!took(t, r, false))
        return false;
    t->made++;
    return true;
}

/* New folders keep one directory from growing for ever. */
static const char *numbered(char *name, const char *kind, uint64_t n)
{
    if (n % A_DIRECTORY == 0) {
        snprintf(name, NAME_SPACE, "d%llu", (unsigned long long)(n / A_DIRECTORY));
        mkdir(name, 0700);
    }
    snprintf(name, NAME_SPACE, "d%llu/%s%llu", (unsigned long long)(n / A_DIRECTORY), kind, (unsigned long long)n);
    return name;
}

void r_empty(struct tally *t)
{
    char name[NAME_SPACE];
    for (uint64_t n = 0; n < EMPTY_MOST && more(t); n++) {
        int fd = open(numbered(name, "e", n), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        made(t, fd);
        if (fd >= 0)
            close(fd);
    }
    /* Refused, and refused again. */
    for (int i = 0; i < 1000 && t->out; i++) {
        snprintf(name, sizeof name, "late%d", i);
        int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd >= 0) {
            t->made++;
            close(fd);
        }
    }
}

void r_dirs(struct tally *t)
{
    char name[NAME_SPACE];
    for (uint64_t n = 0; more(t) && made(t, mkdir(numbered(name, "m", n), 0700)); n++) {}
}

void r_fifos(struct tally *t)
{
    char name[NAME_SPACE];
    for (uint64_t n = 0; more(t) && made(t, mkfifo(numbered(name, "p", n), 0600)); n++) {}
}

void r_symlinks(struct tally *t)
{
    char name[NAME_SPACE];
    for (uint64_t n = 0; more(t) && made(t, symlink("nowhere", numbered(name, "l", n))); n++) {}
}

void r_symlinks_long(struct tally *t)
{
    char name[NAME_SPACE], target[4001];
    memset(target, 'x', sizeof target - 1);
    target[sizeof target - 1] = '\0';
    for (uint64_t n = 0; more(t) && made(t, symlink(target, numbered(name, "l", n))); n++)
        t->bytes += BLOCK;
}

/* Each step down costs as many steps up, where landlock looks at all folders above. */
void r_deep(struct tally *t)
{
    for (int n = 0; n < DEEP_MOST && more(t) && made(t, mkdir("deep", 0700)); n++)
        if (chdir("deep") < 0)
            break;
    if (t->out == 0)
        t->out = OUT_FREE;
}

void r_links(struct tally *t)
{
    char name[NAME_SPACE];
    close(make_file(t, "one", O_WRONLY));
    for (uint64_t n = 0; n < LINKS_MOST && more(t); n++)
        if (!took(t, link("one", numbered(name, "h", n)), false))
            break;
    if (t->out == 0)
        t->out = OUT_FREE;
}

void r_long_names(struct tally *t)
{
    char name[NAME_SPACE + 64], last[NAME_SPACE];
    uint64_t n = 0;
    memset(last, 'n', 255);
    for (; more(t); n++) {
        if (n % 30000 == 0) {
            snprintf(name, sizeof name, "f%llu", (unsigned long long)(n / 30000));
            int fd = make_file(t, name, O_WRONLY);
            if (fd < 0)
                break;
            close(fd);
            snprintf(name, sizeof name, "g%llu", (unsigned long long)(n / 30000));
            if (!made(t, mkdir(name, 0700)))
                break;
        }
        snprintf(last, sizeof last, "%0255llu", (unsigned long long)n);
        char from[64];
        snprintf(from, sizeof from, "f%llu", (unsigned long long)(n / 30000));
        snprintf(name, sizeof name, "g%llu/%s", (unsigned long long)(n / 30000), last);
        if (!took(t, link(from, name), false))
            break;
        t->bytes += 264;
    }
}

void r_across(struct tally *t)
{
    char from[64], to[NAME_SPACE], last[220];
    memset(last, 'r', sizeof last - 1);
    last[sizeof last - 1] = '\0';
    for (int i = 0; i < 50; i++) {
        snprintf(from, sizeof from, "a%d", i);
        if (!made(t, mkdir(from, 0700)))
            return;
    }
    close(make_file(t, "here", O_WRONLY));
    snprintf(from, sizeof from, "here");
    char was[NAME_SPACE];
    snprintf(was, sizeof was, "%s", from);
    for (int i = 0; i < RENAMES && more(t); i++) {
        snprintf(to, sizeof to, "a%d/%s%d", i % 50, last, i);
        if (!took(t, rename(was, to), false))
            break;
        snprintf(was, sizeof was, "%s", to);
    }
    if (t->out == 0)
        t->out = OUT_FREE;
}

/* The old file lives on while it is open, and counts. */
void r_rename_over(struct tally *t)
{
    while (more(t)) {
        int fd = make_file(t, "new", O_WRONLY);
        if (fd < 0)
            break;
        fill_to(t, fd, 100000);
        if (rename("new", "name") < 0)
            filed(t, errno);
        hold(t, fd);
    }
}

void r_unlinked(struct tally *t)
{
    while (more(t)) {
        int fd = make_file(t, "gone", O_WRONLY);
        if (fd < 0)
            break;
        unlink("gone");
        fill_to(t, fd, 30000);
        hold(t, fd);
    }
}

static int nameless(struct tally *t)
{
    int fd = open(".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    made(t, fd);
    return fd;
}

void r_tmpfile(struct tally *t)
{
    while (more(t)) {
        int fd = nameless(t);
        if (fd < 0)
            break;
        fill_to(t, fd, 30000);
        hold(t, fd);
    }
}

void r_tmpfile_linked(struct tally *t)
{
    char self[64], name[64];
    r_tmpfile(t);
    for (unsigned i = 0; i < t->nheld; i++) {
        snprintf(self, sizeof self, "/proc/self/fd/%d", t->held[i]);
        snprintf(name, sizeof name, "linked%u", i);
        if (linkat(AT_FDCWD, self, AT_FDCWD, name, AT_SYMLINK_FOLLOW) < 0) {
            filed(t, errno);
            break;
        }
        fsync(t->held[i]);
    }
}

static void attributes(struct tally *t, size_t size, unsigned each)
{
    char name[NAME_SPACE];
    unsigned refused = 0;
    for (uint64_t n = 0; more(t) || (t->out == OUT_REFUSED && refused < 50 && t->wrong == NULL); n++) {
        int fd = open(numbered(name, "x", n), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        if (!made(t, fd))
            break;
        for (unsigned i = 0; i < each; i++) {
            char key[32];
            snprintf(key, sizeof key, "user.k%u", i);
            /* Different each time: equal ones may share a block. */
            memcpy(data, &n, sizeof n);
            data[sizeof n] = (uint8_t)i;
            if (fsetxattr(fd, key, data, size, 0) == 0) {
                t->bytes += size;
                continue;
            }
            /* No more fits this file: of the disk that says nothing yet. */
            bool here = i > 0 && (errno == ENOSPC || errno == E2BIG);
            if (!here)
                filed(t, errno);
            refused += !here;
            break;
        }
        close(fd);
    }
}

void r_xattr_many(struct tally *t) { attributes(t, VALUE / 20, 40); }
void r_xattr_large(struct tally *t) { attributes(t, VALUE, 2); attributes(t, LARGE, 3); }
