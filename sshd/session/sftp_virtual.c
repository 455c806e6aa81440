#include "sshd/session/sftp_virtual.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "sshd/session/channel.h"

enum { CODE_FAILED = 1, CODE_STATE = 3, CODE_NOPERM = 77, JOB_COST = 8, ENTRIES_MOST = 250 * 1024, CONTENT_MOST = 64 * 1024 };

static const struct sftp_place *const places[] = { &sftp_backups, &sftp_keys };

struct attrs sftp_virtual_attrs(uint32_t mode, uint64_t size, uint64_t time)
{
    uint32_t t = time > UINT32_MAX ? UINT32_MAX : (uint32_t)time;
    return (struct attrs){ .flags = ATTRS_ALL, .mode = mode, .size = size, .atime = t, .mtime = t };
}

void sftp_virtual_entry(struct buf *b, const char *name, const struct attrs *a)
{
    char line[ATTRS_LINE];
    const struct stat st = { .st_mode = a->mode, .st_size = (off_t)a->size, .st_mtime = a->mtime, .st_nlink = 1 };
    attrs_line(&st, wall_ms() / 1000, line);
    buf_put_str(b, name);
    buf_put_u32(b, (uint32_t)(strlen(line) + strlen(name)));
    buf_put_fmt(b, "%s%s", line, name);
    attrs_put(b, a);
}

uint32_t sftp_virtual_top(struct sftp *f, struct buf *b)
{
    uint32_t n = 0;
    const struct attrs a = sftp_virtual_attrs(S_IFDIR | 0700, 0, 0);
    for (size_t i = 0; i < countof(places); i++)
        if (places[i]->shown(f)) {
            if (b)
                sftp_virtual_entry(b, places[i]->name, &a);
            n++;
        }
    return n;
}

/* The place that SPOT lies in, or NULL.  A login to one server has no "/" of its own. */
static const struct sftp_place *place_of(struct sftp *f, const struct sftp_spot *spot)
{
    for (size_t i = 0; i < countof(places) && session_home(f->session) == NULL; i++)
        if (strcmp(places[i]->name, spot->name) == 0)
            return places[i];
    return NULL;
}

bool sftp_is_virtual(struct sftp *f, const struct sftp_spot *spot)
{
    return place_of(f, spot) != NULL;
}

/* Takes a path from P; what is wrong with it is said by who comes next. */
static const struct sftp_place *get_place(struct sftp *f, struct buf *p, struct sftp_spot *spot)
{
    enum sftp_path_error why;
    size_t size;
    const uint8_t *bytes = buf_get_bytes(p, &size);
    *spot = (struct sftp_spot){ .path = NULL };
    return !p->bad && sftp_spot_of(f->session, bytes, size, spot, &why) ? place_of(f, spot) : NULL;
}

/* ---- jobs ---- */

static void node_free(struct sftp_node *n)
{
    buf_wipe(&n->content);
    free(n->rest);
    free(n->server);
}

static struct sftp_job *job_new(struct sftp *f, const struct sftp_place *place, enum sftp_job_kind kind, uint32_t id, const char *rest)
{
    struct sftp_job *j = mem_new(sizeof *j);
    *j = (struct sftp_job){ .next = f->jobs, .prev = &f->jobs, .f = f, .place = place, .kind = kind, .id = id, .cost = JOB_COST, .rest = mem_str(rest),
                            .handle = -1 };
    if (j->next)
        j->next->prev = &j->next;
    f->jobs = j;
    f->cost += j->cost;
    return j;
}

/* The handle J is about, if it is still that one. */
static struct sftp_handle *handle_of(const struct sftp_job *j)
{
    struct sftp_handle *h = j->handle < 0 ? NULL : &j->f->handles[j->handle];
    return h && h->generation == j->generation ? h : NULL;
}

static void job_end(struct sftp_job *j)
{
    *j->prev = j->next;
    if (j->next)
        j->next->prev = j->prev;
    j->f->cost -= j->cost;
    if (j->kind == JOB_LIST && handle_of(j))
        sftp_unpin(j->f, (uint32_t)j->handle);
    free(j->rest);
    free(j);
}

static void about(struct sftp_job *j, uint32_t i)
{
    j->handle = (int)i;
    j->generation = j->f->handles[i].generation;
}

