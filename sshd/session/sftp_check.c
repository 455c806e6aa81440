/* check-file: digests of a file's parts, made here from the worker's descriptor.  One slice of one file a turn of the loop. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "sshd/proto.h"
#include "sshd/session/channel.h"
#include "sshd/session/hash.h"
#include "sshd/session/session.h"
#include "sshd/session/sftp.h"

enum { BLOCK_LEAST = 256, DIGESTS_MOST = 240 * 1024 };

struct sftp_check {
    struct sftp_check *next;
    struct sftp *sftp;
    uint32_t asked;               /* the question whether the account may have so many bytes hashed; 0: it may */
    uint32_t id;
    unsigned cost;
    bool echo;                    /* the answer begins with the extension's name */
    struct hash *hash;
    uint64_t offset, left;        /* of the range */
    uint32_t block, in_block;     /* 0: the range is one; bytes of this one hashed so far */
    struct sftp_server *server;
    int fd;                       /* own, or the handle's */
    int handle;                   /* index; -1: by name */
    struct buf digests;
};

static void check_free(struct sftp_check *k)
{
    if (k->asked)
        session_do_cancel(k->sftp->session, k->asked);
    if (k->handle < 0 && k->fd >= 0)
        close(k->fd);
    hash_free(k->hash);
    buf_free(&k->digests);
    free(k);
}

/* Takes K off the list; its handle is the client's again. */
static void check_end(struct sftp *f, struct sftp_check *k)
{
    struct sftp_check **at = &f->checks;
    while (*at != k)
        at = &(*at)->next;
    *at = k->next;
    f->cost -= k->cost;
    if (k->handle >= 0)
        sftp_unpin(f, (uint32_t)k->handle);
    else
        k->server->open--;
    check_free(k);
}

static void reply(struct sftp *f, const struct sftp_check *k)
{
    struct buf b;
    sftp_reply_begin(&b, SFTP_PACKET_MOST, FXP_EXTENDED_REPLY, k->id);
    if (k->echo)
        buf_put_str(&b, "check-file");
    buf_put_str(&b, hash_name(k->hash));
    buf_put(&b, buf_head(&k->digests), buf_size(&k->digests));
    sftp_reply_end(f, &b);
}

static void digest(struct sftp_check *k)
{
    uint8_t out[HASH_MOST];
    hash_end(k->hash, out);
    buf_put(&k->digests, out, hash_size(k->hash));
    k->in_block = 0;
}

/* True when there is more to do.  A file that shrank meanwhile just ends. */
static bool slice(struct sftp *f, struct sftp_check *k)
{
    uint64_t most = k->block && k->block - k->in_block < k->left ? k->block - k->in_block : k->left;
    ssize_t n = most > 0 ? hash_read(k->hash, k->fd, k->offset, most) : 0;
    if (n > 0) {
        k->offset += (uint64_t)n;
        k->left -= (uint64_t)n;
        k->in_block += k->block ? (uint32_t)n : 0;
        if (k->block && k->in_block == k->block)
            digest(k);
        return true;
    }
    if (n < 0)
        sftp_status(f, k->id, FX_FAILURE, strerror(errno));
    else {
        if (k->block == 0 || k->in_block > 0)
            digest(k);
        reply(f, k);
    }
    return false;
}

static struct sftp_check *next_one(const struct sftp *f)
{
    struct sftp_check *k = f->checks;
    while (k && k->asked)
        k = k->next;
    return k;
}

static void turn(void *data);

static void go_on(struct sftp *f)
{
    if (f->turn == NULL && next_one(f))
        f->turn = session_turn_new(f->session, turn, f);
}

static void turn(void *data)
{
    struct sftp *f = data;
    f->turn = NULL;
    sftp_enter(f);
    struct sftp_check *k = next_one(f);
    /* Small blocks: as many as make a slice. */
    uint64_t until = k->offset + HASH_SLICE;
    bool more = true;
    while (more && k->offset < until)
        more = slice(f, k);
    if (!more)
        check_end(f, k);
    go_on(f);
    sftp_leave(f);
}

void sftp_checks_end(struct sftp *f, const struct sftp_server *s, uint32_t status, const char *text)
{
    struct sftp_check *next;
    for (struct sftp_check *k = f->checks; k; k = next) {
        next = k->next;
        if (s && k->server != s)
            continue;
        sftp_status(f, k->id, status, text);
        check_end(f, k);
    }
    if (f->checks == NULL) {
        session_turn_free(f->turn);
        f->turn = NULL;
    }
}

static void allowed(void *data, int code, const char *text, struct msg *answer)
{
    struct sftp_check *k = data;
    struct sftp *f = k->sftp;
    (void)answer;
    k->asked = 0;
    sftp_enter(f);
    if (code != 0) {
        sftp_status(f, k->id, FX_FAILURE, text);
        check_end(f, k);
    }
    go_on(f);
    sftp_leave(f);
}

static void start(struct sftp *f, struct sftp_check *k)
{
    struct sftp_check **at = &f->checks;
    while (*at)
        at = &(*at)->next;
    *at = k;
    f->cost += k->cost;
    if (k->handle >= 0)
        sftp_pin(f, (uint32_t)k->handle);
    else
        k->server->open++;
    if (k->left > 0)
        k->asked = session_do_later(f->session, OP_LIMITS, "", k->left, "check-file", allowed, k);
    go_on(f);
}

