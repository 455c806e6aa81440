#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "sshd/proto.h"
#include "sshd/session/channel.h"
#include "sshd/session/session.h"
#include "sshd/session/sftp.h"

enum { HANDLE_BYTES = 8 };

bool sftp_handle_new(struct sftp *f, uint32_t *i)
{
    for (*i = 0; *i < f->nhandles; ++*i)
        if (f->handles[*i].kind == HANDLE_FREE) {
            f->handles[*i] = (struct sftp_handle){ .kind = HANDLE_OPENING, .generation = ++f->generation, .file.fd = -1 };
            return true;
        }
    return false;
}

void sftp_handle_free(struct sftp *f, uint32_t i)
{
    struct sftp_handle *h = &f->handles[i];
    sftp_note_closed(f, h);
    if (h->file.fd >= 0)
        close(h->file.fd);
    outfile_spent(&h->file);
    buf_free(&h->ahead);
    free(h->path);
    if (h->server && (h->kind == HANDLE_FILE || h->kind == HANDLE_DIR))
        h->server->open--;
    sftp_virtual_drop(h);
    *h = (struct sftp_handle){ .kind = HANDLE_FREE, .file.fd = -1 };
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

void sftp_no_handle(struct sftp *f, uint32_t id, const struct sftp_handle *h)
{
    if (h && h->kind == HANDLE_DEAD)
        sftp_status(f, id, FX_PERMISSION_DENIED, "closed: your rights on this server have changed, or its worker has ended");
    else
        sftp_status(f, id, FX_FAILURE, "no such handle");
}

void sftp_too_many(struct sftp *f, uint32_t id)
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

static struct sftp_handle *opened(struct sftp *f, struct sftp_call *c, enum sftp_kind kind)
{
    struct sftp_handle *h = &f->handles[c->handle];
    h->kind = kind;
    h->server = c->server;
    h->server->open++;
    h->flags = c->flags;
    h->path = c->path;
    c->path = NULL;
    return h;
}

static void file_opened(struct sftp *f, struct sftp_call *c, struct msg *answer)
{
    struct sftp_handle *h = opened(f, c, HANDLE_FILE);
    outfile_opened(&h->file, c->server->files, answer);
    h->file.append = h->flags & FXF_APPEND;
    sftp_reply_handle(f, c->id, (uint32_t)c->handle);
}

static void dir_opened(struct sftp *f, struct sftp_call *c, struct msg *answer)
{
    opened(f, c, HANDLE_DIR)->file = (struct outfile){ .files = c->server->files, .number = msg_get_u32(answer), .fd = -1 };
    sftp_reply_handle(f, c->id, (uint32_t)c->handle);
}

static struct sftp_call *opening(struct sftp *f, uint32_t id, struct sftp_server *s, sftp_answer_fn *answer)
{
    uint32_t i;
    if (!sftp_handle_new(f, &i)) {
        sftp_too_many(f, id);
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
    files_put_attrs(&m, &a);
    sftp_call_send(c, &m);
    return SFTP_DONE;
}

static void top_opened(struct sftp *f, uint32_t id)
{
    uint32_t i;
    if (!sftp_handle_new(f, &i)) {
        sftp_too_many(f, id);
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
        sftp_no_handle(f, id, h);
        return SFTP_DONE;
    }
    if (h->pinned)
        return SFTP_WAIT;
    bool in_worker = h->kind == HANDLE_FILE || h->kind == HANDLE_DIR;
    struct outfile file = h->file;
    h->file.fd = -1;
    h->finished = true;
    sftp_handle_free(f, i);
    if (in_worker)
        outfile_close(&file);
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
        sftp_no_handle(f, id, h);
        return NULL;
    }
    return h;
}

struct sftp_call *sftp_call_about(struct sftp *f, uint32_t id, uint32_t i, sftp_answer_fn *answer, struct msg *m,
                                  uint16_t type)
{
    struct sftp_call *c = sftp_call(f, f->handles[i].server, id, answer);
    sftp_call_handle(c, i);
    files_begin(m, type);
    msg_put_u32(m, f->handles[i].file.number);
    return c;
}

/* With nothing under way at the worker its answer would be the same: a client that looks at each file it opens is spared a switch of processes. */
static bool look_here(struct sftp *f, uint32_t id, const struct sftp_handle *h)
{
    struct stat st;
    struct attrs a;
    if (h->kind != HANDLE_FILE || h->server->asked > 0 || fstat(h->file.fd, &st) < 0)
        return false;
    attrs_of_stat(&a, &st);
    sftp_reply_attrs_of(f, id, &a);
    return true;
}

enum sftp_result sftp_fstat(struct sftp *f, uint32_t id, struct buf *p)
{
    uint32_t i;
    struct msg m;
    const struct sftp_handle *h = worker_handle(f, id, p, &i);
    if (h && !look_here(f, id, h))
        sftp_call_send(sftp_call_about(f, id, i, sftp_answer_attrs, &m, FILES_FSTAT), &m);
    return SFTP_DONE;
}

/* A file made shorter needs leases again above its new end. */
static void size_set(struct sftp *f, struct sftp_call *c, struct msg *answer)
{
    struct sftp_handle *h = &f->handles[c->handle];
    if (h->generation == c->generation && c->flags & ATTRS_SIZE)
        outfile_resized(&h->file, c->size);
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
        sftp_no_handle(f, id, h);
        return SFTP_DONE;
    }
    struct sftp_call *c = sftp_note_attrs(sftp_call_about(f, id, i, size_set, &m, FILES_FSETSTAT), h->path, &a);
    files_put_attrs(&m, &a);
    sftp_call_send(c, &m);
    return SFTP_DONE;
}

enum sftp_result sftp_fsync(struct sftp *f, uint32_t id, struct buf *p)
{
    uint32_t i;
    struct msg m;
    if (worker_handle(f, id, p, &i))
        sftp_call_send(sftp_call_about(f, id, i, sftp_answer_ok, &m, FILES_FSYNC), &m);
    return SFTP_DONE;
}
