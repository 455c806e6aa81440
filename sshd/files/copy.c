#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/die.h"
#include "sshd/files/failure.h"
#include "sshd/files/handle.h"
#include "sshd/files/requests.h"
#include "sshd/files/space.h"

/* Bytes of one request: the session asks again, and others have their turn in between. */
enum { SLICE = 4 * 1024 * 1024 };

struct copying {
    struct handle *from, *to;
    struct stat from_st, to_st;
    uint64_t from_at, to_at, size;
};

static struct handle *file(struct worker *w, uint32_t number)
{
    struct handle *h = handle_get(w->handles, number);
    if (h->list)
        die("peer broke a rule: a directory is copied as a file");
    return h;
}

/* How much of the slice the disk has room for, with *LEASE taken for it. */
static uint64_t room(struct worker *w, const struct copying *c, uint64_t *lease)
{
    uint64_t high = space_blocks(w, space_high(c->to->fd, &c->to_st)), end = c->to_at + c->size;
    if (end <= high)
        return c->size;
    uint64_t from = c->to_at > high ? c->to_at - c->to_at % w->block : high;
    *lease = space_take(w, end - from);
    uint64_t last = from + *lease;
    return last >= end ? c->size : last > c->to_at ? last - c->to_at : 0;
}

static int copy(struct worker *w, struct copying *c, uint64_t *copied)
{
    loff_t from = (loff_t)c->from_at, to = (loff_t)c->to_at;
    ssize_t n = copy_file_range(c->from->fd, &from, c->to->fd, &to, c->size, 0);
    if (n < 0)
        return fail_errno(w, errno);
    *copied = (uint64_t)n;
    return 0;
}

static int slice(struct worker *w, struct copying *c, uint64_t *copied)
{
    uint64_t size = (uint64_t)c->from_st.st_size, lease = 0;
    if (c->from_at >= size)
        return 0;
    c->size = c->size < size - c->from_at ? c->size : size - c->from_at;
    /* What the file had out was counted for writes that are done, or will ask again. */
    space_wrote(w, c->to->leased);
    c->to->leased = 0;
    c->size = room(w, c, &lease);
    int r = c->size ? copy(w, c, copied) : fail_space(w);
    uint64_t wrote = *copied < lease ? *copied : lease;
    space_wrote(w, wrote);
    space_give(w, lease - wrote);
    return r;
}

int files_copy(struct worker *w, struct msg *m, struct msg *answer)
{
    struct copying c = { .size = SLICE };
    uint64_t copied = 0;
    c.from = file(w, msg_get_u32(m));
    c.from_at = msg_get_u64(m);
    uint64_t most = msg_get_u64(m);
    c.to = file(w, msg_get_u32(m));
    c.to_at = msg_get_u64(m);
    msg_end(m);
    c.size = most < c.size ? most : c.size;
    if (c.to_at > INT64_MAX - SLICE)
        return fail_errno(w, EFBIG);
    if (fstat(c.from->fd, &c.from_st) < 0 || fstat(c.to->fd, &c.to_st) < 0)
        return fail_errno(w, errno);
    if (c.from_st.st_dev == c.to_st.st_dev && c.from_st.st_ino == c.to_st.st_ino)
        return fail(w, FX_FAILURE, "source and destination are the same file");
    if (slice(w, &c, &copied) < 0)
        return -1;
    msg_put_u64(answer, copied);
    return 0;
}