bool sftp_job_writes(const struct sftp_job *j)
{
    return j->kind == JOB_OPEN && (j->flags & (FXF_WRITE | FXF_APPEND | FXF_TRUNC)) != 0;
}

/* Puts back what a request that fails has begun. */
static void undo(struct sftp_job *j)
{
    struct sftp_handle *h = handle_of(j);
    if (h && (j->kind == JOB_OPEN || j->kind == JOB_OPENDIR))
        sftp_handle_free(j->f, (uint32_t)j->handle);
    else if (h && h->node && j->kind == JOB_SAVE)
        h->node->changed = true;
}

void sftp_job_refuse(struct sftp_job *j, uint32_t status, const char *text)
{
    undo(j);
    sftp_status(j->f, j->id, status, text);
    job_end(j);
}

void sftp_job_tell(struct sftp_job *j, uint32_t status, const char *text)
{
    sftp_tell(j->f, text);
    sftp_job_refuse(j, status, text);
}

void sftp_job_done(struct sftp_job *j)
{
    sftp_status(j->f, j->id, FX_OK, "Success");
    job_end(j);
}

static void open_found(struct sftp_job *j, struct sftp_node *n, int fd)
{
    struct sftp_handle *h = handle_of(j);
    h->kind = HANDLE_VIRTUAL;
    h->file.fd = fd;
    h->flags = j->flags;
    h->node = mem_new(sizeof *h->node);
    *h->node = *n;
    if (j->flags & FXF_TRUNC) {
        buf_wipe(&h->node->content);
        h->node->changed = true;
    }
    sftp_reply_handle(j->f, j->id, (uint32_t)j->handle);
    job_end(j);
}

void sftp_job_found(struct sftp_job *j, struct sftp_node *n, int fd)
{
    CLOSE_FD int own = fd;
    bool dir = S_ISDIR(n->attrs.mode);
    n->place = j->place;
    n->rest = mem_str(j->rest);
    if ((j->kind == JOB_OPEN && !dir && (n->writable || !sftp_job_writes(j))) || (j->kind == JOB_OPENDIR && dir)) {
        open_found(j, n, fd_steal(&own));
        return;
    }
    if (j->kind == JOB_STAT)
        sftp_reply_attrs_of(j->f, j->id, &n->attrs);
    if (j->kind == JOB_STAT)
        job_end(j);
    else if (j->kind == JOB_SETSTAT)
        sftp_job_done(j);
    else if (j->kind == JOB_OPEN && !dir)
        sftp_job_tell(j, FX_PERMISSION_DENIED, j->place->refusal);
    else
        sftp_job_refuse(j, FX_FAILURE, dir ? "is a directory" : "is not a directory");
    node_free(n);
}

void sftp_job_entries(struct sftp_job *j, uint32_t count, struct buf *b)
{
    struct buf out;
    if (count == 0)
        sftp_status(j->f, j->id, FX_EOF, "End of file");
    else {
        sftp_reply_begin(&out, ENTRIES_MOST + 64, FXP_NAME, j->id);
        buf_put_u32(&out, count);
        buf_put(&out, buf_head(b), buf_size(b));
        sftp_reply_end(j->f, &out);
    }
    buf_free(b);
    job_end(j);
}

static uint32_t status_of(const struct sftp_job *j, int code)
{
    if (j->missing && (code == CODE_FAILED || code == CODE_STATE))
        return FX_NO_SUCH_FILE;
    return code == CODE_NOPERM ? FX_PERMISSION_DENIED : FX_FAILURE;
}

static void answered(void *data, int code, const char *text, struct msg *answer)
{
    struct sftp_job *j = data;
    struct sftp *f = j->f;
    sftp_enter(f);
    j->ask = 0;
    if (code == 0)
        j->fn(j, answer);
    else if (j->missing)
        sftp_job_refuse(j, status_of(j, code), text);
    else
        sftp_job_tell(j, status_of(j, code), text);
    sftp_leave(f);
}

void sftp_job_ask(struct sftp_job *j, enum op op, const char *server, uint64_t number, const char *text, sftp_job_answer_fn *fn)
{
    j->fn = fn;
    j->ask = session_do_later(j->f->session, op, server, number, text, answered, j);
}

void sftp_virtual_free(struct sftp *f)
{
    while (f->jobs) {
        if (f->jobs->ask)
            session_do_cancel(f->session, f->jobs->ask);
        job_end(f->jobs);
    }
    for (uint32_t i = 0; i < f->nhandles; i++)
        if (f->handles[i].kind == HANDLE_VIRTUAL)
            sftp_handle_free(f, i);
}

