#include "sshd/files/requests.h"

#include <string.h>

#include "base/die.h"
#include "base/rights.h"
#include "sshd/files/failure.h"
#include "sshd/proto.h"

enum { ANY = RIGHT_FILES_READ | RIGHT_FILES_WRITE | RIGHT_FILES_DELETE };

/* One of the rights is enough.  OPEN's depends on its flags: ANY here, the rest in open.c. */
static const struct {
    uint32_t right;
    bool writes;
    bool unanswered;
    request_fn *fn;
} requests[] = {
#define ROW(type, r, w, f) [type - FILES_OPEN] = { .right = r, .writes = w, .fn = f }
    ROW(FILES_OPEN, ANY, false, files_open),
    ROW(FILES_LEASE, RIGHT_FILES_WRITE, true, files_lease),
    ROW(FILES_OPENDIR, RIGHT_FILES_READ, false, files_opendir),
    ROW(FILES_READDIR, RIGHT_FILES_READ, false, files_readdir),
    ROW(FILES_STAT, RIGHT_FILES_READ, false, files_stat),
    ROW(FILES_LSTAT, RIGHT_FILES_READ, false, files_lstat),
    ROW(FILES_FSTAT, ANY, false, files_fstat),
    ROW(FILES_SETSTAT, RIGHT_FILES_WRITE, true, files_setstat),
    ROW(FILES_LSETSTAT, RIGHT_FILES_WRITE, true, files_lsetstat),
    ROW(FILES_FSETSTAT, RIGHT_FILES_WRITE, true, files_fsetstat),
    ROW(FILES_MKDIR, RIGHT_FILES_WRITE, true, files_mkdir),
    ROW(FILES_RMDIR, RIGHT_FILES_DELETE, true, files_rmdir),
    ROW(FILES_REMOVE, RIGHT_FILES_DELETE, true, files_remove),
    ROW(FILES_RENAME, RIGHT_FILES_DELETE, true, files_rename),
    ROW(FILES_LINK, RIGHT_FILES_WRITE, true, files_link),
    ROW(FILES_SYMLINK, RIGHT_FILES_WRITE, true, files_symlink),
    ROW(FILES_READLINK, RIGHT_FILES_READ, false, files_readlink),
    ROW(FILES_STATVFS, ANY, false, files_statvfs),
    ROW(FILES_FSYNC, RIGHT_FILES_WRITE, true, files_fsync),
    ROW(FILES_COPY, RIGHT_FILES_WRITE, true, files_copy),
#undef ROW
    [FILES_CLOSE - FILES_OPEN] = { .right = ANY, .unanswered = true, .fn = files_close },
};

static void answer_begin(struct msg *a, uint32_t id, uint32_t status, const char *text)
{
    msg_begin(a, FILES_ANSWER, id);
    msg_put_u32(a, status);
    msg_put_str(a, text);
}

static int refuse(struct worker *w, uint32_t right, bool writes)
{
    char words[128];
    return fail(w, FX_PERMISSION_DENIED, "%syour account does not have %s on this server", writes ? "read-only: " : "",
                rights_text(right, words, sizeof words));
}

void request(struct worker *w, int link, struct msg *m)
{
    unsigned row = (unsigned)m->type - FILES_OPEN;
    if (row >= countof(requests) || requests[row].fn == NULL)
        die("peer broke a rule: message %u is no request", m->type);
    MSG_FREE struct msg answer;
    answer_begin(&answer, m->id, FX_OK, "");
    int r = w->rights & requests[row].right ? requests[row].fn(w, m, &answer)
                                            : refuse(w, requests[row].right, requests[row].writes);
    if (r < 0) {
        msg_free(&answer);
        answer_begin(&answer, m->id, w->failure.status, w->failure.text);
    }
    if (!requests[row].unanswered && msg_send(link, &answer) < 0)
        die_errno("answer");
}

void request_attrs(struct msg *m, struct attrs *a)
{
    size_t size;
    const uint8_t *p = msg_get_bytes(m, &size);
    /* A view: the buffer's memory stays the message's. */
    struct buf view = { .p = (uint8_t *)(uintptr_t)p, .len = size, .cap = size, .max = size };
    attrs_get(&view, a);
    if (view.bad || buf_size(&view) != 0)
        die("peer broke a rule: attributes");
}

void answer_attrs(struct msg *answer, const struct stat *st)
{
    uint8_t space[ATTRS_MOST];
    struct buf b = { .p = space, .cap = sizeof space, .max = sizeof space };
    struct attrs a;
    attrs_of_stat(&a, st);
    attrs_put(&b, &a);
    msg_put_bytes(answer, b.p, b.len);
}
