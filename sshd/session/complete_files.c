#include "sshd/session/complete_files.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "sshd/attrs.h"
#include "sshd/proto.h"
#include "sshd/session/files_client.h"
#include "sshd/session/sftp_path.h"

enum { NAMES_MOST = 20000, FIND_MS = 8000 };

struct finding {
    struct session *s;
    struct completions c;
    finding_fn *fn;
    void *data;
    char *rest;                     /* the folder, in its server; owned */
    uint32_t asked;
    struct files *files;
    struct session_turn *turn;      /* its end, now or when it takes too long */
    uint32_t handle, seen;
};

void finding_free(struct finding *f)
{
    if (f == NULL)
        return;
    struct files *files = f->files;
    f->files = NULL;
    f->fn = NULL;
    if (f->asked)
        session_do_cancel(f->s, f->asked);
    if (files)
        files_end(files, FX_CONNECTION_LOST, "");
    session_turn_free(f->turn);
    completions_free(&f->c);
    free(f->rest);
    free(f);
}

static void finish(void *data)
{
    struct finding *f = data;
    f->turn = NULL;
    completions_sort(&f->c);
    f->fn(f->data, &f->c);
}

/* From the loop: its worker's functions are still at work. */
static void finish_soon(struct finding *f)
{
    session_turn_free(f->turn);
    f->turn = session_turn_new(f->s, finish, f);
}

static void read_more(struct finding *f);

static void names(void *data, uint32_t status, const char *text UNUSED, struct msg *answer)
{
    struct finding *f = data;
    if (f->fn == NULL)
        return;
    uint32_t n = status == FX_OK ? msg_get_u32(answer) : 0;
    for (uint32_t i = 0; i < n; i++) {
        size_t size, line, asize;
        struct attrs a = { 0 };
        const uint8_t *name = msg_get_bytes(answer, &size);
        msg_get_bytes(answer, &line);
        const uint8_t *bytes = msg_get_bytes(answer, &asize);
        BUF_FREE struct buf b = BUF(ATTRS_MOST);
        FREE_MEM char *copy = mem_strn(name, size);
        buf_put(&b, bytes, asize);
        attrs_get(&b, &a);
        if (strlen(copy) == size)
            completions_name(&f->c, copy, S_ISDIR(a.mode));
    }
    f->seen += n;
    if (n > 0 && f->seen < NAMES_MOST)
        read_more(f);
    else
        finish_soon(f);
}

static void read_more(struct finding *f)
{
    struct msg m;
    files_begin(&m, FILES_READDIR);
    msg_put_u32(&m, f->handle);
    files_ask(f->files, &m, names, f);
}

static void opened(void *data, uint32_t status, const char *text UNUSED, struct msg *answer)
{
    struct finding *f = data;
    if (f->fn == NULL)
        return;
    if (status != FX_OK) {
        finish_soon(f);
        return;
    }
    f->handle = msg_get_u32(answer);
    read_more(f);
}

static void gone(void *data, struct files *files UNUSED, const char *ended UNUSED)
{
    finish_soon(data);
}

static void started(void *data, int code, const char *text UNUSED, struct msg *answer)
{
    struct finding *f = data;
    struct msg m;
    f->asked = 0;
    if (code != 0) {
        finish_soon(f);
        return;
    }
    f->files = files_new(f->s, msg_get_fd(answer), gone, f);
    msg_end(answer);
    files_begin(&m, FILES_OPENDIR);
    msg_put_bytes(&m, f->rest, strlen(f->rest));
    files_ask(f->files, &m, opened, f);
}

static void top(struct finding *f)
{
    size_t n;
    const struct server_right *r = session_servers(f->s, &n);
    for (size_t i = 0; i < n; i++)
        if (r[i].rights & RIGHT_FILES_READ)
            completions_name(&f->c, r[i].name, true);
    finish_soon(f);
}

struct finding *finding_new(struct session *s, struct completions *c, finding_fn *fn, void *data)
{
    struct finding *f = mem_new(sizeof *f);
    SPOT_FREE struct sftp_spot spot = { 0 };
    enum sftp_path_error why;
    *f = (struct finding){ .s = s, .c = *c, .fn = fn, .data = data };
    *c = (struct completions){ 0 };
    bool good = sftp_spot_of(s, (const uint8_t *)f->c.folder, strlen(f->c.folder), &spot, &why);
    const struct server_right *r = good && !sftp_is_top(&spot) ? session_server(s, spot.name) : NULL;
    if (good && sftp_is_top(&spot)) {
        top(f);
    } else if (r == NULL || !(r->rights & RIGHT_FILES_READ)) {
        finish_soon(f);
    } else {
        f->rest = mem_str(spot.rest);
        f->asked = session_do_later(s, OP_FILES, spot.name, RIGHT_FILES_READ, "", started, f);
        f->turn = session_turn_later(s, FIND_MS, finish, f);
    }
    return f;
}
