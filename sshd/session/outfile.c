#include "sshd/session/outfile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "sshd/attrs.h"
#include "sshd/proto.h"
#include "sshd/session/files_client.h"

enum {
    BLOCK = 4096,              /* leases are counted in these */
    AHEAD = 512 * 1024,        /* with less of it left, the next is asked for */
};

static uint64_t block_down(uint64_t n)
{
    return n / BLOCK * BLOCK;
}

static uint64_t block_up(uint64_t n)
{
    return n > UINT64_MAX - BLOCK ? UINT64_MAX : block_down(n + BLOCK - 1);
}

void refuse(struct refusal *r, uint32_t status, const char *text)
{
    r->status = status;
    snprintf(r->text, sizeof r->text, "%s", text);
}

static void granted(struct outfile *o, uint64_t bytes)
{
    o->lease += bytes;
    o->plenty = bytes >= AHEAD;
}

uint64_t outfile_end(struct outfile *o)
{
    struct stat st;
    if (fstat(o->fd, &st) == 0)
        o->end = (uint64_t)st.st_size;
    return o->end;
}

void outfile_opened(struct outfile *o, struct files *files, struct msg *answer)
{
    *o = (struct outfile){ .files = files, .number = msg_get_u32(answer) };
    o->high = block_up(msg_get_u64(answer));
    granted(o, msg_get_u64(answer));
    o->made = msg_get_u32(answer) != 0;
    o->fd = msg_get_fd(answer);
    /* What was made just now ends where it begins: a folder of small files is spared the call. */
    if (!o->made)
        outfile_end(o);
}

/* A lease asked for ahead of need.  Outlives its file when that is closed first. */
struct refill {
    struct outfile *file;   /* NULL: nobody wants it any more; the worker takes it back with the rest */
    uint32_t id;
};

struct asking {
    struct outfile *file;
    struct refusal *refusal;
};

static void lease_begin(struct msg *m, const struct outfile *o, uint64_t paid, uint64_t more)
{
    files_begin(m, FILES_LEASE);
    msg_put_u32(m, o->number);
    msg_put_u64(m, o->lease + paid);
    msg_put_u64(m, more);
}

static void lease_answered(void *data, uint32_t status, const char *text, struct msg *answer)
{
    const struct asking *a = data;
    if (answer)
        granted(a->file, msg_get_u64(answer));
    else
        refuse(a->refusal, status, text);
}

/* What is asked ahead counts from the lease that is left when it is asked: its answer comes first, or both sides would count on their own. */
static bool settled(struct outfile *o, struct refusal *r)
{
    if (o->refill == NULL || files_wait(o->files, o->refill->id))
        return true;
    refuse(r, FX_FAILURE, "the worker for this server's files has ended; try again");
    return false;
}

/* The bytes it is about are here and have nowhere else to go: it is waited for.  MORE 0 asks for the words of a full disk.  False when the worker
   has gone, and O may have with it. */
static bool lease(struct outfile *o, uint64_t more, struct refusal *r)
{
    struct msg m;
    struct asking a = { o, r };
    if (!settled(o, r))
        return false;
    if (more > 0 && more <= o->lease)
        return true;
    lease_begin(&m, o, 0, more > 0 ? more - o->lease : 0);
    return files_ask_now(o->files, &m, lease_answered, &a);
}

static void refilled(void *data, uint32_t status UNUSED, const char *text UNUSED, struct msg *answer)
{
    struct refill *f = data;
    uint64_t bytes = answer ? msg_get_u64(answer) : 0;
    if (f->file) {
        f->file->refill = NULL;
        granted(f->file, bytes);
    }
    free(f);
}

/* A round trip for each MiB, with client and disk waiting for it, was three parts in a hundred of an upload.  Near the limit, where an eighth of
   what is left is granted at a time, it is asked when it is needed and not before.  PAID is charged and not yet on the disk: it counts as left, or
   others would be granted it as well. */
static void look_ahead(struct outfile *o, uint64_t paid)
{
    struct msg m;
    if (!o->plenty || o->refill || o->lease >= AHEAD)
        return;
    struct refill *f = mem_new(sizeof *f);
    f->file = o;
    o->refill = f;
    lease_begin(&m, o, paid, 1);
    uint32_t id = files_ask(o->files, &m, refilled, f);
    if (o->refill)
        o->refill->id = id;
}

static void forget_refill(struct outfile *o)
{
    if (o->refill)
        o->refill->file = NULL;
    o->refill = NULL;
}

/* What is out is not wanted now.  With more of it on its way both sides would count on their own: then it goes back another time. */
static void give_back(struct outfile *o)
{
    struct msg m;
    if (o->lease == 0 || o->refill || o->files == NULL)
        return;
    files_begin(&m, FILES_GIVE);
    msg_put_u32(&m, o->number);
    msg_put_u64(&m, o->lease);
    o->lease = 0;
    files_tell(o->files, &m);
}

