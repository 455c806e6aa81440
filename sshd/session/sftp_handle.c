#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "sshd/proto.h"
#include "sshd/session/channel.h"
#include "sshd/session/session.h"
#include "sshd/session/sftp.h"

enum { HANDLE_BYTES = 8, NAME_PACKET_MOST = 256 * 1024 };

bool sftp_handle_new(struct sftp *f, uint32_t *i)
{
    for (*i = 0; *i < f->nhandles; ++*i)
        if (f->handles[*i].kind == HANDLE_FREE) {
            f->handles[*i] = (struct sftp_handle){ .kind = HANDLE_OPENING, .generation = ++f->generation, .fd = -1 };
            return true;
        }
    return false;
}

void sftp_handle_free(struct sftp *f, uint32_t i)
{
    struct sftp_handle *h = &f->handles[i];
    sftp_note_closed(f, h);
    if (h->fd >= 0)
        close(h->fd);
    free(h->path);
    if (h->server && (h->kind == HANDLE_FILE || h->kind == HANDLE_DIR))
        h->server->open--;
    *h = (struct sftp_handle){ .kind = HANDLE_FREE, .fd = -1 };
}

static uint32_t number(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

struct sftp_handle *sftp_handle_of(struct sftp *f, const uint8_t *bytes, size_t size, uint32_t *i)
{
    if (size != HANDLE_BYTES)
        return NULL;
    *i = number(bytes);
    if (*i >= f->nhandles || f->handles[*i].generation != number(bytes + 4))
        return NULL;
    struct sftp_handle *h = &f->handles[*i];
    return h->kind == HANDLE_FREE || h->kind == HANDLE_OPENING ? NULL : h;
}

struct sftp_handle *sftp_handle(struct sftp *f, struct buf *p, uint32_t *i)
{
    size_t size;
    const uint8_t *bytes = buf_get_bytes(p, &size);
    return sftp_handle_of(f, bytes, size, i);
}

static void no_handle(struct sftp *f, uint32_t id, const struct sftp_handle *h)
{
    if (h && h->kind == HANDLE_DEAD)
        sftp_status(f, id, FX_PERMISSION_DENIED, "closed: your rights on this server have changed, or its worker has ended");
    else
        sftp_status(f, id, FX_FAILURE, "no such handle");
}

static void too_many(struct sftp *f, uint32_t id)
{
    BUF_FREE struct buf text = BUF(128);
    buf_put_fmt(&text, "too many open handles (at most %u)", f->nhandles);
    buf_put_u8(&text, 0);
    sftp_status(f, id, FX_FAILURE, (const char *)buf_head(&text));
}

static void opening_failed(struct sftp *f, struct sftp_call *c, struct msg *answer UNUSED)
{
    sftp_handle_free(f, (uint32_t)c->handle);
}

static uint64_t block_up(uint64_t n)
{
    return n > UINT64_MAX - SFTP_BLOCK ? UINT64_MAX : (n + SFTP_BLOCK - 1) / SFTP_BLOCK * SFTP_BLOCK;
}

static struct sftp_handle *opened(struct sftp *f, struct sftp_call *c, enum sftp_kind kind, struct msg *answer)
{
    struct sftp_handle *h = &f->handles[c->handle];
    h->kind = kind;
    h->server = c->server;
    h->server->open++;
    h->number = msg_get_u32(answer);
    h->flags = c->flags;
    h->path = c->path;
    c->path = NULL;
    return h;
}

static void file_opened(struct sftp *f, struct sftp_call *c, struct msg *answer)
{
    struct sftp_handle *h = opened(f, c, HANDLE_FILE, answer);
    h->end = msg_get_u64(answer);
    h->high = block_up(h->end);
    h->lease = msg_get_u64(answer);
    h->made = msg_get_u32(answer) != 0;
    h->fd = msg_get_fd(answer);
    sftp_reply_handle(f, c->id, (uint32_t)c->handle);
}

static void dir_opened(struct sftp *f, struct sftp_call *c, struct msg *answer)
{
    opened(f, c, HANDLE_DIR, answer);
    sftp_reply_handle(f, c->id, (uint32_t)c->handle);
}

static struct sftp_call *opening(struct sftp *f, uint32_t id, struct sftp_server *s, sftp_answer_fn *answer)
{
    uint32_t i;
    if (!sftp_handle_new(f, &i)) {
        too_many(f, id);
        return NULL;
    }
    struct sftp_call *c = sftp_call(f, s, id, answer);
    c->refused = opening_failed;
    sftp_call_handle(c, i);
    return c;
}

enum sftp_result sftp_open(struct sftp *f, uint32_t id, struct buf *p)
{
    struct attrs a;
    struct msg m;
    SPOT_FREE struct sftp_spot spot;
    bool ok = sftp_spot(f, id, p, &spot);
    uint32_t flags = buf_get_u32(p);
    attrs_get(p, &a);
    if (!sftp_fields(f, p) || !ok)
        return SFTP_DONE;
    if (sftp_is_top(&spot)) {
        sftp_status(f, id, FX_FAILURE, "is a directory");
        return SFTP_DONE;
    }
    struct sftp_server *s = sftp_server(f, id, spot.name);
    struct sftp_call *c = s ? opening(f, id, s, file_opened) : NULL;
    if (c == NULL)
        return SFTP_DONE;
    /* As the worker reads them: to make a file is to write it. */
    c->flags = flags & (FXF_READ | FXF_WRITE | FXF_APPEND) || !(flags & (FXF_CREAT | FXF_TRUNC)) ? flags : flags | FXF_WRITE;
    c->path = mem_str(spot.rest);
    files_begin(&m, FILES_OPEN);
    msg_put_str(&m, spot.rest);
    msg_put_u32(&m, c->flags);
    sftp_put_attrs(&m, &a);
    sftp_call_send(c, &m);
    return SFTP_DONE;
}

static void top_opened(struct sftp *f, uint32_t id)
{
    uint32_t i;
    if (!sftp_handle_new(f, &i)) {
        too_many(f, id);
        return;
    }
    f->handles[i].kind = HANDLE_TOP;
    sftp_reply_handle(f, id, i);
}

enum sftp_result sftp_opendir(struct sftp *f, uint32_t id, struct buf *p)
{
    struct msg m;
    SPOT_FREE struct sftp_spot spot;
    bool ok = sftp_spot(f, id, p, &spot);
    if (!sftp_fields(f, p) || !ok)
        return SFTP_DONE;
    if (sftp_is_top(&spot)) {
        top_opened(f, id);
        return SFTP_DONE;
    }
    struct sftp_server *s = sftp_server(f, id, spot.name);
    struct sftp_call *c = s ? opening(f, id, s, dir_opened) : NULL;
    if (c == NULL)
        return SFTP_DONE;
    c->path = mem_str(spot.rest);
    files_begin(&m, FILES_OPENDIR);
    msg_put_str(&m, spot.rest);
    sftp_call_send(c, &m);
    return SFTP_DONE;
}

void sftp_pin(struct sftp *f, uint32_t i)
{
    f->handles[i].pinned++;
    f->handles[i].busy++;
}

/* The handle may have died meanwhile, and its counts with it. */
void sftp_unpin(struct sftp *f, uint32_t i)
{
    struct sftp_handle *h = &f->handles[i];
    if (h->pinned == 0)
        return;
    h->pinned--;
    h->busy--;
}

void sftp_close_number(struct sftp_server *s, uint32_t number, uint64_t lease)
{
    struct msg m;
    if (s->files == NULL)
        return;
    files_begin(&m, FILES_CLOSE);
    msg_put_u32(&m, number);
    msg_put_u64(&m, lease);
    files_tell(s->files, &m);
}

/* Nobody waits for the worker: nothing of a close can fail, and what is asked later is done later. */
enum sftp_result sftp_close(struct sftp *f, uint32_t id, struct buf *p)
{
    uint32_t i;
    struct sftp_handle *h = sftp_handle(f, p, &i);
    if (!sftp_fields(f, p))
        return SFTP_DONE;
    if (h == NULL) {
        no_handle(f, id, h);
        return SFTP_DONE;
    }
    if (h->pinned)
        return SFTP_WAIT;
    struct sftp_server *s = h->kind == HANDLE_FILE || h->kind == HANDLE_DIR ? h->server : NULL;
    uint32_t number = h->number;
    uint64_t lease = h->lease;
    h->finished = true;
    sftp_handle_free(f, i);
    if (s)
        sftp_close_number(s, number, lease);
    sftp_status(f, id, FX_OK, "Success");
    return SFTP_DONE;
}

/* The handle in P if it is a file or directory with a worker, and nothing else is left in P; else ID is answered. */
static struct sftp_handle *worker_handle(struct sftp *f, uint32_t id, struct buf *p, uint32_t *i)
{
    struct sftp_handle *h = sftp_handle(f, p, i);
    if (p->bad) {
        sftp_fields(f, p);
        return NULL;
    }
    if (h == NULL || (h->kind != HANDLE_FILE && h->kind != HANDLE_DIR)) {
        no_handle(f, id, h);
        return NULL;
    }
    return h;
}

static struct sftp_call *about(struct sftp *f, uint32_t id, uint32_t i, sftp_answer_fn *answer, struct msg *m,
                               uint16_t type)
{
    struct sftp_call *c = sftp_call(f, f->handles[i].server, id, answer);
    sftp_call_handle(c, i);
    files_begin(m, type);
    msg_put_u32(m, f->handles[i].number);
    return c;
}

enum sftp_result sftp_fstat(struct sftp *f, uint32_t id, struct buf *p)
{
    uint32_t i;
    struct msg m;
    if (worker_handle(f, id, p, &i))
        sftp_call_send(about(f, id, i, sftp_answer_attrs, &m, FILES_FSTAT), &m);
    return SFTP_DONE;
}

/* A file made shorter needs leases again above its new end. */
static void size_set(struct sftp *f, struct sftp_call *c, struct msg *answer)
{
    struct sftp_handle *h = &f->handles[c->handle];
    if (h->generation == c->generation && c->flags & ATTRS_SIZE) {
        h->end = c->size;
        if (h->high > block_up(c->size))
            h->high = block_up(c->size);
    }
    sftp_answer_ok(f, c, answer);
}

enum sftp_result sftp_fsetstat(struct sftp *f, uint32_t id, struct buf *p)
{
    uint32_t i;
    struct attrs a;
    struct msg m;
    struct sftp_handle *h = sftp_handle(f, p, &i);
    attrs_get(p, &a);
    if (!sftp_fields(f, p))
        return SFTP_DONE;
    if (h == NULL || (h->kind != HANDLE_FILE && h->kind != HANDLE_DIR)) {
        no_handle(f, id, h);
        return SFTP_DONE;
    }
    struct sftp_call *c = sftp_note_attrs(about(f, id, i, size_set, &m, FILES_FSETSTAT), h->path, &a);
    sftp_put_attrs(&m, &a);
    sftp_call_send(c, &m);
    return SFTP_DONE;
}

enum sftp_result sftp_fsync(struct sftp *f, uint32_t id, struct buf *p)
{
    uint32_t i;
    struct msg m;
    if (worker_handle(f, id, p, &i))
        sftp_call_send(about(f, id, i, sftp_answer_ok, &m, FILES_FSYNC), &m);
    return SFTP_DONE;
}

static void entries(struct sftp *f, struct sftp_call *c, struct msg *answer)
{
    struct buf b;
    size_t size;
    uint32_t n = msg_get_u32(answer);
    if (n == 0) {
        sftp_status(f, c->id, FX_EOF, "End of file");
        return;
    }
    sftp_reply_begin(&b, NAME_PACKET_MOST, FXP_NAME, c->id);
    buf_put_u32(&b, n);
    for (uint32_t i = 0; i < n; i++) {
        const uint8_t *name = msg_get_bytes(answer, &size);
        buf_put_bytes(&b, name, size);
        const uint8_t *line = msg_get_bytes(answer, &size);
        buf_put_bytes(&b, line, size);
        const uint8_t *attrs = msg_get_bytes(answer, &size);
        buf_put(&b, attrs, size);
    }
    sftp_reply_end(f, &b);
}

void sftp_top_attrs(struct attrs *a)
{
    *a = (struct attrs){ .flags = ATTRS_SIZE | ATTRS_OWNER | ATTRS_MODE | ATTRS_TIMES, .mode = S_IFDIR | 0555 };
}

static void top_entry(struct buf *b, const char *name)
{
    struct attrs a;
    sftp_top_attrs(&a);
    buf_put_str(b, name);
    buf_put_u32(b, (uint32_t)(strlen("dr-xr-xr-x    1 server   server            0 Jan  1  1970 ") + strlen(name)));
    buf_put_fmt(b, "dr-xr-xr-x    1 server   server            0 Jan  1  1970 %s", name);
    attrs_put(b, &a);
}

/* In one packet: a configuration does not hold so many servers that it would not fit. */
static void list_top(struct sftp *f, uint32_t id, struct sftp_handle *h)
{
    struct buf b;
    size_t n, fit = NAME_PACKET_MOST / 256;
    const struct server_right *s = session_servers(f->session, &n);
    if (h->read) {
        sftp_status(f, id, FX_EOF, "End of file");
        return;
    }
    h->read = true;
    n = n < fit ? n : fit;
    sftp_reply_begin(&b, NAME_PACKET_MOST, FXP_NAME, id);
    buf_put_u32(&b, (uint32_t)n + 2);
    top_entry(&b, ".");
    top_entry(&b, "..");
    for (size_t i = 0; i < n; i++)
        top_entry(&b, s[i].name);
    sftp_reply_end(f, &b);
}

enum sftp_result sftp_readdir(struct sftp *f, uint32_t id, struct buf *p)
{
    uint32_t i;
    struct msg m;
    struct sftp_handle *h = sftp_handle(f, p, &i);
    if (!sftp_fields(f, p))
        return SFTP_DONE;
    if (h && h->kind == HANDLE_TOP)
        list_top(f, id, h);
    else if (h && h->kind == HANDLE_DIR)
        sftp_call_send(about(f, id, i, entries, &m, FILES_READDIR), &m);
    else
        no_handle(f, id, h);
    return SFTP_DONE;
}
