/* /.ssh/authorized_keys: the account's own keys.  The store keeps and judges them; here a file is made of it. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "sshd/session/sftp_virtual.h"

enum { FILE_MOST = 64 * 1024 };

static bool shown(struct sftp *f UNUSED)
{
    return true;
}

/* Reads the answer of OP_KEYS_GET.  Returns why it may not be written, if it may not. */
static const char *read_file(struct sftp_node *n, struct msg *answer)
{
    size_t size;
    uint32_t change = msg_get_u32(answer);
    bool writable = change == KEYS_OWN;
    uint64_t added = msg_get_u64(answer);
    const uint8_t *bytes = msg_get_bytes(answer, &size);
    *n = (struct sftp_node){ .content = BUF(FILE_MOST), .writable = writable };
    buf_put(&n->content, bytes, size);
    n->attrs = sftp_virtual_attrs(S_IFREG | (writable ? 0600 : 0400), size, added / 1000);
    msg_end(answer);
    return change == KEYS_NOT_BY_THIS ? "the key of this connection is limited (rights, servers or command), so it may not change keys"
                                      : "your account may not have keys of its own: the admin sets them";
}

static void file_read(struct sftp_job *j, struct msg *answer)
{
    struct sftp_node n;
    const char *fixed = read_file(&n, answer);
    if (sftp_job_writes(j) && !n.writable) {
        buf_wipe(&n.content);
        sftp_job_tell(j, FX_PERMISSION_DENIED, fixed);
    } else if (j->flags & FXF_EXCL && j->flags & FXF_CREAT) {
        buf_wipe(&n.content);
        sftp_job_refuse(j, FX_FAILURE, "exists already");
    } else
        sftp_job_found(j, &n, -1);
}

static void look(struct sftp_job *j)
{
    if (j->rest[0] == '\0') {
        struct sftp_node n = { .attrs = sftp_virtual_attrs(S_IFDIR | 0700, 0, 0) };
        sftp_job_found(j, &n, -1);
    } else if (strcmp(j->rest, "authorized_keys") == 0)
        sftp_job_ask(j, OP_KEYS_GET, "", 0, "", file_read);
    else if (sftp_job_writes(j))
        sftp_job_tell(j, FX_PERMISSION_DENIED, sftp_keys.refusal);
    else
        sftp_job_refuse(j, FX_NO_SUCH_FILE, "no such file: /.ssh holds authorized_keys only");
}

static void listed(struct sftp_job *j, struct msg *answer)
{
    struct sftp_node n;
    struct buf b = BUF(4096);
    const struct attrs dir = sftp_virtual_attrs(S_IFDIR | 0700, 0, 0);
    read_file(&n, answer);
    sftp_virtual_entry(&b, ".", &dir);
    sftp_virtual_entry(&b, "..", &dir);
    sftp_virtual_entry(&b, "authorized_keys", &n.attrs);
    buf_wipe(&n.content);
    sftp_job_entries(j, 3, &b);
}

static void list(struct sftp_job *j, struct sftp_node *n)
{
    n->listed = true;
    sftp_job_ask(j, OP_KEYS_GET, "", 0, "", listed);
}

static void saved(struct sftp_job *j, struct msg *answer)
{
    msg_end(answer);
    sftp_job_done(j);
}

static void save(struct sftp_job *j, const char *text)
{
    sftp_job_ask(j, OP_KEYS_SET, "", 0, text, saved);
}

const struct sftp_place sftp_keys = {
    .name = ".ssh",
    .refusal = "/.ssh holds authorized_keys only: write that file itself, with all keys that are to stay; it is not renamed, replaced or removed",
    .shown = shown, .look = look, .list = list, .save = save,
};