void sftp_virtual_drop(struct sftp_handle *h)
{
    if (h->node) {
        node_free(h->node);
        free(h->node);
    }
}

bool sftp_virtual_rights(struct sftp *f, const char *server, uint32_t rights)
{
    bool any = false;
    for (uint32_t i = 0; i < f->nhandles; i++) {
        struct sftp_handle *h = &f->handles[i];
        if (h->kind != HANDLE_VIRTUAL || h->node->server == NULL || strcmp(h->node->server, server) != 0 || rights & RIGHT_BACKUP_READ)
            continue;
        uint32_t generation = h->generation;
        sftp_handle_free(f, i);
        h->kind = HANDLE_DEAD;
        h->generation = generation;
        any = true;
    }
    return any;
}

/* ---- requests with a path ---- */

static enum sftp_result begin(struct sftp_job *j)
{
    j->place->look(j);
    return SFTP_DONE;
}

enum sftp_result sftp_virtual_stat(struct sftp *f, uint32_t id, struct buf *p)
{
    SPOT_FREE struct sftp_spot spot;
    const struct sftp_place *place = get_place(f, p, &spot);
    return place ? begin(job_new(f, place, JOB_STAT, id, spot.rest)) : SFTP_OTHER;
}

static enum sftp_result opening(struct sftp *f, const struct sftp_place *place, enum sftp_job_kind kind, uint32_t id, const char *rest, uint32_t flags)
{
    uint32_t i;
    if (!sftp_handle_new(f, &i)) {
        sftp_too_many(f, id);
        return SFTP_DONE;
    }
    struct sftp_job *j = job_new(f, place, kind, id, rest);
    /* To make a file is to write it, as the worker reads it. */
    j->flags = flags & (FXF_READ | FXF_WRITE | FXF_APPEND) || !(flags & (FXF_CREAT | FXF_TRUNC)) ? flags : flags | FXF_WRITE;
    about(j, i);
    return begin(j);
}

enum sftp_result sftp_virtual_open(struct sftp *f, uint32_t id, struct buf *p)
{
    SPOT_FREE struct sftp_spot spot;
    struct attrs a;
    const struct sftp_place *place = get_place(f, p, &spot);
    uint32_t flags = buf_get_u32(p);
    attrs_get(p, &a);
    return place && !p->bad ? opening(f, place, JOB_OPEN, id, spot.rest, flags) : SFTP_OTHER;
}

enum sftp_result sftp_virtual_opendir(struct sftp *f, uint32_t id, struct buf *p)
{
    SPOT_FREE struct sftp_spot spot;
    const struct sftp_place *place = get_place(f, p, &spot);
    return place ? opening(f, place, JOB_OPENDIR, id, spot.rest, 0) : SFTP_OTHER;
}

static enum sftp_result turn_down(struct sftp *f, uint32_t id, const char *text)
{
    sftp_tell(f, text);
    sftp_status(f, id, FX_PERMISSION_DENIED, text);
    return SFTP_DONE;
}

/* What a change of attributes that has no effect may not even ask for; NULL: nothing is wrong. */
static const char *wrong_attrs(const struct attrs *a, bool size)
{
    if (a->flags & ATTRS_OWNER && (a->uid || a->gid))
        return "its owner cannot be changed";
    return a->flags & ATTRS_SIZE && !size ? "its size is that of what is written to it" : NULL;
}

enum sftp_result sftp_virtual_setstat(struct sftp *f, uint32_t id, struct buf *p)
{
    SPOT_FREE struct sftp_spot spot;
    struct attrs a;
    const struct sftp_place *place = get_place(f, p, &spot);
    attrs_get(p, &a);
    if (place == NULL || p->bad)
        return SFTP_OTHER;
    const char *why = place->save == NULL ? place->refusal : wrong_attrs(&a, false);
    return why ? turn_down(f, id, why) : begin(job_new(f, place, JOB_SETSTAT, id, spot.rest));
}

enum sftp_result sftp_virtual_mkdir(struct sftp *f, uint32_t id, struct buf *p)
{
    SPOT_FREE struct sftp_spot spot;
    const struct sftp_place *place = get_place(f, p, &spot);
    if (place == NULL)
        return SFTP_OTHER;
    if (spot.rest[0])
        return turn_down(f, id, place->refusal);
    sftp_status(f, id, FX_FAILURE, "exists already");
    return SFTP_DONE;
}

