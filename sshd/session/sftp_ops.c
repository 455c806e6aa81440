#include <string.h>

#include "base/mem.h"
#include "sshd/proto.h"
#include "sshd/session/channel.h"
#include "sshd/session/session.h"
#include "sshd/session/sftp.h"

bool sftp_fields(struct sftp *f, const struct buf *p)
{
    if (p->bad)
        sftp_bad(f, "a packet is cut short");
    return !p->bad;
}

static void top_refused(struct sftp *f, uint32_t id)
{
    sftp_status(f, id, FX_PERMISSION_DENIED, "/ lists your servers; they are made and removed by an admin");
}

/* The entry "/SERVER" is the admin's as well: it is not removed, renamed or linked. */
static bool is_server_itself(struct sftp *f, const struct sftp_spot *s)
{
    return s->rest[0] == '\0' && session_home(f->session) == NULL;
}

enum sftp_result sftp_path_and_attrs(struct sftp *f, uint32_t id, struct buf *p, uint16_t type)
{
    struct attrs a;
    struct msg m;
    SPOT_FREE struct sftp_spot spot;
    bool ok = sftp_spot(f, id, p, &spot);
    attrs_get(p, &a);
    if (!sftp_fields(f, p) || !ok)
        return SFTP_DONE;
    /* As of any folder: clients that make all folders of a path begin here, and end at another answer. */
    if (type == FILES_MKDIR && sftp_is_top(&spot)) {
        sftp_status(f, id, FX_FAILURE, "it exists already");
        return SFTP_DONE;
    }
    if (sftp_is_top(&spot) || (type == FILES_MKDIR && is_server_itself(f, &spot) && !session_server(f->session, spot.name))) {
        top_refused(f, id);
        return SFTP_DONE;
    }
    struct sftp_server *s = sftp_server(f, id, spot.name);
    if (s == NULL)
        return SFTP_DONE;
    files_begin(&m, type);
    msg_put_str(&m, spot.rest);
    files_put_attrs(&m, &a);
    sftp_call_send(sftp_note_attrs(sftp_call(f, s, id, sftp_answer_ok), spot.rest, &a), &m);
    return SFTP_DONE;
}

enum sftp_result sftp_one_path(struct sftp *f, uint32_t id, struct buf *p, uint16_t type, sftp_answer_fn *answer)
{
    struct msg m;
    SPOT_FREE struct sftp_spot spot;
    bool ok = sftp_spot(f, id, p, &spot);
    if (!sftp_fields(f, p) || !ok)
        return SFTP_DONE;
    bool removes = type == FILES_REMOVE || type == FILES_RMDIR;
    if (sftp_is_top(&spot) || (removes && is_server_itself(f, &spot))) {
        top_refused(f, id);
        return SFTP_DONE;
    }
    struct sftp_server *s = sftp_server(f, id, spot.name);
    if (s == NULL)
        return SFTP_DONE;
    files_begin(&m, type);
    msg_put_str(&m, spot.rest);
    sftp_call_send(sftp_note(sftp_call(f, s, id, answer), spot.rest, NULL), &m);
    return SFTP_DONE;
}

enum sftp_result sftp_two_paths(struct sftp *f, uint32_t id, struct buf *p, uint16_t type, uint32_t number)
{
    struct msg m;
    SPOT_FREE struct sftp_spot from, to = { .path = NULL };
    bool ok = sftp_spot(f, id, p, &from) && sftp_spot(f, id, p, &to);
    if (!sftp_fields(f, p) || !ok)
        return SFTP_DONE;
    if (sftp_is_top(&from) || sftp_is_top(&to) || is_server_itself(f, &from) || is_server_itself(f, &to)) {
        top_refused(f, id);
        return SFTP_DONE;
    }
    if (strcmp(from.name, to.name) != 0) {
        sftp_status(f, id, FX_FAILURE, type == FILES_LINK ? "a link cannot lead to another server"
                                                          : "cannot move between servers: copy it and remove the original");
        return SFTP_DONE;
    }
    struct sftp_server *s = sftp_server(f, id, from.name);
    if (s == NULL)
        return SFTP_DONE;
    files_begin(&m, type);
    msg_put_str(&m, from.rest);
    msg_put_str(&m, to.rest);
    if (type == FILES_RENAME)
        msg_put_u32(&m, number);
    /* A link is recorded as what it made. */
    bool link = type == FILES_LINK;
    sftp_call_send(sftp_note(sftp_call(f, s, id, sftp_answer_ok), link ? to.rest : from.rest, link ? from.rest : to.rest), &m);
    return SFTP_DONE;
}

