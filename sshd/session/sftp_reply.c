#include <string.h>

#include "base/die.h"
#include "sshd/session/channel.h"
#include "sshd/session/sftp.h"

enum { SMALL = 64 * 1024, TOLD_MOST = 16 };

void sftp_reply_begin(struct buf *b, size_t most, uint8_t type, uint32_t id)
{
    *b = (struct buf)BUF(most);
    buf_put_u32(b, 0);
    buf_put_u8(b, type);
    buf_put_u32(b, id);
}

void sftp_reply_end(struct sftp *f, struct buf *b)
{
    invariant(!b->bad);
    uint32_t size = (uint32_t)buf_size(b) - 4;
    const uint8_t head[4] = { (uint8_t)(size >> 24), (uint8_t)(size >> 16), (uint8_t)(size >> 8), (uint8_t)size };
    memcpy(b->p + b->off, head, sizeof head);
    if (!f->over)
        channel_write(f->channel, buf_head(b), buf_size(b));
    buf_free(b);
}

void sftp_tell(struct sftp *f, const char *text)
{
    if (f->over || f->told++ >= TOLD_MOST)
        return;
    BUF_FREE struct buf line = BUF(1024);
    buf_put_fmt(&line, "%s\r\n", text);
    channel_error(f->channel, buf_head(&line), buf_size(&line));
}

void sftp_status(struct sftp *f, uint32_t id, uint32_t status, const char *text)
{
    struct buf b;
    if (status == FX_FAILURE && strncmp(text, "quota exceeded", 14) == 0)
        sftp_tell(f, text);
    sftp_reply_begin(&b, SMALL, FXP_STATUS, id);
    buf_put_u32(&b, status);
    buf_put_str(&b, text);
    buf_put_str(&b, "en");
    sftp_reply_end(f, &b);
}

void sftp_reply_handle(struct sftp *f, uint32_t id, uint32_t i)
{
    struct buf b;
    sftp_reply_begin(&b, SMALL, FXP_HANDLE, id);
    buf_put_u32(&b, 8);
    buf_put_u32(&b, i);
    buf_put_u32(&b, f->handles[i].generation);
    sftp_reply_end(f, &b);
}

void sftp_reply_attrs(struct sftp *f, uint32_t id, const uint8_t *attrs, size_t size)
{
    struct buf b;
    sftp_reply_begin(&b, SMALL, FXP_ATTRS, id);
    buf_put(&b, attrs, size);
    sftp_reply_end(f, &b);
}

void sftp_reply_attrs_of(struct sftp *f, uint32_t id, const struct attrs *a)
{
    BUF_FREE struct buf b = BUF(ATTRS_MOST);
    attrs_put(&b, a);
    sftp_reply_attrs(f, id, buf_head(&b), buf_size(&b));
}

void sftp_reply_name(struct sftp *f, uint32_t id, const void *name, size_t size)
{
    struct buf b;
    sftp_reply_begin(&b, SMALL, FXP_NAME, id);
    buf_put_u32(&b, 1);
    buf_put_bytes(&b, name, size);
    buf_put_bytes(&b, name, size);
    buf_put_u32(&b, 0);
    sftp_reply_end(f, &b);
}
