#include "store/archive/writer.h"

#include <errno.h>
#include <locale.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <archive.h>
#include <archive_entry.h>

#include "base/die.h"
#include "base/mem.h"

/* As a server sees itself. */
enum { SERVER_ID = 1000, PIECE = 256 * 1024, RANGES_MOST = 65536 };
#define SERVER_NAME "server"

/* libarchive skips over holes in what it is given without looking at it, so they are fed from this much of nothing. */
#define NOTHING ((size_t)64 << 20)

struct writer {
    struct archive *a;
    struct archive_entry_linkresolver *links;
    writer_stop_fn *stop;
    uint8_t *piece;
    const uint8_t *nothing;
    int fd;
    int no;               /* errno of the write that failed */
    uint64_t bytes, entries;
};

static la_ssize_t on_write(struct archive *a, void *data, const void *bytes, size_t size)
{
    struct writer *w = data;
    if (w->stop()) {
        w->no = ECANCELED;
        archive_set_error(a, w->no, "nobody waits for it any more");
        return -1;
    }
    ssize_t n;
    do
        n = write(w->fd, bytes, size);
    while (n < 0 && errno == EINTR);
    if (n < 0) {
        w->no = errno;
        archive_set_error(a, errno, "write");
        return -1;
    }
    w->bytes += (uint64_t)n;
    return n;
}

static void must(struct writer *w, int code, const char *what)
{
    if (code != ARCHIVE_OK)
        die("libarchive: %s: %s", what, archive_error_string(w->a));
}

struct writer *writer_new(int fd, writer_stop_fn *stop)
{
    struct writer *w = mem_new(sizeof *w);
    *w = (struct writer){ .a = archive_write_new(), .fd = fd, .stop = stop, .piece = mem_new(PIECE) };
    void *nothing = mmap(NULL, NOTHING, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (w->a == NULL || nothing == MAP_FAILED)
        die("out of memory");
    w->nothing = nothing;
    must(w, archive_write_set_format_pax_restricted(w->a), "pax");
    must(w, archive_write_add_filter_zstd(w->a), "zstd");
    must(w, archive_write_set_filter_option(w->a, "zstd", "compression-level", "3"), "level");
    /* Names are bytes; a server may have written any.  As UTF-8 they need no remark in the header; those that are not get
       hdrcharset=BINARY, and only those. */
    if (setlocale(LC_CTYPE, "C.UTF-8") == NULL)
        die("the locale C.UTF-8 is missing");
    must(w, archive_write_set_bytes_per_block(w->a, 1 << 17), "block");
    must(w, archive_write_set_bytes_in_last_block(w->a, 1), "last block");
    must(w, archive_write_open(w->a, w, NULL, on_write, NULL), "open");
    w->links = archive_entry_linkresolver_new();
    if (w->links == NULL)
        die("out of memory");
    archive_entry_linkresolver_set_strategy(w->links, archive_format(w->a));
    return w;
}

static int refused(struct writer *w, struct err *e)
{
    if (w->no)
        return err_set(e, w->no, "write the archive", "%s", "");
    const char *why = archive_error_string(w->a);
    return err_set(e, 0, "write the archive", "%s", why ? why : "libarchive gave no reason");
}

static struct archive_entry *entry_of(const char *name, const struct stat *st)
{
    struct archive_entry *n = archive_entry_new();
    if (n == NULL)
        die("out of memory");
    archive_entry_copy_pathname(n, name);
    archive_entry_set_filetype(n, st->st_mode & S_IFMT);
    archive_entry_set_perm(n, st->st_mode & 01777);
    archive_entry_set_size(n, S_ISREG(st->st_mode) ? st->st_size : 0);
    archive_entry_set_mtime(n, st->st_mtim.tv_sec, st->st_mtim.tv_nsec);
    archive_entry_set_dev(n, st->st_dev);
    archive_entry_set_ino64(n, (int64_t)st->st_ino);
    archive_entry_set_nlink(n, (unsigned)st->st_nlink);
    archive_entry_set_uid(n, SERVER_ID);
    archive_entry_set_gid(n, SERVER_ID);
    archive_entry_copy_uname(n, SERVER_NAME);
    archive_entry_copy_gname(n, SERVER_NAME);
    return n;
}

static int put_header(struct writer *w, struct archive_entry *n, struct err *e)
{
    if (archive_write_header(w->a, n) < ARCHIVE_WARN)
        return refused(w, e);
    w->entries++;
    return 0;
}

int writer_plain(struct writer *w, const char *name, const struct stat *st, const char *target, struct err *e)
{
    struct archive_entry *n = entry_of(name, st), *spare = NULL;
    if (target)
        archive_entry_copy_symlink(n, target);
    if (!S_ISDIR(st->st_mode))
        archive_entry_linkify(w->links, &n, &spare);
    int r = put_header(w, n, e);
    archive_entry_free(n);
    return r;
}

static int put_data(struct writer *w, const uint8_t *bytes, size_t size, struct err *e)
{
    while (size > 0) {
        la_ssize_t n = archive_write_data(w->a, bytes, size);
        if (n <= 0)
            return refused(w, e);
        bytes += n;
        size -= (size_t)n;
    }
    return 0;
}

static int put_nothing(struct writer *w, off_t size, struct err *e)
{
    while (size > 0) {
        size_t now = (uint64_t)size < NOTHING ? (size_t)size : NOTHING;
        if (w->stop())
            return err_set(e, ECANCELED, "write the archive", "%s", "");
        if (put_data(w, w->nothing, now, e) < 0)
            return -1;
        size -= (off_t)now;
    }
    return 0;
}

/* FROM to TO of the file; zeros from where it ends too early. */
static int put_range(struct writer *w, int fd, off_t from, off_t to, bool *changed, struct err *e)
{
    while (from < to) {
        size_t want = to - from < PIECE ? (size_t)(to - from) : PIECE;
        ssize_t n = pread(fd, w->piece, want, from);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            *changed = true;
            return put_nothing(w, to - from, e);
        }
        if (put_data(w, w->piece, (size_t)n, e) < 0)
            return -1;
        from += n;
    }
    return 0;
}