static enum sftp_result look(struct sftp *f, uint32_t id, struct buf *p, uint16_t type)
{
    struct buf ahead = *p;   /* a second look at the same path: "/" is answered here */
    SPOT_FREE struct sftp_spot spot;
    bool ok = sftp_spot(f, id, p, &spot);
    if (!sftp_fields(f, p) || !ok)
        return SFTP_DONE;
    if (!sftp_is_top(&spot))
        return sftp_one_path(f, id, &ahead, type, sftp_answer_attrs);
    struct attrs a;
    sftp_top_attrs(&a);
    sftp_reply_attrs_of(f, id, &a);
    return SFTP_DONE;
}

static enum sftp_result op_stat(struct sftp *f, uint32_t id, struct buf *p)
{
    return look(f, id, p, FILES_STAT);
}

static enum sftp_result op_lstat(struct sftp *f, uint32_t id, struct buf *p)
{
    return look(f, id, p, FILES_LSTAT);
}

static enum sftp_result op_setstat(struct sftp *f, uint32_t id, struct buf *p)
{
    return sftp_path_and_attrs(f, id, p, FILES_SETSTAT);
}

static enum sftp_result op_mkdir(struct sftp *f, uint32_t id, struct buf *p)
{
    return sftp_path_and_attrs(f, id, p, FILES_MKDIR);
}

static enum sftp_result op_remove(struct sftp *f, uint32_t id, struct buf *p)
{
    return sftp_one_path(f, id, p, FILES_REMOVE, sftp_answer_ok);
}

static enum sftp_result op_rmdir(struct sftp *f, uint32_t id, struct buf *p)
{
    return sftp_one_path(f, id, p, FILES_RMDIR, sftp_answer_ok);
}

static enum sftp_result op_rename(struct sftp *f, uint32_t id, struct buf *p)
{
    return sftp_two_paths(f, id, p, FILES_RENAME, 0);
}

static void target(struct sftp *f, struct sftp_call *c, struct msg *answer)
{
    size_t size;
    const uint8_t *bytes = msg_get_bytes(answer, &size);
    sftp_reply_name(f, c->id, bytes, size);
}

static enum sftp_result op_readlink(struct sftp *f, uint32_t id, struct buf *p)
{
    return sftp_one_path(f, id, p, FILES_READLINK, target);
}

/* Most clients send the target first, whatever the draft says. */
static enum sftp_result op_symlink(struct sftp *f, uint32_t id, struct buf *p)
{
    struct msg m;
    size_t size;
    struct buf to = *p, at = *p;
    buf_get_bytes(session_link_first(f->session) ? &to : &at, &size);
    const uint8_t *bytes = buf_get_bytes(&to, &size);
    if (!sftp_fields(f, &to))
        return SFTP_DONE;
    if (size == 0 || size > SFTP_PATH_MOST || memchr(bytes, 0, size)) {
        sftp_status(f, id, size ? FX_FAILURE : FX_NO_SUCH_FILE, "bad link target (1 to 4095 bytes, no NUL)");
        return SFTP_DONE;
    }
    SPOT_FREE struct sftp_spot spot;
    bool ok = sftp_spot(f, id, &at, &spot);
    if (!sftp_fields(f, &at) || !ok)
        return SFTP_DONE;
    if (sftp_is_top(&spot) || is_server_itself(f, &spot)) {
        top_refused(f, id);
        return SFTP_DONE;
    }
    struct sftp_server *s = sftp_server(f, id, spot.name);
    if (s == NULL)
        return SFTP_DONE;
    files_begin(&m, FILES_SYMLINK);
    msg_put_bytes(&m, bytes, size);
    msg_put_str(&m, spot.rest);
    FREE_MEM char *text = mem_strn(bytes, size);
    sftp_call_send(sftp_note(sftp_call(f, s, id, sftp_answer_ok), spot.rest, text), &m);
    return SFTP_DONE;
}

