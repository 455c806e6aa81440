/* Listings.  A client asks for the next batch when it has chewed the last one; the worker has it ready by then. */
#include <string.h>

#include "base/mem.h"
#include "sshd/proto.h"
#include "sshd/session/session.h"
#include "sshd/session/sftp.h"

enum { NAME_PACKET_MOST = 256 * 1024, ID_AT = 5 };

/* The worker's batch as a packet for ID; false at the end of the directory, where there is none. */
static bool packet_of(struct buf *b, uint32_t id, struct msg *answer)
{
    size_t size;
    uint32_t n = msg_get_u32(answer);
    if (n == 0)
        return false;
    sftp_reply_begin(b, NAME_PACKET_MOST, FXP_NAME, id);
    buf_put_u32(b, n);
    for (uint32_t i = 0; i < n; i++) {
        const uint8_t *name = msg_get_bytes(answer, &size);
        buf_put_bytes(b, name, size);
        const uint8_t *line = msg_get_bytes(answer, &size);
        buf_put_bytes(b, line, size);
        const uint8_t *attrs = msg_get_bytes(answer, &size);
        buf_put(b, attrs, size);
    }
    return true;
}

static void the_end(struct sftp *f, uint32_t id)
{
    sftp_status(f, id, FX_EOF, "End of file");
}

/* --- ahead of the client --------------------------------------------------------------------------------------------------------------- */

struct fetching {
    struct sftp *f;
    struct sftp_server *server;
    uint32_t i, generation;
};

/* What failed is asked again when the client asks, and fails then with its words. */
static void fetched(void *data, uint32_t status, const char *text UNUSED, struct msg *answer)
{
    FREE_MEM struct fetching *t = data;
    struct sftp *f = t->f;
    struct sftp_handle *h = &f->handles[t->i];
    struct buf b;
    sftp_enter(f);
    t->server->asked--;
    bool ours = h->kind == HANDLE_DIR && h->generation == t->generation;
    if (ours)
        h->fetch = FETCH_NONE;
    if (status == FX_OK && packet_of(&b, 0, answer)) {
        if (ours) {
            h->ahead = b;
            h->fetch = FETCH_READY;
        } else
            buf_free(&b);
    } else if (ours && status == FX_OK)
        h->fetch = FETCH_END;
    sftp_leave(f);
}

static void fetch(struct sftp *f, uint32_t i)
{
    struct msg m;
    struct sftp_handle *h = &f->handles[i];
    struct fetching *t = mem_new(sizeof *t);
    *t = (struct fetching){ .f = f, .server = h->server, .i = i, .generation = h->generation };
    h->fetch = FETCH_ASKED;
    h->server->asked++;
    files_begin(&m, FILES_READDIR);
    msg_put_u32(&m, h->file.number);
    files_ask(h->server->files, &m, fetched, t);
}

static void send_ahead(struct sftp *f, uint32_t id, struct sftp_handle *h)
{
    struct buf b = h->ahead;
    const uint8_t bytes[4] = { (uint8_t)(id >> 24), (uint8_t)(id >> 16), (uint8_t)(id >> 8), (uint8_t)id };
    h->ahead = (struct buf){ 0 };
    h->fetch = FETCH_NONE;
    memcpy(b.p + b.off + ID_AT, bytes, sizeof bytes);
    sftp_reply_end(f, &b);
}

/* --- a server's directories ---------------------------------------------------------------------------------------------------------------- */

static void listed(struct sftp *f, struct sftp_call *c, struct msg *answer)
{
    struct buf b;
    struct sftp_handle *h = &f->handles[c->handle];
    if (!packet_of(&b, c->id, answer)) {
        the_end(f, c->id);
        return;
    }
    sftp_reply_end(f, &b);
    if (h->kind == HANDLE_DIR && h->generation == c->generation && h->busy == 0 && h->fetch == FETCH_NONE)
        fetch(f, (uint32_t)c->handle);
}

static enum sftp_result list(struct sftp *f, uint32_t id, uint32_t i)
{
    struct msg m;
    struct sftp_handle *h = &f->handles[i];
    switch (h->fetch) {
    case FETCH_ASKED:
        return SFTP_WAIT;
    case FETCH_READY:
        send_ahead(f, id, h);
        fetch(f, i);
        break;
    case FETCH_END:
        the_end(f, id);
        break;
    case FETCH_NONE:
        sftp_call_send(sftp_call_about(f, id, i, listed, &m, FILES_READDIR), &m);
        break;
    }
    return SFTP_DONE;
}

/* --- the top -------------------------------------------------------------------------------------------------------------------------------- */

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
        the_end(f, id);
        return;
    }
    h->read = true;
    n = n < fit ? n : fit;
    sftp_reply_begin(&b, NAME_PACKET_MOST, FXP_NAME, id);
    buf_put_u32(&b, (uint32_t)n + 2 + sftp_virtual_top(f, NULL));
    top_entry(&b, ".");
    top_entry(&b, "..");
    for (size_t i = 0; i < n; i++)
        top_entry(&b, s[i].name);
    sftp_virtual_top(f, &b);
    sftp_reply_end(f, &b);
}

enum sftp_result sftp_readdir(struct sftp *f, uint32_t id, struct buf *p)
{
    uint32_t i;
    struct sftp_handle *h = sftp_handle(f, p, &i);
    if (!sftp_fields(f, p))
        return SFTP_DONE;
    if (h && h->kind == HANDLE_TOP)
        list_top(f, id, h);
    else if (h && h->kind == HANDLE_DIR)
        return list(f, id, i);
    else
        sftp_no_handle(f, id, h);
    return SFTP_DONE;
}
