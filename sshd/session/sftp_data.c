#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "sshd/proto.h"
#include "sshd/session/channel.h"
#include "sshd/session/sftp.h"

enum { DATA_HEAD = 4 + 1 + 4 + 4 };

static struct sftp_handle *file_of(struct sftp *f, const uint8_t *bytes, size_t size, uint32_t *i, const char **why)
{
    struct sftp_handle *h = sftp_handle_of(f, bytes, size, i);
    if (h == NULL)
        *why = "no such handle";
    else if (h->kind == HANDLE_DEAD)
        *why = "closed: your rights on this server have changed, or its worker has ended";
    else if (h->kind != HANDLE_FILE)
        *why = "not a file";
    else
        return h;
    return NULL;
}

static uint32_t status_of(const struct sftp_handle *h)
{
    return h && h->kind == HANDLE_DEAD ? FX_PERMISSION_DENIED : FX_FAILURE;
}

static void put_u32(uint8_t *p, uint32_t v)
{
    const uint8_t bytes[4] = { (uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v };
    memcpy(p, bytes, sizeof bytes);
}

/* From the disk right behind a head in the channel's queue: no byte is copied on the way. */
static void read_into(struct sftp *f, uint32_t id, const struct sftp_handle *h, uint64_t offset, uint32_t want)
{
    uint8_t *p = channel_reserve(f->channel, DATA_HEAD + want);
    ssize_t n;
    do
        n = pread(h->fd, p + DATA_HEAD, want, (off_t)offset);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        sftp_status(f, id, FX_FAILURE, errno == EBADF ? "the handle is not open for reading" : strerror(errno));
    else if (n == 0 && want > 0)
        sftp_status(f, id, FX_EOF, "End of file");
    else {
        put_u32(p, (uint32_t)n + DATA_HEAD - 4);
        p[4] = FXP_DATA;
        put_u32(p + 5, id);
        put_u32(p + 9, (uint32_t)n);
        channel_wrote(f->channel, DATA_HEAD + (size_t)n);
    }
}

enum sftp_result sftp_read(struct sftp *f, uint32_t id, struct buf *p)
{
    size_t size;
    uint32_t i;
    const char *why = NULL;
    const uint8_t *bytes = buf_get_bytes(p, &size);
    uint64_t offset = buf_get_u64(p);
    uint32_t want = buf_get_u32(p);
    if (!sftp_fields(f, p))
        return SFTP_DONE;
    struct sftp_handle *h = file_of(f, bytes, size, &i, &why);
    if (h == NULL)
        sftp_status(f, id, status_of(sftp_handle_of(f, bytes, size, &i)), why);
    else if (h->busy)
        return SFTP_WAIT;
    else if (offset > INT64_MAX)
        sftp_status(f, id, FX_EOF, "End of file");
    else
        read_into(f, id, h, offset, want < SFTP_DATA_MOST ? want : SFTP_DATA_MOST);
    return SFTP_DONE;
}

static void refuse(struct sftp *f, uint32_t status, const char *text)
{
    f->write.status = status;
    snprintf(f->write.text, sizeof f->write.text, "%s", text);
}

static void leased(struct sftp *f, struct sftp_call *c, struct msg *answer)
{
    f->handles[c->handle].lease = msg_get_u64(answer);
}

static void lease_answered(void *data, uint32_t status, const char *text, struct msg *answer)
{
    struct sftp_call *c = data;
    c->server->asked--;
    if (answer)
        leased(c->f, c, answer);
    else
        refuse(c->f, status, text);
}

/* The one request that is waited for: the payload behind it is here and has nowhere else to go.  MORE 0 asks for the words of a full disk. */
static void lease(struct sftp *f, uint32_t i, uint64_t more)
{
    struct msg m;
    struct sftp_handle *h = &f->handles[i];
    struct sftp_call c = { .f = f, .server = h->server, .handle = (int)i };
    c.server->asked++;
    h->lease = 0;
    files_begin(&m, FILES_LEASE);
    msg_put_u32(&m, h->number);
    msg_put_u64(&m, h->high);
    msg_put_u64(&m, more);
    files_ask_now(h->server->files, &m, lease_answered, &c);
}

static uint64_t block_down(uint64_t n)
{
    return n / SFTP_BLOCK * SFTP_BLOCK;
}

/* What the write needs beyond the high-water mark, in whole blocks.  The mark moves only where writes join it: a hole left behind may want its
   blocks later. */
static void charge(struct sftp *f, struct sftp_handle *h, uint32_t i, uint64_t offset, uint32_t size)
{
    uint64_t end = block_down(offset + size + SFTP_BLOCK - 1);
    if (size == 0 || end <= h->high)
        return;
    uint64_t from = block_down(offset) > h->high ? block_down(offset) : h->high;
    uint64_t need = end - from;
    if (need > h->lease)
        lease(f, i, need);
    if (f->write.status)
        return;
    /* The last of the disk is used up, as the kernel would: what fits is written. */
    if (need > h->lease) {
        end = from + h->lease;
        f->write.fits = end > offset ? (uint32_t)(end - offset) : 0;
        need = h->lease;
    }
    h->lease -= need;
    if (offset <= h->high)
        h->high = end;
}

enum sftp_result sftp_write_begin(struct sftp *f, struct buf *head)
{
    size_t size;
    uint32_t i = 0;
    const char *why = NULL;
    buf_get_u8(head);
    uint32_t id = buf_get_u32(head);
    const uint8_t *bytes = buf_get_bytes(head, &size);
    uint64_t offset = buf_get_u64(head);
    uint32_t left = buf_get_u32(head);
    struct sftp_handle *h = file_of(f, bytes, size, &i, &why);
    if (h && h->busy)
        return SFTP_WAIT;
    f->write = (struct sftp_write){ .on = true, .id = id, .handle = i, .offset = offset, .left = left,
                                    .fits = UINT32_MAX };
    if (h == NULL)
        refuse(f, status_of(sftp_handle_of(f, bytes, size, &i)), why);
    else if ((h->flags & (FXF_WRITE | FXF_APPEND)) == 0)
        refuse(f, FX_PERMISSION_DENIED, "the handle is not open for writing");
    else if (offset > INT64_MAX - UINT32_MAX)
        refuse(f, FX_FAILURE, "file too large");
    else {
        f->write.generation = h->generation;
        if (h->flags & FXF_APPEND)
            f->write.offset = h->end;
        charge(f, h, i, f->write.offset, left);
        h->end = f->write.offset + left > h->end ? f->write.offset + left : h->end;
    }
    if (left == 0)
        sftp_write_data(f, NULL, 0);
    return SFTP_DONE;
}

static void write_failed(struct sftp *f, int no)
{
    const struct sftp_handle *h = &f->handles[f->write.handle];
    if ((no == ENOSPC || no == EDQUOT) && h->kind == HANDLE_FILE && h->generation == f->write.generation)
        lease(f, f->write.handle, 0);
    else
        refuse(f, FX_FAILURE, no == EFBIG ? "file too large" : strerror(no));
}

static void write_part(struct sftp *f, const uint8_t *bytes, size_t size)
{
    struct sftp_handle *h = &f->handles[f->write.handle];
    if (h->kind != HANDLE_FILE || h->generation != f->write.generation) {
        refuse(f, FX_PERMISSION_DENIED, "closed: your rights on this server have changed, or its worker has ended");
        return;
    }
    uint64_t offset = f->write.offset;
    while (size > 0) {
        ssize_t n = pwrite(h->fd, bytes, size, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            write_failed(f, errno);
            return;
        }
        bytes += n;
        size -= (size_t)n;
        offset += (size_t)n;
        h->written += (size_t)n;
    }
}

size_t sftp_write_data(struct sftp *f, const uint8_t *bytes, size_t size)
{
    struct sftp_write *w = &f->write;
    size = size < w->left ? size : w->left;
    uint32_t part = size < w->fits ? (uint32_t)size : w->fits;
    if (w->status == FX_OK && part > 0)
        write_part(f, bytes, part);
    if (w->status == FX_OK && part < size)
        write_failed(f, ENOSPC);
    w->fits -= w->fits == UINT32_MAX ? 0 : part;
    w->offset += size;
    w->left -= (uint32_t)size;
    if (w->left == 0) {
        w->on = false;
        sftp_status(f, w->id, w->status, w->status ? w->text : "Success");
    }
    return size;
}