enum sftp_result sftp_realpath(struct sftp *f, uint32_t id, struct buf *p)
{
    SPOT_FREE struct sftp_spot spot;
    bool ok = sftp_spot(f, id, p, &spot);
    if (sftp_fields(f, p) && ok)
        sftp_reply_name(f, id, spot.path, strlen(spot.path));
    return SFTP_DONE;
}

/* WRITE is not here: it is taken apart before it is whole (sftp.c). */
static const struct sftp_op ops[] = {
    /*                   name      writes  cost  handler, that of virtual nodes, recorded as */
    [FXP_OPEN] =       { "open",     false, 2, sftp_open, sftp_virtual_open, 0 },
    [FXP_CLOSE] =      { "close",    false, 0, sftp_close, sftp_virtual_close, 0 },
    [FXP_READ] =       { "read",     false, 0, sftp_read, sftp_virtual_read, 0 },
    [FXP_LSTAT] =      { "lstat",    false, 1, op_lstat, sftp_virtual_stat, 0 },
    [FXP_FSTAT] =      { "fstat",    false, 1, sftp_fstat, sftp_virtual_fstat, 0 },
    [FXP_SETSTAT] =    { "setstat",  true,  1, op_setstat, sftp_virtual_setstat, ACTIVITY_CHMOD },
    [FXP_FSETSTAT] =   { "fsetstat", true,  1, sftp_fsetstat, sftp_virtual_fsetstat, ACTIVITY_CHMOD },
    [FXP_OPENDIR] =    { "opendir",  false, 2, sftp_opendir, sftp_virtual_opendir, 0 },
    [FXP_READDIR] =    { "readdir",  false, 8, sftp_readdir, sftp_virtual_readdir, 0 },
    [FXP_REMOVE] =     { "remove",   true,  1, op_remove, sftp_virtual_change, ACTIVITY_REMOVE },
    [FXP_MKDIR] =      { "mkdir",    true,  1, op_mkdir, sftp_virtual_mkdir, ACTIVITY_MKDIR },
    [FXP_RMDIR] =      { "rmdir",    true,  1, op_rmdir, sftp_virtual_change, ACTIVITY_RMDIR },
    [FXP_REALPATH] =   { "realpath", false, 0, sftp_realpath, NULL, 0 },
    [FXP_STAT] =       { "stat",     false, 1, op_stat, sftp_virtual_stat, 0 },
    [FXP_RENAME] =     { "rename",   true,  1, op_rename, sftp_virtual_two, ACTIVITY_RENAME },
    [FXP_READLINK] =   { "readlink", false, 1, op_readlink, sftp_virtual_never, 0 },
    [FXP_SYMLINK] =    { "symlink",  true,  1, op_symlink, sftp_virtual_symlink, ACTIVITY_SYMLINK },
    [FXP_EXTENDED] =   { "extended", false, 0, sftp_extended, NULL, 0 },
};

static enum sftp_result init(struct sftp *f, struct buf *p)
{
    uint32_t version = buf_get_u32(p);
    if (f->version || p->bad || version < 3) {
        sftp_bad(f, f->version ? "a second INIT" : "no version 3 in INIT");
        return SFTP_DONE;
    }
    f->version = true;
    struct buf b;
    sftp_reply_begin(&b, 4096, FXP_VERSION, 3);
    sftp_extensions(&b);
    sftp_reply_end(f, &b);
    return SFTP_DONE;
}

enum sftp_result sftp_run(struct sftp *f, const struct sftp_op *op, uint32_t id, struct buf *p)
{
    struct buf ahead = *p;
    f->op = op;
    f->held = false;
    enum sftp_result r = op->virtual ? op->virtual(f, id, &ahead) : SFTP_OTHER;
    if (r == SFTP_OTHER)
        r = op->fn(f, id, p);
    return f->held ? SFTP_WAIT : r;
}

enum sftp_result sftp_packet(struct sftp *f, struct buf *p)
{
    uint8_t type = buf_get_u8(p);
    if (type == FXP_INIT)
        return init(f, p);
    uint32_t id = buf_get_u32(p);
    if (!f->version || p->bad) {
        sftp_bad(f, f->version ? "a packet without an id" : "a request before INIT");
        return SFTP_DONE;
    }
    if (type < countof(ops) && ops[type].fn)
        return sftp_run(f, &ops[type], id, p);
    sftp_status(f, id, FX_OP_UNSUPPORTED, "unknown request");
    return SFTP_DONE;
}
