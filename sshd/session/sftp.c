#include "sshd/session/sftp.h"

#include <stdlib.h>

#include "base/mem.h"
#include "sshd/session/channel.h"
#include "sshd/session/session.h"

enum { LENGTH = 4, FIRST = LENGTH + 1, WRITE_FIRST = FIRST + 4 + 4, WRITE_HANDLE_MOST = 256, KEEP = 4096 };

static uint32_t number(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

void sftp_bad(struct sftp *f, const char *why)
{
    if (f->over)
        return;
    session_log(f->session, "sftp.bad", "why=%s", why);
    f->over = true;
    f->waiting = false;
    channel_exit(f->channel, 1);
}

void sftp_cut(struct sftp *f, const char *why)
{
    enum { CODE_NOPERM = 77 };
    if (f->over)
        return;
    f->over = true;
    f->waiting = false;
    session_log(f->session, "channel.cut", "program=sftp why=%s", why);
    channel_cut(f->channel);
    BUF_FREE struct buf line = BUF(1024);
    buf_put_fmt(&line, "%s\r\n", why);
    channel_error(f->channel, buf_head(&line), buf_size(&line));
    channel_exit(f->channel, CODE_NOPERM);
}

/* A WRITE up to its payload: as much as is known from HAVE bytes.  0: it is none. */
static size_t write_unit(const uint8_t *p, size_t have)
{
    if (have < WRITE_FIRST)
        return WRITE_FIRST;
    uint32_t packet = number(p), handle = number(p + FIRST + 4);
    size_t head = WRITE_FIRST + (size_t)handle + 8 + 4;
    if (handle > WRITE_HANDLE_MOST || packet + LENGTH < head)
        return 0;
    return have >= head && packet + LENGTH - head < number(p + head - 4) ? 0 : head;
}

/* The bytes that are taken at once: a packet, or the head of a WRITE.  More than HAVE: so many are wanted to know more.  0: ended as bad. */
static size_t unit(struct sftp *f, const uint8_t *p, size_t have)
{
    if (have < FIRST)
        return FIRST;
    uint32_t packet = number(p);
    size_t n = packet < 1 || packet > SFTP_PACKET_MOST ? 0 : p[LENGTH] == FXP_WRITE ? write_unit(p, have) : packet + LENGTH;
    if (n == 0)
        sftp_bad(f, packet < 1 || packet > SFTP_PACKET_MOST ? "packet length" : "lengths inside a WRITE");
    return n;
}

static bool take(struct sftp *f, const uint8_t *p, size_t size)
{
    /* A view, so that what lies in libssh's buffer is not copied. */
    struct buf view = { .p = (uint8_t *)(uintptr_t)p, .off = LENGTH, .len = size, .cap = size, .max = size };
    if (p[LENGTH] == FXP_WRITE && !f->version)
        sftp_bad(f, "a request before INIT");
    else
        f->waiting = (p[LENGTH] == FXP_WRITE ? sftp_write_begin(f, &view) : sftp_packet(f, &view)) == SFTP_WAIT;
    /* The last WRITE of rclone is as long as those before it, with its data in front. */
    if (p[LENGTH] == FXP_WRITE && !f->waiting && !f->over)
        f->skip = number(p) + LENGTH - (uint32_t)size - number(p + size - 4);
    return !f->waiting;
}

/* Adds bytes to the unit in F->IN; true when it was taken. */
static bool gather(struct sftp *f, const uint8_t *bytes, size_t size, size_t *used)
{
    size_t n;
    while ((n = unit(f, buf_head(&f->in), buf_size(&f->in))) > buf_size(&f->in)) {
        size_t part = n - buf_size(&f->in);
        part = part < size - *used ? part : size - *used;
        if (part == 0)
            return false;
        buf_put(&f->in, bytes + *used, part);
        *used += part;
    }
    if (n == 0 || !take(f, buf_head(&f->in), n))
        return false;
    if (f->in.cap > KEEP)
        buf_free(&f->in);
    buf_reset(&f->in);
    return true;
}

/* One unit, or a part of a payload.  False: no more can be done now. */
static bool step(struct sftp *f, const uint8_t *bytes, size_t size, size_t *used)
{
    size_t left = size - *used;
    if (f->over)
        return false;
    if (f->write.on) {
        *used += sftp_write_data(f, bytes + *used, left);
        return left > 0;
    }
    if (f->skip > 0) {
        size_t part = left < f->skip ? left : f->skip;
        f->skip -= (uint32_t)part;
        *used += part;
        return left > 0;
    }
    f->waiting = channel_room(f->channel) < CHANNEL_LOW || f->cost >= SFTP_COST_MOST;
    if (f->waiting || (left == 0 && buf_size(&f->in) == 0))
        return false;
    if (buf_size(&f->in) == 0) {
        size_t n = unit(f, bytes + *used, left);
        if (n == 0)
            return false;
        if (n <= left) {
            bool taken = take(f, bytes + *used, n);
            *used += taken ? n : 0;
            return taken;
        }
    }
    return gather(f, bytes, size, used);
}

static size_t run(struct sftp *f, const uint8_t *bytes, size_t size)
{
    size_t used = 0;
    f->running = true;
    while (step(f, bytes, size, &used)) {}
    f->running = false;
    return f->over ? size : used;
}

static void finish(struct sftp *f)
{
    if (!f->eof || f->over || f->waiting || f->cost)
        return;
    f->over = true;
    channel_exit(f->channel, f->write.on || f->skip || buf_size(&f->in) ? 1 : 0);
}

static void destroy(struct sftp *f)
{
    f->depth++;   /* workers say good-bye through us */
    sftp_virtual_free(f);
    sftp_servers_free(f);
    rights_listener_free(f->listener);
    buf_free(&f->in);
    free(f->handles);
    free(f);
}

void sftp_enter(struct sftp *f)
{
    f->depth++;
}

/* Input that waited gets its turn here and nowhere deeper, where a packet may be half done. */
void sftp_leave(struct sftp *f)
{
    if (f->depth == 1 && !f->gone) {
        if (f->waiting)
            run(f, (const uint8_t *)"", 0);
        bool resume = f->resume && !f->waiting;
        f->resume = f->resume && f->waiting;
        if (resume)
            channel_resume(f->channel);
        finish(f);
    }
    if (--f->depth == 0 && f->gone)
        destroy(f);
}

static size_t on_data(void *data, struct channel *c UNUSED, const uint8_t *bytes, size_t size)
{
    struct sftp *f = data;
    /* From inside a packet: that one comes first. */
    size_t used = f->running ? 0 : run(f, bytes, size);
    if (used < size)
        f->resume = true;
    return used;
}

static void on_eof(void *data, struct channel *c UNUSED)
{
    struct sftp *f = data;
    sftp_enter(f);
    f->eof = true;
    sftp_leave(f);
}

static void on_writable(void *data, struct channel *c UNUSED)
{
    struct sftp *f = data;
    sftp_enter(f);
    sftp_leave(f);
}

static void on_closed(void *data, struct channel *c UNUSED)
{
    struct sftp *f = data;
    sftp_enter(f);
    f->over = f->gone = true;
    sftp_leave(f);
}

static const struct channel_ops ops = { .data = on_data, .eof = on_eof, .writable = on_writable, .closed = on_closed };

void sftp_start(struct channel *c)
{
    struct sftp *f = mem_new(sizeof *f);
    struct session *s = channel_session(c);
    *f = (struct sftp){ .channel = c, .session = s, .in = BUF(LENGTH + SFTP_PACKET_MOST) };
    f->nhandles = session_handle_limit(s);
    /* Not looked at before it is used: where many are allowed, those that nobody opened take no memory. */
    f->handles = mem_array(f->nhandles, sizeof f->handles[0]);
    f->listener = session_on_rights(s, sftp_server_rights, f);
    channel_run(c, &ops, f);
}
