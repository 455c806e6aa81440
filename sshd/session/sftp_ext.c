#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "sshd/proto.h"
#include "sshd/session/channel.h"
#include "sshd/session/session.h"
#include "sshd/session/sftp.h"

enum { STATVFS_NUMBERS = 11, STATVFS_FLAG = 9, FLAG_READ_ONLY = 1, FLAG_NO_SETUID = 2, IDS_MOST = 8192 };

static enum sftp_result ext_posix_rename(struct sftp *f, uint32_t id, struct buf *p)
{
    return sftp_two_paths(f, id, p, FILES_RENAME, 1);
}

static enum sftp_result ext_hardlink(struct sftp *f, uint32_t id, struct buf *p)
{
    return sftp_two_paths(f, id, p, FILES_LINK, 0);
}

static void reply_statvfs(struct sftp *f, uint32_t id, const uint64_t *v)
{
    struct buf b;
    sftp_reply_begin(&b, 256, FXP_EXTENDED_REPLY, id);
    for (size_t i = 0; i < STATVFS_NUMBERS; i++)
        buf_put_u64(&b, i == STATVFS_FLAG ? v[i] & (FLAG_READ_ONLY | FLAG_NO_SETUID) : v[i]);
    sftp_reply_end(f, &b);
}

static void statvfs_answered(struct sftp *f, struct sftp_call *c, struct msg *answer)
{
    uint64_t v[STATVFS_NUMBERS];
    for (size_t i = 0; i < STATVFS_NUMBERS; i++)
        v[i] = msg_get_u64(answer);
    reply_statvfs(f, c->id, v);
}

/* "/" has no space of its own: it lists. */
static enum sftp_result ext_statvfs(struct sftp *f, uint32_t id, struct buf *p)
{
    static const uint64_t nothing[STATVFS_NUMBERS] = { [0] = 4096, [1] = 4096, [STATVFS_FLAG] = FLAG_READ_ONLY, [10] = 255 };
    struct buf ahead = *p;
    SPOT_FREE struct sftp_spot spot;
    bool ok = sftp_spot(f, id, p, &spot);
    if (!sftp_fields(f, p) || !ok)
        return SFTP_DONE;
    if (!sftp_is_top(&spot) && !sftp_is_virtual(f, &spot))
        return sftp_one_path(f, id, &ahead, FILES_STATVFS, statvfs_answered);
    reply_statvfs(f, id, nothing);
    return SFTP_DONE;
}

/* A server's files are one file system: any of its handles says which. */
static enum sftp_result ext_fstatvfs(struct sftp *f, uint32_t id, struct buf *p)
{
    uint32_t i;
    struct msg m;
    const struct sftp_handle *h = sftp_handle(f, p, &i);
    if (!sftp_fields(f, p))
        return SFTP_DONE;
    if (h == NULL || h->server == NULL || h->server->files == NULL) {
        sftp_status(f, id, FX_FAILURE, "no such handle");
        return SFTP_DONE;
    }
    files_begin(&m, FILES_STATVFS);
    msg_put_str(&m, "");
    sftp_call_send(sftp_call(f, h->server, id, statvfs_answered), &m);
    return SFTP_DONE;
}

static enum sftp_result ext_lsetstat(struct sftp *f, uint32_t id, struct buf *p)
{
    return sftp_path_and_attrs(f, id, p, FILES_LSETSTAT);
}

static enum sftp_result ext_limits(struct sftp *f, uint32_t id, struct buf *p UNUSED)
{
    struct buf b;
    sftp_reply_begin(&b, 256, FXP_EXTENDED_REPLY, id);
    buf_put_u64(&b, SFTP_PACKET_MOST);
    buf_put_u64(&b, SFTP_DATA_MOST);
    buf_put_u64(&b, SFTP_DATA_MOST);
    buf_put_u64(&b, f->nhandles);
    sftp_reply_end(f, &b);
    return SFTP_DONE;
}

/* "~" and "~/" are the top; "~NAME" would be another account's, of which there is none to see. */
static enum sftp_result ext_expand_path(struct sftp *f, uint32_t id, struct buf *p)
{
    struct buf ahead = *p;
    size_t size;
    const uint8_t *bytes = buf_get_bytes(&ahead, &size);
    if (!sftp_fields(f, &ahead))
        return SFTP_DONE;
    if (size == 0 || bytes[0] != '~')
        return sftp_realpath(f, id, p);
    if (size > 1 && bytes[1] != '/') {
        sftp_status(f, id, FX_NO_SUCH_FILE, "no home of another account is here");
        return SFTP_DONE;
    }
    BUF_FREE struct buf rest = BUF(SFTP_PACKET_MOST);
    buf_put_bytes(&rest, bytes + 1, size - 1);
    return sftp_realpath(f, id, &rest);
}

static enum sftp_result ext_home_directory(struct sftp *f, uint32_t id, struct buf *p)
{
    size_t size;
    const uint8_t *who = buf_get_bytes(p, &size);
    const char *account = session_account(f->session);
    if (!sftp_fields(f, p))
        return SFTP_DONE;
    if (size == 0 || (size == strlen(account) && memcmp(who, account, size) == 0))
        sftp_reply_name(f, id, "/", 1);
    else
        sftp_status(f, id, FX_FAILURE, "no home of another account is here");
    return SFTP_DONE;
}

