#include "quota/quotafs/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/mem.h"
#include "quota/quotafs/extent.h"

/* So much may be charged that was not needed before somebody looks. */
#define PENDING_MOST (4ull << 20)

enum { CLOSE_NS = 2000000, CLOSE_TRIES = 20 };
static _Atomic unsigned closing;

/* All that are open; their fields next and prev. */
static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static struct file *files;

static void list_add(struct file *f)
{
    pthread_mutex_lock(&list_lock);
    f->next = files;
    if (files)
        files->prev = f;
    files = f;
    pthread_mutex_unlock(&list_lock);
}

static void list_remove(struct file *f)
{
    pthread_mutex_lock(&list_lock);
    *(f->prev ? &f->prev->next : &files) = f->next;
    if (f->next)
        f->next->prev = f->prev;
    pthread_mutex_unlock(&list_lock);
}

/* ---- what it costs ---- */

/* With the file's lock. */
static void settle(struct fs *fs, struct file *f, bool flushed)
{
    struct stat st;
    uint64_t taken, real;
    if (fstat(f->fd, &st) < 0)
        return;
    charge_settle(&f->charge, blocks_of(&st), flushed, &taken, &real);
    ledger_settle(&fs->ledger, taken, real);
}

void file_settle(struct fs *fs, struct file *f, bool flushed)
{
    pthread_mutex_lock(&f->lock);
    settle(fs, f, flushed);
    pthread_mutex_unlock(&f->lock);
}

static void flush(struct fs *fs, struct file *f)
{
    file_settle(fs, f, fdatasync(f->fd) == 0);
}

/* Without any file's lock.  Whether there may soon be more: a file without a name is open, or being closed. */
static bool settle_all(struct fs *fs)
{
    bool nameless = closing > 0;
    pthread_mutex_lock(&list_lock);
    for (struct file *f = files; f; f = f->next) {
        nameless = nameless || f->node->links == 0;
        pthread_mutex_lock(&f->lock);
        if (f->charge.pending)
            settle(fs, f, false);
        pthread_mutex_unlock(&f->lock);
    }
    pthread_mutex_unlock(&list_lock);
    return nameless;
}

/* The kernel tells of a file's last close after close(2) has come back: who closed one that has no name, and writes another, is not to meet the
   first one's blocks.  TRY again as often as that may help. */
static bool insist(struct fs *fs, bool (*try)(struct fs *, void *), void *data)
{
    for (int i = 0; i < CLOSE_TRIES; i++) {
        bool nameless = settle_all(fs);
        if (try(fs, data))
            return true;
        if (!nameless)
            return false;
        nanosleep(&(struct timespec){ .tv_nsec = CLOSE_NS }, NULL);
    }
    return false;
}

struct want { uint64_t bytes, inodes; };

static bool try_take(struct fs *fs, void *data)
{
    const struct want *w = data;
    return ledger_take(&fs->ledger, w->bytes, w->inodes);
}

bool space_take(struct fs *fs, uint64_t bytes, uint64_t inodes)
{
    struct want w = { bytes, inodes };
    return try_take(fs, &w) || insist(fs, try_take, &w);
}

/* ---- open ---- */

static struct file *again(struct node *n)
{
    if (n->file) {
        n->file->opens++;
        n->uses++;
    }
    return n->file;
}

struct file *file_again(struct fs *fs, struct node *n)
{
    pthread_mutex_lock(&fs->nodes.lock);
    struct file *f = n->type == S_IFREG ? again(n) : NULL;
    pthread_mutex_unlock(&fs->nodes.lock);
    return f;
}

static struct file *make(struct node *n, int fd)
{
    struct file *f = mem_new(sizeof *f);
    *f = (struct file){ .node = n, .fd = fd };
    pthread_mutex_init(&f->lock, NULL);
    n->file = f;
    return f;
}

/* With the file's lock. */
static void look(struct fs *fs, struct file *f, const struct stat *known)
{
    struct stat st = { 0 };
    if (known)
        st = *known;
    else if (fstat(f->fd, &st) < 0)
        return charge_open(&f->charge, UINT64_MAX, f->node->real, 0);
    off_t hole = st.st_size ? lseek(f->fd, 0, SEEK_HOLE) : 0;
    /* What the ledger has of it may be older than what the disk says. */
    ledger_settle(&fs->ledger, f->node->real, blocks_of(&st));
    charge_open(&f->charge, (uint64_t)st.st_size, blocks_of(&st), hole > 0 ? (uint64_t)hole : 0);
}