enum sftp_result sftp_virtual_change(struct sftp *f, uint32_t id, struct buf *p)
{
    SPOT_FREE struct sftp_spot spot;
    const struct sftp_place *place = get_place(f, p, &spot);
    return place ? turn_down(f, id, place->refusal) : SFTP_OTHER;
}

enum sftp_result sftp_virtual_two(struct sftp *f, uint32_t id, struct buf *p)
{
    SPOT_FREE struct sftp_spot from, to;
    const struct sftp_place *one = get_place(f, p, &from), *other = get_place(f, p, &to);
    return one || other ? turn_down(f, id, other ? other->refusal : one->refusal) : SFTP_OTHER;
}

enum sftp_result sftp_virtual_symlink(struct sftp *f, uint32_t id, struct buf *p)
{
    size_t size;
    buf_get_bytes(p, &size);
    return sftp_virtual_change(f, id, p);
}

/* What its nodes are not, or do not have. */
enum sftp_result sftp_virtual_never(struct sftp *f, uint32_t id, struct buf *p)
{
    SPOT_FREE struct sftp_spot spot;
    if (get_place(f, p, &spot) == NULL)
        return SFTP_OTHER;
    sftp_status(f, id, FX_FAILURE, "not here: neither a link nor a file of a server's");
    return SFTP_DONE;
}

/* ---- requests with a handle ---- */

static struct sftp_handle *get_handle(struct sftp *f, struct buf *p, uint32_t *i)
{
    struct sftp_handle *h = sftp_handle(f, p, i);
    return h && h->kind == HANDLE_VIRTUAL ? h : NULL;
}

struct sftp_handle *sftp_virtual_handle(struct sftp *f, const uint8_t *bytes, size_t size, uint32_t *i)
{
    struct sftp_handle *h = sftp_handle_of(f, bytes, size, i);
    return h && h->kind == HANDLE_VIRTUAL ? h : NULL;
}

enum sftp_result sftp_virtual_fstat(struct sftp *f, uint32_t id, struct buf *p)
{
    uint32_t i;
    const struct sftp_handle *h = get_handle(f, p, &i);
    if (h == NULL)
        return SFTP_OTHER;
    struct attrs a = h->node->attrs;
    if (h->node->writable)
        a.size = buf_size(&h->node->content);
    sftp_reply_attrs_of(f, id, &a);
    return SFTP_DONE;
}

/* Makes the content SIZE bytes long; NULL, or why not. */
static const char *resize(struct sftp_node *n, uint64_t size)
{
    static const uint8_t zeros[256];
    size_t have = buf_size(&n->content);
    if (size > KEYS_FILE_MOST)
        return n->spoilt = "too long (at most 32 KiB); nothing is changed";
    if (size < have)
        n->content.len -= have - (size_t)size;
    for (size_t part; have < size; have += part) {
        part = size - have < sizeof zeros ? (size_t)size - have : sizeof zeros;
        buf_put(&n->content, zeros, part);
    }
    n->changed = true;
    return NULL;
}

enum sftp_result sftp_virtual_fsetstat(struct sftp *f, uint32_t id, struct buf *p)
{
    uint32_t i;
    struct attrs a;
    struct sftp_handle *h = get_handle(f, p, &i);
    attrs_get(p, &a);
    if (h == NULL || p->bad)
        return SFTP_OTHER;
    const char *why = h->node->place->save == NULL ? h->node->place->refusal : wrong_attrs(&a, h->node->writable);
    if (why)
        return turn_down(f, id, why);
    if (a.flags & ATTRS_SIZE)
        why = resize(h->node, a.size);
    sftp_status(f, id, why ? FX_FAILURE : FX_OK, why ? why : "Success");
    return SFTP_DONE;
}

