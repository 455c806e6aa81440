/* copy-data and copy-file: the worker copies, a slice a request, so that nothing else waits long. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "sshd/proto.h"
#include "sshd/session/channel.h"
#include "sshd/session/session.h"
#include "sshd/session/sftp.h"

struct copying {
    struct sftp_server *server;
    uint32_t id;
    uint32_t from, to;                  /* the worker's numbers */
    uint64_t from_at, to_at, left;      /* left UINT64_MAX: to the end of the source */
    bool pinned;                        /* copy-data: these are handles of the client's */
    uint32_t from_handle, to_handle;
    bool has_from, has_to;              /* copy-file: open in the worker */
    char *to_path;                      /* copy-file; owned */
    bool replace, made, finished;
};

static void copying_free(struct sftp *f, struct copying *y)
{
    if (y->pinned) {
        sftp_unpin(f, y->from_handle);
        sftp_unpin(f, y->to_handle);
    }
    if (y->has_from)
        sftp_close_number(y->server, y->from, 0);
    if (y->has_to) {
        sftp_close_number(y->server, y->to, 0);
        sftp_note_copied(f, y->server->name, y->to_path, y->to_at, y->made, y->finished);
    }
    free(y->to_path);
    free(y);
}

/* The status is sent by who calls this. */
static void refused(struct sftp *f, struct sftp_call *c, struct msg *answer UNUSED)
{
    copying_free(f, c->job);
}

static struct sftp_call *ask(struct sftp *f, struct copying *y, sftp_answer_fn *answer)
{
    struct sftp_call *c = sftp_call(f, y->server, y->id, answer);
    c->cost = SFTP_COPY_COST;
    f->cost += SFTP_COPY_COST - f->op->cost;
    c->job = y;
    c->refused = refused;
    return c;
}

static void done(struct sftp *f, struct copying *y)
{
    uint32_t id = y->id;
    y->finished = true;
    copying_free(f, y);
    sftp_status(f, id, FX_OK, "Success");
}

static void cut(struct sftp *f, struct sftp_call *c, struct msg *answer UNUSED)
{
    done(f, c->job);
}

/* What is left of the file that was written over. */
static void cut_rest(struct sftp *f, struct copying *y)
{
    struct msg m;
    const struct attrs a = { .flags = ATTRS_SIZE, .size = y->to_at };
    files_begin(&m, FILES_FSETSTAT);
    msg_put_u32(&m, y->to);
    files_put_attrs(&m, &a);
    sftp_call_send(ask(f, y, cut), &m);
}

static void slice(struct sftp *f, struct copying *y);

static void sliced(struct sftp *f, struct sftp_call *c, struct msg *answer)
{
    struct copying *y = c->job;
    uint64_t n = msg_get_u64(answer);
    y->from_at += n;
    y->to_at += n;
    y->left -= y->left == UINT64_MAX ? 0 : n;
    if (y->pinned && f->handles[y->to_handle].file.end < y->to_at)
        f->handles[y->to_handle].file.end = y->to_at;
    if (y->pinned)
        f->handles[y->to_handle].file.written += n;
    if (n > 0 && y->left > 0)
        slice(f, y);
    else if (y->pinned)
        done(f, y);
    else
        cut_rest(f, y);
}

static void slice(struct sftp *f, struct copying *y)
{
    struct msg m;
    files_begin(&m, FILES_COPY);
    msg_put_u32(&m, y->from);
    msg_put_u64(&m, y->from_at);
    msg_put_u64(&m, y->left);
    msg_put_u32(&m, y->to);
    msg_put_u64(&m, y->to_at);
    sftp_call_send(ask(f, y, sliced), &m);
}

static const char *why_not(const struct sftp_handle *from, const struct sftp_handle *to)
{
    if (from == NULL || to == NULL || from->kind != HANDLE_FILE || to->kind != HANDLE_FILE)
        return "no such file handle";
    if (from->server != to->server)
        return "cannot copy between servers: read it and write it";
    if ((from->flags & FXF_READ) == 0 && from->flags & (FXF_WRITE | FXF_APPEND))
        return "the source is not open for reading";
    if ((to->flags & FXF_WRITE) == 0 || to->flags & FXF_APPEND)
        return "the destination is not open for writing at an offset";
    return NULL;
}