/* Whatever a file's ids are, it is the server's: that is what a listing's lines say as well. */
static enum sftp_result ext_users_groups(struct sftp *f, uint32_t id, struct buf *p)
{
    size_t size[2];
    buf_get_bytes(p, &size[0]);
    buf_get_bytes(p, &size[1]);
    if (!sftp_fields(f, p))
        return SFTP_DONE;
    if (size[0] % 4 || size[1] % 4 || size[0] + size[1] > IDS_MOST * 4) {
        sftp_status(f, id, FX_FAILURE, "bad lists of ids (4 bytes each, at most 8192 in all)");
        return SFTP_DONE;
    }
    struct buf b;
    sftp_reply_begin(&b, SFTP_PACKET_MOST, FXP_EXTENDED_REPLY, id);
    for (int k = 0; k < 2; k++) {
        buf_put_u32(&b, (uint32_t)(size[k] / 4 * (4 + strlen("server"))));
        for (size_t i = 0; i < size[k] / 4; i++)
            buf_put_str(&b, "server");
    }
    sftp_reply_end(f, &b);
    return SFTP_DONE;
}

static void reply_space(struct sftp *f, uint32_t id, const uint64_t *v)
{
    struct buf b;
    sftp_reply_begin(&b, 256, FXP_EXTENDED_REPLY, id);
    buf_put_u64(&b, v[1] * v[2]);
    buf_put_u64(&b, v[1] * v[3]);
    buf_put_u64(&b, v[1] * v[2]);
    buf_put_u64(&b, v[1] * v[4]);
    buf_put_u32(&b, (uint32_t)v[1]);
    sftp_reply_end(f, &b);
}

static void space_answered(struct sftp *f, struct sftp_call *c, struct msg *answer)
{
    uint64_t v[STATVFS_NUMBERS];
    for (size_t i = 0; i < STATVFS_NUMBERS; i++)
        v[i] = msg_get_u64(answer);
    reply_space(f, c->id, v);
}

static enum sftp_result ext_space(struct sftp *f, uint32_t id, struct buf *p)
{
    static const uint64_t nothing[STATVFS_NUMBERS];
    struct buf ahead = *p;
    SPOT_FREE struct sftp_spot spot;
    bool ok = sftp_spot(f, id, p, &spot);
    if (!sftp_fields(f, p) || !ok)
        return SFTP_DONE;
    if (!sftp_is_top(&spot) && !sftp_is_virtual(f, &spot))
        return sftp_one_path(f, id, &ahead, FILES_STATVFS, space_answered);
    reply_space(f, id, nothing);
    return SFTP_DONE;
}

static const struct { const char *version; struct sftp_op op; } extensions[] = {
    /*       name                       writes  cost  handler, that of virtual nodes, recorded as */
    { "1", { "posix-rename@openssh.com", true,  1, ext_posix_rename, sftp_virtual_two, ACTIVITY_RENAME } },
    { "2", { "statvfs@openssh.com",      false, 1, ext_statvfs, NULL, 0 } },
    { "2", { "fstatvfs@openssh.com",     false, 1, ext_fstatvfs, NULL, 0 } },
    { "1", { "hardlink@openssh.com",     true,  1, ext_hardlink, sftp_virtual_two, ACTIVITY_LINK } },
    { "1", { "fsync@openssh.com",        true,  8, sftp_fsync, sftp_virtual_fsync, 0 } },
    { "1", { "lsetstat@openssh.com",     true,  1, ext_lsetstat, sftp_virtual_setstat, ACTIVITY_CHMOD } },
    { "1", { "limits@openssh.com",       false, 0, ext_limits, NULL, 0 } },
    { "1", { "expand-path@openssh.com",  false, 0, ext_expand_path, NULL, 0 } },
    { "1", { "home-directory",           false, 0, ext_home_directory, NULL, 0 } },
    { "1", { "users-groups-by-id@openssh.com", false, 0, ext_users_groups, NULL, 0 } },
    { "1", { "space-available",          false, 1, ext_space, NULL, 0 } },
    { "1", { "copy-data",                true,  SFTP_COPY_COST, sftp_copy_data, NULL, 0 } },
    { "1", { "copy-file",                true,  SFTP_COPY_COST, sftp_copy_file, sftp_virtual_two, 0 } },
    { "1", { "check-file-handle",        false, 16, sftp_check_handle, NULL, 0 } },
    { "1", { "check-file-name",          false, 16, sftp_check_name, sftp_virtual_never, 0 } },
    /* As the first draft had it and paramiko speaks it: by handle, and the answer repeats the name. */
    { "1", { "check-file",               false, 16, sftp_check_plain, NULL, 0 } },
};

void sftp_extensions(struct buf *b)
{
    for (size_t i = 0; i < countof(extensions); i++) {
        buf_put_str(b, extensions[i].op.name);
        buf_put_str(b, extensions[i].version);
    }
}

enum sftp_result sftp_extended(struct sftp *f, uint32_t id, struct buf *p)
{
    size_t size;
    const uint8_t *name = buf_get_bytes(p, &size);
    if (!sftp_fields(f, p))
        return SFTP_DONE;
    for (size_t i = 0; i < countof(extensions); i++)
        if (size == strlen(extensions[i].op.name) && memcmp(name, extensions[i].op.name, size) == 0)
            return sftp_run(f, &extensions[i].op, id, p);
    sftp_status(f, id, FX_OP_UNSUPPORTED, "unknown extension");
    return SFTP_DONE;
}