enum sftp_result sftp_virtual_read(struct sftp *f, uint32_t id, struct buf *p)
{
    uint32_t i;
    const struct sftp_handle *h = get_handle(f, p, &i);
    uint64_t offset = buf_get_u64(p);
    uint32_t want = buf_get_u32(p);
    if (h == NULL || p->bad)
        return SFTP_OTHER;
    const struct buf *content = &h->node->content;
    want = want < SFTP_DATA_MOST ? want : SFTP_DATA_MOST;
    if (S_ISDIR(h->node->attrs.mode) || (h->flags & FXF_READ) == 0)
        sftp_status(f, id, FX_FAILURE, "the handle is not open for reading");
    else if (h->file.fd >= 0 && offset <= INT64_MAX)
        sftp_read_into(f, id, h->file.fd, offset, want);
    else if (offset >= buf_size(content))
        sftp_status(f, id, FX_EOF, "End of file");
    else {
        struct buf b;
        sftp_reply_begin(&b, CONTENT_MOST + 64, FXP_DATA, id);
        buf_put_bytes(&b, buf_head(content) + offset, buf_size(content) - offset < want ? (size_t)(buf_size(content) - offset) : want);
        sftp_reply_end(f, &b);
    }
    return SFTP_DONE;
}

const char *sftp_virtual_write_begin(struct sftp_handle *h, uint64_t *offset, uint32_t size)
{
    struct sftp_node *n = h->node;
    if ((h->flags & (FXF_WRITE | FXF_APPEND)) == 0 || !n->writable)
        return "the handle is not open for writing";
    size_t have = buf_size(&n->content);
    if (h->flags & FXF_APPEND)
        *offset = have;
    /* One that was longer when it was opened (the comments in front count) may be written in place. */
    if (*offset > KEYS_FILE_MOST || (*offset + size > KEYS_FILE_MOST && *offset + size > have))
        return n->spoilt = "too long (at most 32 KiB); nothing is changed";
    return *offset + size > have ? resize(n, *offset + size) : NULL;
}

void sftp_virtual_write(struct sftp_handle *h, uint64_t offset, const uint8_t *bytes, size_t size)
{
    struct buf *b = &h->node->content;
    memcpy(b->p + b->off + offset, bytes, size);
    h->node->changed = true;
}

/* Stores what H holds; the answer to ID comes when that is done. */
static void save(struct sftp *f, uint32_t id, struct sftp_node *n, int handle)
{
    struct sftp_job *j = job_new(f, n->place, JOB_SAVE, id, n->rest);
    size_t size = buf_size(&n->content);
    const uint8_t *bytes = size ? buf_head(&n->content) : (const uint8_t *)"";
    n->changed = false;
    if (handle >= 0)
        about(j, (uint32_t)handle);
    if (n->spoilt)
        sftp_job_tell(j, FX_FAILURE, n->spoilt);
    else if (memchr(bytes, 0, size))
        sftp_job_tell(j, FX_FAILURE, "it holds a NUL byte; nothing was changed");
    else {
        FREE_MEM char *text = mem_strn(bytes, size);
        n->place->save(j, text);
    }
}

enum sftp_result sftp_virtual_fsync(struct sftp *f, uint32_t id, struct buf *p)
{
    uint32_t i;
    const struct sftp_handle *h = get_handle(f, p, &i);
    if (h == NULL)
        return SFTP_OTHER;
    if (h->node->changed)
        save(f, id, h->node, (int)i);
    else
        sftp_status(f, id, FX_OK, "Success");
    return SFTP_DONE;
}

enum sftp_result sftp_virtual_close(struct sftp *f, uint32_t id, struct buf *p)
{
    uint32_t i;
    const struct sftp_handle *h = get_handle(f, p, &i);
    if (h == NULL)
        return SFTP_OTHER;
    if (h->pinned)
        return SFTP_WAIT;
    if (h->node->changed)
        save(f, id, h->node, -1);
    else
        sftp_status(f, id, FX_OK, "Success");
    sftp_handle_free(f, i);
    return SFTP_DONE;
}

enum sftp_result sftp_virtual_readdir(struct sftp *f, uint32_t id, struct buf *p)
{
    uint32_t i;
    const struct sftp_handle *h = get_handle(f, p, &i);
    if (h == NULL)
        return SFTP_OTHER;
    if (!S_ISDIR(h->node->attrs.mode))
        sftp_status(f, id, FX_FAILURE, "is not a directory");
    else if (h->pinned)
        return SFTP_WAIT;
    else if (h->node->listed)
        sftp_status(f, id, FX_EOF, "End of file");
    else {
        struct sftp_job *j = job_new(f, h->node->place, JOB_LIST, id, h->node->rest);
        about(j, i);
        sftp_pin(f, i);
        j->place->list(j, h->node);
    }
    return SFTP_DONE;
}