struct file *file_open(struct fs *fs, struct node *n, int fd, const struct stat *st)
{
    pthread_mutex_lock(&fs->nodes.lock);
    bool first = !n->file;
    struct file *f = first ? make(n, fd) : n->file;
    again(n);
    if (first) {
        pthread_mutex_lock(&f->lock);
        list_add(f);
    }
    pthread_mutex_unlock(&fs->nodes.lock);
    if (first) {
        look(fs, f, st);
        pthread_mutex_unlock(&f->lock);
    } else {
        close(fd);
    }
    return f;
}

/* One that was unlinked costs what it cost until it is closed. */
static void end(struct fs *fs, struct file *f)
{
    close(f->fd);
    pthread_mutex_lock(&fs->nodes.lock);
    if (f->node->links == 0 && !f->node->file)
        node_give(&fs->nodes, f->node);
    f->node->uses--;
    node_let_go(&fs->nodes, f->node);
    pthread_mutex_unlock(&fs->nodes.lock);
    pthread_mutex_destroy(&f->lock);
    free(f);
}

void file_close(struct fs *fs, struct file *f)
{
    pthread_mutex_lock(&f->lock);
    bool pending = f->charge.pending > 0, slack = f->charge.slack > 0;
    pthread_mutex_unlock(&f->lock);
    /* The next to open it looks at the disk: it must say the same as we do. */
    if (slack && f->node->links)
        flush(fs, f);
    else if (pending)
        file_settle(fs, f, false);
    pthread_mutex_lock(&fs->nodes.lock);
    bool last = --f->opens == 0;
    if (last) {
        closing++;
        list_remove(f);
        f->node->file = NULL;
        f->node->real = charge_sum(&f->charge);
    } else {
        f->node->uses--;
    }
    pthread_mutex_unlock(&fs->nodes.lock);
    if (last) {
        end(fs, f);
        closing--;
    }
}

/* ---- write ---- */

static bool take(struct fs *fs, struct charge_need n)
{
    return ledger_take(&fs->ledger, n.data + n.slack, 0);
}

struct ask { struct file *file; uint64_t off, len; struct charge_need *need; };

static bool as_charged(struct fs *fs, void *data)
{
    const struct ask *a = data;
    struct file *f = a->file;
    pthread_mutex_lock(&f->lock);
    *a->need = charge_need(&f->charge, a->off, a->len, fs->unit);
    bool got = take(fs, *a->need);
    if (got)
        charge_begin(&f->charge, a->need);
    pthread_mutex_unlock(&f->lock);
    return got;
}

/* What the disk itself says that it needs. */
static bool exactly_needed(struct fs *fs, struct file *f, uint64_t off, uint64_t len, struct charge_need *n)
{
    uint64_t missing = extent_missing(f->fd, off, len, fs->unit, true);
    bool few = extent_few(f->fd);
    pthread_mutex_lock(&f->lock);
    if (missing == 0 || few)
        n->slack = 0;
    n->data = n->data < missing ? n->data : missing;
    bool got = take(fs, *n);
    if (got)
        charge_begin(&f->charge, n);
    pthread_mutex_unlock(&f->lock);
    return got;
}

/* As many of the first bytes as there is room for. */
static bool partly(struct fs *fs, struct file *f, uint64_t off, uint64_t *len, struct charge_need *n)
{
    bool few = extent_few(f->fd);
    pthread_mutex_lock(&f->lock);
    *n = charge_need(&f->charge, off, *len, fs->unit);
    n->slack = few ? 0 : n->slack;
    uint64_t got = ledger_take_most(&fs->ledger, n->data + n->slack, fs->unit);
    uint64_t fits = got > n->slack ? charge_fits(&f->charge, off, got - n->slack, fs->unit) : 0;
    if (fits == 0) {
        ledger_give(&fs->ledger, got, 0);
    } else {
        n->data = got - n->slack;
        *len = fits < *len ? fits : *len;
        charge_begin(&f->charge, n);
    }
    pthread_mutex_unlock(&f->lock);
    return fits > 0;
}

static bool reserve(struct fs *fs, struct file *f, uint64_t off, uint64_t *len, bool whole, struct charge_need *n)
{
    struct ask a = { f, off, *len, n };
    if (as_charged(fs, &a) || insist(fs, as_charged, &a))
        return true;
    flush(fs, f);
    return as_charged(fs, &a) || exactly_needed(fs, f, off, *len, n) || (!whole && partly(fs, f, off, len, n));
}

/* The disk's page cache keeps what one call brings in folios as large, and ext4 walks all the blocks of a folio for each write to a part of it. */
#define FOLIO_MOST (64u << 10)

