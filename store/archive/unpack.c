#include "store/archive/unpack.h"

#include <errno.h>
#include <locale.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <archive.h>
#include <archive_entry.h>

#include "base/die.h"
#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/archive/path.h"

enum { PIECE = 128 * 1024, TELL_MS = 250, FILTERS_MOST = 2 };

/* Behind the archive's end a tar still writes zeros, and one whose reader has gone would call that a failure. */
enum { BEHIND_MOST = 16 << 20 };

struct unpack {
    struct archive *a;
    unpack_tell_fn *tell;
    struct tree *tree;
    struct leftover *left;
    uint8_t *piece;
    int fd, stop_fd;
    int no;               /* errno of the read that failed */
    uint64_t headers, told;
    char path[PATH_BYTES + 1];
};

/* Waits for bytes or for nobody wanting them any more: a pipe may be silent for ever. */
static ssize_t get(struct unpack *u)
{
    for (;;) {
        struct pollfd p[2] = { { .fd = u->fd, .events = POLLIN }, { .fd = u->stop_fd, .events = POLLIN } };
        if (poll(p, 2, -1) < 0 && errno != EINTR)
            return -1;
        if (p[1].revents) {
            errno = ECANCELED;
            return -1;
        }
        ssize_t n = p[0].revents ? read(u->fd, u->piece, PIECE) : -2;
        if (n != -2 && !(n < 0 && (errno == EINTR || errno == EAGAIN)))
            return n;
    }
}

static la_ssize_t on_read(struct archive *a, void *data, const void **bytes)
{
    struct unpack *u = data;
    ssize_t n = get(u);
    if (n < 0) {
        u->no = errno;
        archive_set_error(a, u->no, "read");
        return -1;
    }
    *bytes = u->piece;
    return n;
}

static void must(struct unpack *u, int code, const char *what)
{
    if (code != ARCHIVE_OK)
        die("libarchive: %s: %s", what, archive_error_string(u->a));
}

struct unpack *unpack_new(int fd, int stop_fd, unpack_tell_fn *tell)
{
    struct unpack *u = mem_new(sizeof *u);
    *u = (struct unpack){ .a = archive_read_new(), .fd = fd, .stop_fd = stop_fd, .tell = tell, .piece = mem_new(PIECE) };
    if (u->a == NULL)
        die("out of memory");
    /* Each by name: "all" would bring formats nobody packs a root in, and filters that are programs. */
    must(u, archive_read_support_format_tar(u->a), "tar");
    must(u, archive_read_support_filter_gzip(u->a), "gzip");
    must(u, archive_read_support_filter_bzip2(u->a), "bzip2");
    must(u, archive_read_support_filter_xz(u->a), "xz");
    must(u, archive_read_support_filter_zstd(u->a), "zstd");
    /* So that pax names, which are UTF-8, are taken as they are: a conversion would open tables behind the lock. */
    if (setlocale(LC_CTYPE, "C.UTF-8") == NULL)
        die("the locale C.UTF-8 is missing");
    return u;
}

static int refused(struct unpack *u, struct err *e)
{
    const char *why = archive_error_string(u->a);
    if (u->no)
        return err_set(e, u->no, "read the archive", "%s", "");
    return err_set(e, 0, "read the archive", "%s", why ? esc_text(why) : "libarchive gave no reason");
}

static int wrong(const struct unpack *u, struct err *e, const char *why)
{
    return err_set(e, 0, "refused", "%s: %s", why, esc(u->path));
}

/* ---- one entry of each kind ---- */

