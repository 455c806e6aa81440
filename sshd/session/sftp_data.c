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
void sftp_read_into(struct sftp *f, uint32_t id, int fd, uint64_t offset, uint32_t want)
{
    uint8_t *p = channel_reserve(f->channel, DATA_HEAD + want);
    ssize_t n;
    do
        n = pread(fd, p + DATA_HEAD, want, (off_t)offset);
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
        sftp_read_into(f, id, h->file.fd, offset, want < SFTP_DATA_MOST ? want : SFTP_DATA_MOST);
    return SFTP_DONE;
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
    struct sftp_handle *v = sftp_virtual_handle(f, bytes, size, &i);
    if (v) {
        f->write.generation = v->generation;
        why = sftp_virtual_write_begin(v, &f->write.offset, left);
        if (why)
            refuse(&f->write.refusal, FX_FAILURE, why);
    } else if (h == NULL)
        refuse(&f->write.refusal, status_of(sftp_handle_of(f, bytes, size, &i)), why);
    else if ((h->flags & (FXF_WRITE | FXF_APPEND)) == 0)
        refuse(&f->write.refusal, FX_PERMISSION_DENIED, "the handle is not open for writing");
    else if (offset > INT64_MAX - UINT32_MAX)
        refuse(&f->write.refusal, FX_FAILURE, "file too large");
    else {
        f->write.generation = h->generation;
        if (h->flags & FXF_APPEND)
            f->write.offset = outfile_end(&h->file);
        f->write.fits = outfile_charge(&h->file, f->write.offset, left, &f->write.refusal);
    }
    if (left == 0)
        sftp_write_data(f, NULL, 0);
    return SFTP_DONE;
}

static void write_part(struct sftp *f, const uint8_t *bytes, size_t size, size_t fits)
{
    struct sftp_write *w = &f->write;
    struct sftp_handle *h = &f->handles[w->handle];
    if (h->kind == HANDLE_VIRTUAL && h->generation == w->generation)
        sftp_virtual_write(h, w->offset, bytes, size);
    else if (h->kind != HANDLE_FILE || h->generation != w->generation)
        refuse(&w->refusal, FX_PERMISSION_DENIED, "closed: your rights on this server have changed, or its worker has ended");
    else if (outfile_write(&h->file, bytes, fits, w->offset, &w->refusal) && fits < size)
        outfile_full(&h->file, &w->refusal);
}

size_t sftp_write_data(struct sftp *f, const uint8_t *bytes, size_t size)
{
    struct sftp_write *w = &f->write;
    size = size < w->left ? size : w->left;
    uint32_t part = size < w->fits ? (uint32_t)size : w->fits;
    if (w->refusal.status == FX_OK && size > 0)
        write_part(f, bytes, size, part);
    w->fits -= w->fits == UINT32_MAX ? 0 : part;
    w->offset += size;
    w->left -= (uint32_t)size;
    if (w->left == 0) {
        w->on = false;
        sftp_status(f, w->id, w->refusal.status, w->refusal.status ? w->refusal.text : "Success");
    }
    return size;
}