static int write_all(int fd, const uint8_t *bytes, uint64_t size, uint64_t off, size_t *done)
{
    *done = 0;
    while (*done < size) {
        uint64_t left = size - *done, piece = FOLIO_MOST - (off + *done) % FOLIO_MOST;
        ssize_t n = pwrite(fd, bytes + *done, left < piece ? left : piece, (off_t)(off + *done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return *done ? 0 : n < 0 ? errno : EIO;
        *done += (size_t)n;
    }
    return 0;
}

int file_write(struct fs *fs, struct file *f, const void *bytes, uint64_t size, uint64_t off, bool whole, size_t *done)
{
    struct charge_need n;
    if (size > INT64_MAX || off > INT64_MAX - size)
        return EFBIG;
    if (!reserve(fs, f, off, &size, whole, &n))
        return ENOSPC;
    int no = write_all(f->fd, bytes, size, off, done);
    pthread_mutex_lock(&f->lock);
    charge_end(&f->charge, &n, off, *done);
    if (f->charge.pending > PENDING_MOST || no)
        settle(fs, f, false);
    pthread_mutex_unlock(&f->lock);
    return no;
}

/* ---- other changes ---- */

int file_truncate(struct fs *fs, struct file *f, uint64_t size)
{
    if (size > INT64_MAX)
        return EINVAL;
    /* The same size as well may give blocks back: those reserved behind it. */
    int no = ftruncate(f->fd, (off_t)size) < 0 ? errno : 0;
    pthread_mutex_lock(&f->lock);
    charge_cut(&f->charge, size);
    settle(fs, f, false);
    pthread_mutex_unlock(&f->lock);
    return no;
}

enum { CUT_BLOCKS = 2, NOTES = 4 };   /* blocks that note where pieces lie, besides one for each PIECES */
#define PIECES (128ull << 20)

static uint64_t allocation(struct fs *fs, struct file *f, int mode, uint64_t off, uint64_t len, bool exact)
{
    uint64_t notes = (NOTES + len / PIECES / 64) * fs->unit;
    uint64_t end = off + len, from = off - off % fs->unit;
    end += (fs->unit - end % fs->unit) % fs->unit;
    if (mode & FALLOC_FL_PUNCH_HOLE)
        /* Who frees more than it needs is let through: a full server must get empty. */
        return exact && end - from - extent_missing(f->fd, off, len, fs->unit, false) >= notes + 2 * fs->unit ? 0 : notes;
    bool zero = mode & FALLOC_FL_ZERO_RANGE;
    uint64_t blocks = exact ? extent_missing(f->fd, off, len, fs->unit, false) : end - from;
    return blocks == 0 && exact && !zero ? 0 : blocks + notes;
}

static bool reserve_allocation(struct fs *fs, struct file *f, int mode, uint64_t off, uint64_t len, uint64_t *taken)
{
    *taken = allocation(fs, f, mode, off, len, false);
    if (space_take(fs, *taken, 0))
        return true;
    *taken = allocation(fs, f, mode, off, len, true);
    return space_take(fs, *taken, 0);
}

int file_allocate(struct fs *fs, struct file *f, int mode, uint64_t off, uint64_t len)
{
    static const int known[] = {
        0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, FALLOC_FL_ZERO_RANGE, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
    };
    size_t i = 0;
    uint64_t taken;
    while (i < countof(known) && known[i] != mode)
        i++;
    if (i == countof(known))
        return EOPNOTSUPP;
    if (off > INT64_MAX || len > INT64_MAX - off - fs->unit)
        return EFBIG;
    if (!reserve_allocation(fs, f, mode, off, len, &taken))
        return ENOSPC;
    /* What was written before and is not on the disk yet may lie in more pieces now: the close is to flush. */
    struct charge_need n = { .slack = taken < CUT_BLOCKS * fs->unit ? taken : CUT_BLOCKS * fs->unit };
    n.data = taken - n.slack;
    pthread_mutex_lock(&f->lock);
    charge_begin(&f->charge, &n);
    pthread_mutex_unlock(&f->lock);
    int no = fallocate(f->fd, mode, (off_t)off, (off_t)len) < 0 ? errno : 0;
    pthread_mutex_lock(&f->lock);
    charge_cut(&f->charge, off);
    charge_end(&f->charge, &n, f->charge.solid, 0);
    /* What was reserved but not written is noted in pieces when it is. */
    f->charge.pieces += f->charge.pieces < NOTES ? NOTES : 0;
    settle(fs, f, false);
    pthread_mutex_unlock(&f->lock);
    if (taken == 0)
        flush(fs, f);
    return no;
}

int file_sync(struct fs *fs, struct file *f, bool data_only)
{
    if ((data_only ? fdatasync(f->fd) : fsync(f->fd)) < 0)
        return errno;
    file_settle(fs, f, true);
    return 0;
}