void outfile_full(struct outfile *o, struct refusal *r)
{
    if (settled(o, r))
        give_back(o);
    lease(o, 0, r);
}

void outfile_spent(struct outfile *o)
{
    forget_refill(o);
    o->lease = 0;
}

/* Whether all of FROM up to TO has its blocks: another may have cut the file since we wrote there, and a hole wants blocks wherever it is. */
static bool has_blocks(const struct outfile *o, uint64_t from, uint64_t to)
{
    struct stat st;
    if (fstat(o->fd, &st) < 0 || to > block_up((uint64_t)st.st_size))
        return false;
    uint64_t size = (uint64_t)st.st_size;
    bool whole = (uint64_t)st.st_blocks * 512 >= size;
    if (whole && to <= o->high)
        return true;
    off_t hole = lseek(o->fd, (off_t)from, SEEK_HOLE);
    if (hole < 0 || block_up((uint64_t)hole) < to)
        return false;
    /* A file system that knows nothing of holes names the end, even where blocks are missing. */
    return whole || (uint64_t)lseek(o->fd, 0, SEEK_HOLE) < size;
}

/* A write that must be paid for: NEED bytes from FROM on, in whole blocks.  The mark moves only where writes join it: a hole left behind may want
   its blocks later. */
static uint32_t pay(struct outfile *o, uint64_t offset, uint64_t from, uint64_t need, struct refusal *r)
{
    uint32_t fits = UINT32_MAX;
    if (need > o->lease && !lease(o, need, r))
        return 0;
    /* The last of the disk is used up, as the kernel would: what fits is written. */
    if (need > o->lease) {
        need = block_down(o->lease);
        fits = from + need > offset ? (uint32_t)(from + need - offset) : 0;
        if (fits > 0)
            r->status = FX_OK;
    }
    if (r->status)
        return 0;
    o->lease -= need;
    if (offset <= o->high && from + need > o->high)
        o->high = from + need;
    look_ahead(o, need);
    return fits;
}

/* Where the end will be when the kernel gets there is known to it alone: as many blocks as SIZE bytes can take, unless there are none left and the
   last one has room. */
static uint32_t pay_append(struct outfile *o, uint64_t offset, uint32_t size, struct refusal *r)
{
    bool joins = offset == block_down(offset) || has_blocks(o, block_down(offset), block_up(offset));
    uint64_t need = block_up(size) + (joins ? 0 : BLOCK);
    if (need > o->lease && !lease(o, need, r))
        return 0;
    if (need <= o->lease) {
        o->lease -= need;
        look_ahead(o, need);
        return UINT32_MAX;
    }
    uint64_t room = (joins ? block_up(offset) - offset : 0) + block_down(o->lease);
    if (room > 0)
        *r = (struct refusal){ .status = FX_OK };
    o->lease -= block_down(o->lease);
    return room < size ? (uint32_t)room : UINT32_MAX;
}

uint32_t outfile_charge(struct outfile *o, uint64_t offset, uint32_t size, struct refusal *r)
{
    uint64_t end = block_up(offset + size), was = o->end;
    o->end = offset + size > o->end ? offset + size : o->end;
    if (size == 0)
        return UINT32_MAX;
    if (o->append)
        return pay_append(o, offset, size, r);
    if (end <= block_up(was) && has_blocks(o, block_down(offset), end)) {
        if (offset < was)
            give_back(o);
        return UINT32_MAX;
    }
    /* Below the mark and yet without blocks: the mark is not true any more. */
    if (end <= o->high)
        o->high = block_down(offset);
    uint64_t from = block_down(offset);
    if (from < o->high && has_blocks(o, from, o->high))
        from = o->high;
    return pay(o, offset, from, end - from, r);
}

bool outfile_write(struct outfile *o, const uint8_t *bytes, size_t size, uint64_t offset, struct refusal *r)
{
    while (size > 0) {
        ssize_t n = pwrite(o->fd, bytes, size, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == ENOSPC || errno == EDQUOT))
            outfile_full(o, r);
        else if (n < 0)
            refuse(r, FX_FAILURE, errno == EFBIG ? "file too large" : strerror(errno));
        if (n < 0)
            return false;
        bytes += n;
        size -= (size_t)n;
        offset += (size_t)n;
        o->written += (size_t)n;
    }
    return true;
}

void outfile_resized(struct outfile *o, uint64_t size)
{
    o->end = size;
    if (o->high > block_up(size))
        o->high = block_up(size);
    give_back(o);
}

void outfile_close(struct outfile *o)
{
    struct msg m;
    if (o->fd >= 0)
        close(o->fd);
    o->fd = -1;
    forget_refill(o);
    if (o->files == NULL)
        return;
    files_begin(&m, FILES_CLOSE);
    msg_put_u32(&m, o->number);
    msg_put_u64(&m, o->lease);
    files_tell(o->files, &m);
}