enum sftp_result sftp_copy_data(struct sftp *f, uint32_t id, struct buf *p)
{
    uint32_t i, k;
    struct sftp_handle *from = sftp_handle(f, p, &i);
    uint64_t from_at = buf_get_u64(p), size = buf_get_u64(p);
    struct sftp_handle *to = sftp_handle(f, p, &k);
    uint64_t to_at = buf_get_u64(p);
    if (!sftp_fields(f, p))
        return SFTP_DONE;
    const char *why = why_not(from, to);
    if (why) {
        sftp_status(f, id, FX_FAILURE, why);
        return SFTP_DONE;
    }
    if (from->busy || to->busy)
        return SFTP_WAIT;
    struct copying *y = mem_new(sizeof *y);
    *y = (struct copying){ .server = from->server, .id = id, .from = from->file.number, .to = to->file.number, .from_at = from_at,
                           .to_at = to_at, .left = size ? size : UINT64_MAX, .pinned = true, .from_handle = i, .to_handle = k };
    sftp_pin(f, i);
    sftp_pin(f, k);
    /* The worker takes it back with the first slice. */
    outfile_spent(&to->file);
    slice(f, y);
    return SFTP_DONE;
}

/* --- copy-file: open, look, open, copy, cut ----------------------------------------------------------------------------------------- */

static void open_file(struct sftp *f, struct copying *y, const char *path, uint32_t flags, uint32_t mode, sftp_answer_fn *answer)
{
    struct msg m;
    const struct attrs a = { .flags = flags & FXF_CREAT ? ATTRS_MODE : 0, .mode = mode };
    files_begin(&m, FILES_OPEN);
    msg_put_str(&m, path);
    msg_put_u32(&m, flags);
    files_put_attrs(&m, &a);
    sftp_call_send(ask(f, y, answer), &m);
}

/* The data does not come here: of the worker's answer only the number is kept, and whether the file is new. */
static uint32_t number_of(struct msg *answer, bool *made)
{
    uint32_t number = msg_get_u32(answer);
    msg_get_u64(answer);
    msg_get_u64(answer);
    *made = msg_get_u32(answer) != 0;
    close(msg_get_fd(answer));
    return number;
}

static void to_opened(struct sftp *f, struct sftp_call *c, struct msg *answer)
{
    struct copying *y = c->job;
    y->to = number_of(answer, &y->made);
    y->has_to = true;
    slice(f, y);
}

static void from_seen(struct sftp *f, struct sftp_call *c, struct msg *answer)
{
    struct copying *y = c->job;
    struct attrs a;
    size_t size;
    const uint8_t *p = msg_get_bytes(answer, &size);
    struct buf view = { .p = (uint8_t *)(uintptr_t)p, .len = size, .cap = size, .max = size };
    attrs_get(&view, &a);
    /* Not truncated at once: it might be the source by another name. */
    open_file(f, y, y->to_path, FXF_WRITE | FXF_CREAT | (y->replace ? 0 : FXF_EXCL), a.mode & 0777, to_opened);
}

static void from_opened(struct sftp *f, struct sftp_call *c, struct msg *answer)
{
    struct copying *y = c->job;
    struct msg m;
    y->from = number_of(answer, &y->made);
    y->has_from = true;
    files_begin(&m, FILES_FSTAT);
    msg_put_u32(&m, y->from);
    sftp_call_send(ask(f, y, from_seen), &m);
}

enum sftp_result sftp_copy_file(struct sftp *f, uint32_t id, struct buf *p)
{
    SPOT_FREE struct sftp_spot from, to = { .path = NULL };
    bool ok = sftp_spot(f, id, p, &from) && sftp_spot(f, id, p, &to);
    bool replace = buf_get_u8(p) != 0;
    if ((!ok && !p->bad) || !sftp_fields(f, p))
        return SFTP_DONE;
    const char *why = sftp_is_top(&from) || sftp_is_top(&to)  ? "is a directory"
                      : strcmp(from.name, to.name) != 0 ? "cannot copy between servers: read it and write it" : NULL;
    if (why) {
        sftp_status(f, id, FX_FAILURE, why);
        return SFTP_DONE;
    }
    struct sftp_server *s = sftp_server(f, id, from.name);
    if (s == NULL)
        return SFTP_DONE;
    struct copying *y = mem_new(sizeof *y);
    *y = (struct copying){ .server = s, .id = id, .left = UINT64_MAX, .to_path = mem_str(to.rest), .replace = replace };
    open_file(f, y, from.rest, FXF_READ, 0, from_opened);
    return SFTP_DONE;
}