/* Notes where data is, if the file has holes at all.  A file in more pieces than RANGES_MOST is written as if it had none. */
static void find_holes(struct archive_entry *n, int fd, off_t size)
{
    unsigned ranges = 0;
    off_t at = 0;
    while (at < size) {
        off_t data = lseek(fd, at, SEEK_DATA);
        if (data < 0 || data >= size)
            break;
        off_t hole = lseek(fd, data, SEEK_HOLE);
        if (hole < 0 || hole > size)
            hole = size;
        if (data == 0 && hole == size)
            return;
        if (++ranges > RANGES_MOST) {
            archive_entry_sparse_clear(n);
            return;
        }
        archive_entry_sparse_add_entry(n, data, hole - data);
        at = hole;
    }
    /* All hole: one range of no length at the end says so. */
    if (ranges == 0 && size > 0)
        archive_entry_sparse_add_entry(n, size, 0);
}

static int put_body(struct writer *w, struct archive_entry *n, int fd, bool *changed, struct err *e)
{
    off_t size = archive_entry_size(n), at = 0;
    la_int64_t from, length;
    if (archive_entry_sparse_reset(n) == 0)
        return put_range(w, fd, 0, size, changed, e);
    while (archive_entry_sparse_next(n, &from, &length) == ARCHIVE_OK) {
        if (put_nothing(w, from - at, e) < 0 || put_range(w, fd, from, from + length, changed, e) < 0)
            return -1;
        at = from + length;
    }
    return put_nothing(w, size - at, e);
}

int writer_file(struct writer *w, const char *name, const struct stat *st, int fd, bool *changed, struct err *e)
{
    struct archive_entry *n = entry_of(name, st), *spare = NULL;
    archive_entry_linkify(w->links, &n, &spare);
    bool again = archive_entry_hardlink(n) != NULL;
    if (!again && st->st_blocks * 512 < st->st_size)
        find_holes(n, fd, st->st_size);
    int r = put_header(w, n, e);
    struct stat now;
    if (r == 0 && !again)
        r = put_body(w, n, fd, changed, e);
    if (r == 0 && !again && fstat(fd, &now) == 0 && now.st_size != st->st_size)
        *changed = true;
    archive_entry_free(n);
    return r;
}

int writer_end(struct writer *w, struct err *e)
{
    if (archive_write_close(w->a) != ARCHIVE_OK)
        return refused(w, e);
    return fsync(w->fd) == 0 ? 0 : err_set(e, errno, "fsync the archive", "%s", "");
}

uint64_t writer_bytes(const struct writer *w) { return w->bytes; }
uint64_t writer_entries(const struct writer *w) { return w->entries; }