/* The range within the file as it is now.  NULL, or why not. */
static const char *measure(struct sftp_check *k)
{
    struct stat st;
    if (fstat(k->fd, &st) < 0)
        return strerror(errno);
    uint64_t size = (uint64_t)st.st_size;
    if (k->offset > size)
        return "the start lies past the end of the file";
    if (k->left == 0 || k->left > size - k->offset)
        k->left = size - k->offset;
    if (k->block && k->left / k->block >= DIGESTS_MOST / hash_size(k->hash))
        return "too many blocks for one answer: a larger block or a shorter range";
    return NULL;
}

static struct hash *choose(const uint8_t *list, size_t size)
{
    struct hash *h = NULL;
    while (size > 0 && h == NULL) {
        const uint8_t *comma = memchr(list, ',', size);
        size_t len = comma ? (size_t)(comma - list) : size;
        h = hash_new((const char *)list, len);
        len += comma ? 1 : 0;
        list += len;
        size -= len;
    }
    return h;
}

/* The fields behind the handle or the name.  NULL: answered, or P is bad. */
static struct sftp_check *fields(struct sftp *f, uint32_t id, struct buf *p, bool echo)
{
    size_t size;
    const uint8_t *list = buf_get_bytes(p, &size);
    uint64_t offset = buf_get_u64(p), length = buf_get_u64(p);
    uint32_t block = buf_get_u32(p);
    if (!sftp_fields(f, p))
        return NULL;
    struct hash *h = choose(list, size);
    const char *why = h == NULL ? "none of these hashes is here (md5, sha1, sha224, sha256, sha384, sha512, crc32)"
                      : block && block < BLOCK_LEAST ? "the block size is too small (0, or at least 256)" : NULL;
    if (why) {
        hash_free(h);
        sftp_status(f, id, FX_FAILURE, why);
        return NULL;
    }
    struct sftp_check *k = mem_new(sizeof *k);
    *k = (struct sftp_check){ .sftp = f, .id = id, .cost = f->op->cost, .echo = echo, .hash = h, .offset = offset, .left = length,
                              .block = block, .fd = -1, .handle = -1, .digests = BUF(DIGESTS_MOST + HASH_MOST) };
    return k;
}

static enum sftp_result by_handle(struct sftp *f, uint32_t id, struct buf *p, bool echo)
{
    uint32_t i;
    struct sftp_handle *h = sftp_handle(f, p, &i);
    if (h && h->busy)
        return SFTP_WAIT;
    struct sftp_check *k = fields(f, id, p, echo);
    if (k == NULL)
        return SFTP_DONE;
    const char *why = h == NULL || h->kind != HANDLE_FILE ? "no such file handle" : NULL;
    if (why == NULL && (h->flags & FXF_READ) == 0 && h->flags & (FXF_WRITE | FXF_APPEND))
        why = "the handle is not open for reading";
    if (why == NULL) {
        k->fd = h->file.fd;
        k->server = h->server;
        k->handle = (int)i;
        why = measure(k);
    }
    if (why) {
        sftp_status(f, id, FX_FAILURE, why);
        check_free(k);
        return SFTP_DONE;
    }
    start(f, k);
    return SFTP_DONE;
}

enum sftp_result sftp_check_handle(struct sftp *f, uint32_t id, struct buf *p) { return by_handle(f, id, p, false); }
enum sftp_result sftp_check_plain(struct sftp *f, uint32_t id, struct buf *p) { return by_handle(f, id, p, true); }

static void name_refused(struct sftp *f UNUSED, struct sftp_call *c, struct msg *answer UNUSED)
{
    check_free(c->job);
}

static void name_opened(struct sftp *f, struct sftp_call *c, struct msg *answer)
{
    struct sftp_check *k = c->job;
    uint32_t number = msg_get_u32(answer);
    msg_get_u64(answer);
    sftp_close_number(c->server, number, msg_get_u64(answer));
    msg_get_u32(answer);
    k->fd = msg_get_fd(answer);
    k->server = c->server;
    const char *why = measure(k);
    if (why) {
        sftp_status(f, k->id, FX_FAILURE, why);
        check_free(k);
    } else
        start(f, k);
}

enum sftp_result sftp_check_name(struct sftp *f, uint32_t id, struct buf *p)
{
    static const struct attrs none;
    struct msg m;
    SPOT_FREE struct sftp_spot spot;
    bool ok = sftp_spot(f, id, p, &spot);
    struct sftp_check *k = ok || p->bad ? fields(f, id, p, false) : NULL;
    if (k == NULL)
        return SFTP_DONE;
    struct sftp_server *s = NULL;
    if (sftp_is_top(&spot))
        sftp_status(f, id, FX_FAILURE, "is a directory");
    else
        s = sftp_server(f, id, spot.name);
    if (s == NULL) {
        check_free(k);
        return SFTP_DONE;
    }
    struct sftp_call *c = sftp_call(f, s, id, name_opened);
    c->job = k;
    c->refused = name_refused;
    files_begin(&m, FILES_OPEN);
    msg_put_str(&m, spot.rest);
    msg_put_u32(&m, FXF_READ);
    files_put_attrs(&m, &none);
    sftp_call_send(c, &m);
    return SFTP_DONE;
}
