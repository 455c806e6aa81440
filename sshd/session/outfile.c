#include "sshd/session/outfile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

void outfile_opened(struct outfile *o, struct files *files, struct msg *answer)
{
    *o = (struct outfile){ .files = files, .number = msg_get_u32(answer) };
    o->end = msg_get_u64(answer);
    o->high = block_up(o->end);
    granted(o, msg_get_u64(answer));
    o->made = msg_get_u32(answer) != 0;
    o->fd = msg_get_fd(answer);
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

static void lease_begin(struct msg *m, const struct outfile *o, uint64_t more)
{
    files_begin(m, FILES_LEASE);
    msg_put_u32(m, o->number);
    msg_put_u64(m, o->lease);
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

/* The bytes it is about are here and have nowhere else to go: it is waited for.  MORE 0 asks for the words of a full disk. */
static void lease(struct outfile *o, uint64_t more, struct refusal *r)
{
    struct msg m;
    struct asking a = { o, r };
    if (!settled(o, r) || (more > 0 && more <= o->lease))
        return;
    lease_begin(&m, o, more > 0 ? more - o->lease : 0);
    files_ask_now(o->files, &m, lease_answered, &a);
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
   what is left is granted at a time, it is asked when it is needed and not before. */
static void look_ahead(struct outfile *o)
{
    struct msg m;
    if (!o->plenty || o->refill || o->lease >= AHEAD)
        return;
    struct refill *f = mem_new(sizeof *f);
    f->file = o;
    o->refill = f;
    lease_begin(&m, o, 1);
    f->id = files_ask(o->files, &m, refilled, f);
}

static void forget_refill(struct outfile *o)
{
    if (o->refill)
        o->refill->file = NULL;
    o->refill = NULL;
}

void outfile_full(struct outfile *o, struct refusal *r)
{
    lease(o, 0, r);
}

void outfile_spent(struct outfile *o)
{
    forget_refill(o);
    o->lease = 0;
}

/* What the write needs beyond the high-water mark, in whole blocks.  The mark moves only where writes join it: a hole left behind may want its
   blocks later. */
uint32_t outfile_charge(struct outfile *o, uint64_t offset, uint32_t size, struct refusal *r)
{
    uint32_t fits = UINT32_MAX;
    uint64_t end = block_up(offset + size);
    o->end = offset + size > o->end ? offset + size : o->end;
    if (size == 0 || end <= o->high)
        return fits;
    uint64_t from = block_down(offset) > o->high ? block_down(offset) : o->high;
    uint64_t need = end - from;
    if (need > o->lease)
        lease(o, need, r);
    if (r->status)
        return 0;
    /* The last of the disk is used up, as the kernel would: what fits is written. */
    if (need > o->lease) {
        end = from + o->lease;
        fits = end > offset ? (uint32_t)(end - offset) : 0;
        need = o->lease;
    }
    o->lease -= need;
    if (offset <= o->high)
        o->high = end;
    look_ahead(o);
    return fits;
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