static int put_block(struct unpack *u, int fd, const uint8_t *bytes, size_t size, uint64_t at, struct err *e)
{
    while (size > 0) {
        ssize_t n = pwrite(fd, bytes, size, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set(e, errno, "write", "%s", esc(u->path));
        bytes += n;
        size -= (size_t)n;
        at += (uint64_t)n;
    }
    return 0;
}

static int tell(struct unpack *u, struct err *e)
{
    uint64_t now = now_ms();
    if (now - u->told < TELL_MS)
        return 0;
    u->told = now;
    return u->tell(u->tree) ? err_set(e, ECANCELED, "unpack", "%s", "") : 0;
}

/* Holes stay holes: they are not among the blocks. */
static int put_data(struct unpack *u, int fd, uint64_t size, struct err *e)
{
    for (;;) {
        const void *bytes;
        size_t n;
        la_int64_t at;
        int r = archive_read_data_block(u->a, &bytes, &n, &at);
        if (r == ARCHIVE_EOF)
            return 0;
        if (r != ARCHIVE_OK)
            return refused(u, e);
        if (at < 0 || (uint64_t)at > size || n > size - (uint64_t)at)
            return wrong(u, e, "more data than its header says");
        if (put_block(u, fd, bytes, n, (uint64_t)at, e) < 0 || tell(u, e) < 0)
            return -1;
    }
}

static int take_file(struct unpack *u, struct archive_entry *n, struct err *e)
{
    la_int64_t size = archive_entry_size(n);
    if (size < 0)
        return wrong(u, e, "a size below zero");
    CLOSE_FD int fd = tree_file(u->tree, u->path, (uint64_t)size, e);
    if (fd < 0 || put_data(u, fd, (uint64_t)size, e) < 0)
        return -1;
    return tree_file_end(fd, u->path, (uint64_t)size, archive_entry_perm(n), archive_entry_mtime(n), e);
}

static int take_folder(struct unpack *u, struct archive_entry *n, struct err *e)
{
    return tree_folder(u->tree, u->path, archive_entry_perm(n), e);
}

static int take_symlink(struct unpack *u, struct archive_entry *n, struct err *e)
{
    const char *target = archive_entry_symlink(n);
    if (target == NULL || target[0] == '\0' || strlen(target) > PATH_BYTES)
        return wrong(u, e, "a symbolic link to nothing, or to more than 4095 bytes");
    return tree_symlink(u->tree, u->path, target, e);
}

static int take_link(struct unpack *u, const char *raw, struct err *e)
{
    char target[PATH_BYTES + 1];
    const char *why = path_clean(raw, target);
    if (why || target[0] == '\0')
        return wrong(u, e, why ? why : "a hard link to the root");
    return tree_link(u->tree, u->path, target, e);
}

static int take_special(struct unpack *u, struct archive_entry *n UNUSED, struct err *e UNUSED)
{
    u->left->special++;
    return 0;
}

static const struct { unsigned type; int (*take)(struct unpack *u, struct archive_entry *n, struct err *e); } kinds[] = {
    { AE_IFREG, take_file },    { AE_IFDIR, take_folder },  { AE_IFLNK, take_symlink },  { AE_IFIFO, take_special },
    { AE_IFCHR, take_special }, { AE_IFBLK, take_special }, { AE_IFSOCK, take_special },
};

/* ---- all of them ---- */

static bool secret(const char *path)
{
    static const char *const paths[] = { "etc/shadow", "etc/shadow-", "etc/gshadow", "etc/gshadow-", "etc/security/opasswd" };
    for (size_t i = 0; i < countof(paths); i++)
        if (strcmp(path, paths[i]) == 0)
            return true;
    return false;
}

/* What is a tar, but not of a root file system; NULL when it may be one. */
static const char *not_a_root(const char *path)
{
    if (strncmp(path_name(path), ".wh.", 4) == 0)
        return "one layer of a container's image; allowed: a whole root file system, as of 'docker export'";
    if (strcmp(path, "oci-layout") == 0 || strcmp(path, "manifest.json") == 0)
        return "a container's image in layers; allowed: a whole root file system, as of 'docker export'";
    return NULL;
}

static int take(struct unpack *u, struct archive_entry *n, struct err *e)
{
    const char *raw = archive_entry_pathname(n), *link = archive_entry_hardlink(n);
    snprintf(u->path, sizeof u->path, "%s", raw ? raw : "?");
    /* Also of what is left out: an archive of nothing but that would have no end. */
    if (++u->headers > u->tree->entries_most)
        return err_set(e, 0, "too many files", "more than %llu ([limits] image_files)", (unsigned long long)u->tree->entries_most);
    const char *why = raw ? path_clean(raw, u->path) : "no name";
    if (why == NULL)
        why = not_a_root(u->path);
    if (why)
        return wrong(u, e, why);
    if (u->path[0] == '\0')
        return 0;
    if (secret(u->path)) {
        u->left->secret++;
        return 0;
    }
    if (link)
        return take_link(u, link, e);
    for (size_t i = 0; i < countof(kinds); i++)
        if (kinds[i].type == archive_entry_filetype(n))
            return kinds[i].take(u, n, e);
    return wrong(u, e, "of no known kind");
}

/* A tar that ends without saying so was cut off, perhaps between two files, where nothing else would show it. */
static int take_end(struct unpack *u, struct err *e)
{
    if (archive_filter_bytes(u->a, 0) <= archive_read_header_position(u->a))
        return err_set(e, 0, "read the archive", "it ends without an end mark: it was cut off");
    if (u->headers == 0)
        return err_set(e, 0, "read the archive", "it is empty");
    for (size_t n = 0; n < BEHIND_MOST; n += PIECE)
        if (get(u) <= 0)
            break;
    return 0;
}

int unpack(struct unpack *u, struct tree *t, struct leftover *l, struct err *e)
{
    struct archive_entry *n;
    *l = (struct leftover){ 0 };
    u->tree = t;
    u->left = l;
    if (archive_read_open(u->a, u, NULL, on_read, NULL) != ARCHIVE_OK)
        return refused(u, e);
    for (;;) {
        int r = archive_read_next_header(u->a, &n);
        if (r == ARCHIVE_EOF)
            break;
        if (r != ARCHIVE_OK && r != ARCHIVE_WARN)
            return refused(u, e);
        /* Its own filter and the one for none; more is a bomb in layers. */
        if (archive_filter_count(u->a) > FILTERS_MOST)
            return err_set(e, 0, "refused", "it is compressed more than once");
        if (take(u, n, e) < 0 || tell(u, e) < 0)
            return -1;
    }
    return take_end(u, e) < 0 ? -1 : tree_finish(t, e);
}
