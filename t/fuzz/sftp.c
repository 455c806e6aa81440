/* The packet parser of SFTP against any bytes, cut anywhere.  The worker's end of the link is a thread that answers everything in turn with
   success or refusal, files being memfds, so that handles, data and leases are reached.

     t/fuzz/sftp [-n TIMES] [-s SEED]    mutates packets of its own making
     t/fuzz/sftp FILE...                 replays

   With clang: -DLIBFUZZER -fsanitize=fuzzer makes a libFuzzer target of it.  Byte 0 chooses the cuts and the refusals. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/die.h"
#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "sshd/proto.h"
#include "sshd/session/activity.h"
#include "sshd/session/channel.h"
#include "sshd/session/session.h"
#include "sshd/session/sftp.h"

enum { WATCHES = 8, ROUNDS = 4000, TURNS = 16, QUESTIONS = 16 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

struct session_watch { int fd; short events; session_watch_fn *fn; void *data; };
struct rights_listener { rights_fn *fn; void *data; };
struct session_turn { session_turn_fn *fn; void *data; };
struct question { enum op op; uint64_t number; do_fn *fn; void *data; };

struct channel {
    const struct channel_ops *ops;
    void *data;
    struct buf out;
    bool ended, resumed, low;
};

struct session {
    struct session_watch *watches[WATCHES];
    struct rights_listener listener;
    struct session_turn turns[TURNS];
    struct question questions[QUESTIONS];
    uint32_t asked;
    struct server_right servers[2];
    struct channel channel;
    pthread_t peers[64];
    unsigned npeers;
    uint8_t choice;
};

static struct session me;

/* --- the worker's end ----------------------------------------------------------------------------------------------------------- */

static void put_fields(struct msg *m, unsigned type)
{
    static const uint8_t attrs[32] = { [3] = 15, [11] = 7 };
    static const uint8_t name[4] = { 'a', '\n', 0xff, 'b' };
    unsigned numbers = type == FILES_OPENDIR ? 1 : 0;
    if (type == FILES_OPEN) {
        msg_put_u32(m, 1);
        msg_put_u64(m, 100);
        msg_put_u64(m, 8192);
        msg_put_u32(m, 1);
        int fd = memfd_create("fuzz", MFD_CLOEXEC);
        msg_put_fd(m, fd);
    } else if (type == FILES_LEASE)
        msg_put_u64(m, UINT64_C(1) << 33);
    else if (type == FILES_COPY) {
        static _Thread_local unsigned slices;
        msg_put_u64(m, ++slices % 3 ? 4096 : 0);
    }
    else if (type == FILES_READDIR) {
        msg_put_u32(m, 1);
        msg_put_bytes(m, name, sizeof name);
        msg_put_bytes(m, name, sizeof name);
        msg_put_bytes(m, attrs, sizeof attrs);
    } else if (type == FILES_STAT || type == FILES_LSTAT || type == FILES_FSTAT)
        msg_put_bytes(m, attrs, sizeof attrs);
    else if (type == FILES_READLINK)
        msg_put_bytes(m, name, sizeof name);
    else if (type == FILES_STATVFS)
        for (int i = 0; i < 11; i++)
            msg_put_u64(m, 1);
    while (numbers-- > 0)
        msg_put_u32(m, 2);
}

/* The type of the last in a FILES_MANY of SIZE bytes: its fields stand behind their kinds. */
static unsigned last_of(const uint8_t *p, size_t size)
{
    struct buf b = { .p = (uint8_t *)(uintptr_t)p, .len = size, .cap = size, .max = size };
    unsigned type = 0;
    while (buf_size(&b) > 0) {
        size_t part;
        buf_get_u8(&b);
        type = buf_get_u32(&b);
        buf_get_u8(&b);
        buf_get_bytes(&b, &part);
        invariant(!b.bad);
    }
    return type;
}

static void *peer(void *data)
{
    CLOSE_FD int fd = (int)(intptr_t)data;
    uint8_t *space = mem_new(MSG_MOST);
    for (unsigned turn = me.choice;; turn++) {
        ssize_t n = recv(fd, space, MSG_MOST, 0);
        if (n <= 0)
            break;
        invariant(n >= 8);
        unsigned type = (unsigned)space[0] << 8 | space[1];
        uint32_t id = (uint32_t)space[4] << 24 | (uint32_t)space[5] << 16 | (uint32_t)space[6] << 8 | space[7];
        if (type == FILES_MANY)
            type = last_of(space + 8, (size_t)n - 8);
        if (type == FILES_CLOSE || type == FILES_GIVE)
            continue;
        bool refuse = turn % 5 == 4;
        struct msg m;
        msg_begin(&m, FILES_ANSWER, id);
        msg_put_u32(&m, refuse ? FX_FAILURE : FX_OK);
        msg_put_str(&m, refuse ? "quota exceeded (1 of 1)" : "");
        if (!refuse)
            put_fields(&m, type);
        msg_send(fd, &m);
        for (unsigned i = 0; i < m.nfds; i++)
            close(m.fds[i]);
        msg_free(&m);
    }
    free(space);
    return NULL;
}

/* --- session.h, channel.h --------------------------------------------------------------------------------------------------------- */

const char *session_account(const struct session *s UNUSED) { return "alice"; }
const char *session_home(const struct session *s) { return s->choice & 1 ? "one" : NULL; }
bool session_link_first(const struct session *s) { return s->choice & 2; }
unsigned session_handle_limit(const struct session *s UNUSED) { return 4; }

const struct server_right *session_servers(const struct session *s, size_t *n)
{
    *n = 2;
    return s->servers;
}

const struct server_right *session_server(const struct session *s, const char *name)
{
    for (size_t i = 0; i < 2; i++)
        if (strcmp(s->servers[i].name, name) == 0)
            return &s->servers[i];
    return NULL;
}

/* The link of a new worker, or -1. */
static int worker_link(struct session *s)
{
    int pair[2];
    if (s->npeers == countof(s->peers))
        return -1;
    if (io_pair(pair) < 0)
        die_errno("socketpair");
    if (pthread_create(&s->peers[s->npeers++], NULL, peer, (void *)(intptr_t)pair[1]) != 0)
        die("no thread");
    return pair[0];
}

/* Ids are places from 1, given in turn; more than QUESTIONS at once break the bound of what may be under way. */
uint32_t session_do_later(struct session *s, enum op op, const char *server UNUSED, uint64_t number, const char *arg, do_fn *fn, void *data)
{
    struct question *q = &s->questions[s->asked++ % QUESTIONS];
    invariant(q->fn == NULL && strlen(arg) <= KEYS_FILE_MOST);
    *q = (struct question){ op, number, fn, data };
    return (uint32_t)(q - s->questions) + 1;
}

void session_do_cancel(struct session *s, uint32_t id) { s->questions[id - 1].fn = NULL; }

static void put_backups(struct msg *m, uint64_t skip)
{
    msg_put_u32(m, skip < 4 ? 2 : 0);
    for (uint64_t i = skip; skip < 4 && i < skip + 2; i++) {
        msg_put_str(m, "20260102T030405Z-abcd");
        msg_put_str(m, "one");
        msg_put_str(m, i < 2 ? "failed" : "done");
        msg_put_u64(m, 1);
        msg_put_u64(m, 2);
        msg_put_str(m, "");
        msg_put_u32(m, 0);
    }
}

static void answer(const struct question *q)
{
    MSG_FREE struct msg m;
    int fd = -1;
    msg_begin(&m, STORE_DO_RESULT, 0);
    if (q->op == OP_KEYS_GET) {
        msg_put_u32(&m, me.choice & 8);
        msg_put_u64(&m, 1);
        msg_put_bytes(&m, "# text\n", me.choice & 16 ? 7 : 0);
    } else if (q->op == OP_BACKUP_LIST)
        put_backups(&m, q->number);
    else if (q->op == OP_BACKUP_GET) {
        fd = memfd_create("backup", MFD_CLOEXEC);
        msg_put_u64(&m, 100);
    } else if (q->op == OP_FILES)
        fd = worker_link(&me);
    if (fd >= 0) {
        m.fds[0] = fd;
        m.nfds = 1;
    }
    m.received = true;
    bool refused = q->op == OP_FILES ? fd < 0 : me.choice & 32 && q->number == 0;
    q->fn(q->data, refused ? 77 : 0, "refused", &m);
}

static void answer_all(struct session *s)
{
    for (size_t i = 0; i < QUESTIONS; i++) {
        struct question q = s->questions[i];
        s->questions[i].fn = NULL;
        if (q.fn)
            answer(&q);
    }
}

struct session_watch *session_watch_new(struct session *s, int fd, short events, session_watch_fn *fn, void *data)
{
    struct session_watch *w = mem_new(sizeof *w);
    *w = (struct session_watch){ fd, events, fn, data };
    for (size_t i = 0; i < WATCHES; i++)
        if (s->watches[i] == NULL)
            return s->watches[i] = w;
    bug("watches");
}

void session_watch_events(struct session_watch *w, short events) { w->events = events; }

void session_watch_free(struct session_watch *w)
{
    for (size_t i = 0; i < WATCHES; i++)
        if (me.watches[i] == w)
            me.watches[i] = NULL;
    free(w);
}

struct session_turn *session_turn_new(struct session *s, session_turn_fn *fn, void *data)
{
    for (size_t i = 0; i < TURNS; i++)
        if (s->turns[i].fn == NULL) {
            s->turns[i] = (struct session_turn){ fn, data };
            return &s->turns[i];
        }
    bug("more than %d turns at once", TURNS);
}

/* There is no clock here: in the next round as well. */
struct session_turn *session_turn_later(struct session *s, uint64_t ms UNUSED, session_turn_fn *fn, void *data)
{
    return session_turn_new(s, fn, data);
}

void session_turn_free(struct session_turn *t)
{
    if (t)
        t->fn = NULL;
}

/* On whatever processor. */
uint8_t session_hold(struct session *s UNUSED)
{
    return 0;
}

void session_let_go(struct session *s UNUSED)
{
}

static void take_turns(struct session *s)
{
    for (size_t i = 0; i < TURNS; i++) {
        struct session_turn t = s->turns[i];
        s->turns[i].fn = NULL;
        if (t.fn)
            t.fn(t.data);
    }
}

struct rights_listener *session_on_rights(struct session *s, rights_fn *fn, void *data)
{
    s->listener = (struct rights_listener){ fn, data };
    return &s->listener;
}

void rights_listener_free(struct rights_listener *l) { l->fn = NULL; }
void activity_note(struct session *s UNUSED, enum activity_action action UNUSED, const char *server UNUSED, const char *path UNUSED,
                   const char *other UNUSED, uint64_t number UNUSED, uint32_t flags UNUSED) {}
void session_log(struct session *s UNUSED, const char *event UNUSED, const char *fmt UNUSED, ...) {}

void channel_run(struct channel *c, const struct channel_ops *ops, void *data)
{
    c->ops = ops;
    c->data = data;
}

size_t channel_room(const struct channel *c)
{
    return buf_size(&c->out) < CHANNEL_QUEUE ? CHANNEL_QUEUE - buf_size(&c->out) : 0;
}

void channel_write(struct channel *c, const void *bytes, size_t size)
{
    invariant(!c->ended);
    buf_put(&c->out, bytes, size);
    invariant(!c->out.bad);
    c->low = c->low || channel_room(c) < CHANNEL_LOW;
}

uint8_t *channel_reserve(struct channel *c, size_t size)
{
    uint8_t *p = buf_room(&c->out, size);
    invariant(p);
    return p;
}

void channel_wrote(struct channel *c, size_t size)
{
    invariant(!c->ended);
    buf_added(&c->out, size);
    c->low = c->low || channel_room(c) < CHANNEL_LOW;
}

void channel_error(struct channel *c UNUSED, const void *bytes UNUSED, size_t size UNUSED) {}
void channel_resume(struct channel *c) { c->resumed = true; }
void channel_cut(struct channel *c UNUSED) {}
void channel_exit(struct channel *c, int code UNUSED) { c->ended = true; }
struct session *channel_session(const struct channel *c UNUSED) { return &me; }

/* --- one input -------------------------------------------------------------------------------------------------------------------- */

/* What goes out is packets, whole and of the types a server sends. */
static void check_out(struct buf *b)
{
    while (buf_size(b) >= 4) {
        uint32_t size = buf_get_u32(b);
        invariant(size >= 5 && size <= buf_size(b));
        uint8_t type = buf_get_u8(b);
        invariant(type == FXP_VERSION || (type >= FXP_STATUS && type <= FXP_ATTRS) || type == FXP_EXTENDED_REPLY);
        buf_get(b, size - 1);
    }
    invariant(buf_size(b) == 0);
    buf_reset(b);
}

static void turn(struct channel *c, int wait)
{
    take_turns(&me);
    answer_all(&me);
    for (size_t i = 0; i < WATCHES; i++) {
        struct session_watch *w = me.watches[i];
        struct pollfd p = { .fd = w ? w->fd : -1, .events = w ? w->events : 0 };
        if (w && poll(&p, 1, wait) > 0)
            w->fn(w->data, w->fd, p.revents);
    }
    bool low = c->low;
    check_out(&c->out);
    c->low = false;
    if (low && !c->ended)
        c->ops->writable(c->data, c);
}

static void feed(struct channel *c, const uint8_t *bytes, size_t size)
{
    size_t at = 0, shown = 0;
    for (int i = 0; i < ROUNDS && !c->ended && at < size; i++) {
        size_t more = 1 + ((unsigned)i * 7919u + me.choice) % (me.choice & 2 ? 40 : 40000);
        shown = shown + more < size ? shown + more : size;
        /* A copy of its own, so that a read past what is offered is found. */
        uint8_t *copy = mem_new(shown - at);
        memcpy(copy, bytes + at, shown - at);
        size_t used = c->ops->data(c->data, c, copy, shown - at);
        invariant(used <= shown - at);
        free(copy);
        at += used;
        turn(c, used == 0 ? 1 : 0);
        if (used == 0 && shown == size && i > 64 && !c->resumed)
            break;
        c->resumed = false;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size < 1)
        return 0;
    me = (struct session){ .choice = bytes[0] };
    me.servers[0] = (struct server_right){ "one", "alice", RIGHT_ALL };
    me.servers[1] = (struct server_right){ "two", "bob", RIGHT_FILES_READ };
    struct channel *c = &me.channel;
    c->out = (struct buf)BUF(256 * 1024 * 1024);
    sftp_start(c);
    feed(c, bytes + 1, size - 1);
    if (me.choice & 4 && me.listener.fn)
        me.listener.fn(me.listener.data, "one", RIGHT_FILES_READ, RIGHT_ALL & ~(uint32_t)RIGHT_FILES_READ);
    if (!c->ended)
        c->ops->eof(c->data, c);
    turn(c, 0);
    c->ops->closed(c->data, c);
    check_out(&c->out);
    buf_free(&c->out);
    for (unsigned i = 0; i < me.npeers; i++)
        pthread_join(me.peers[i], NULL);
    return 0;
}

#ifndef LIBFUZZER
#include "t/fuzz/own.h"
static void put_path(struct buf *b)
{
    static const char *const paths[] = { "/", "/one", "/one/a", "/two/../one/./b", "..", "", "/nobody/x", "~", "~/x", "/one/d/e/f",
        "/.ssh", "/.ssh/authorized_keys", "/.ssh/authorized_keys", "/.ssh/x", "/backups", "/backups/one", "/backups/two", "/backups/one/x.tar.zst" };
    buf_put_str(b, paths[next(countof(paths))]);
}

static void put_attributes(struct buf *b)
{
    struct attrs a = { .flags = next(16), .size = next(100000), .mode = next(010000) };
    attrs_put(b, &a);
}

/* Handles count up, so early numbers are often right. */
static void put_handle(struct buf *b)
{
    buf_put_u32(b, 8);
    buf_put_u32(b, next(4));
    buf_put_u32(b, 1 + next(6));
}

/* Those with fields of their own, mostly as they should be. */
static void put_long(struct buf *out)
{
    static const char *const names[] = { "copy-data", "check-file-handle", "check-file-name", "check-file" };
    static const char *const hashes[] = { "md5", "none,crc32,sha1", "", "sha512" };
    unsigned which = next(countof(names));
    BUF_FREE struct buf b = BUF(64 * 1024);
    buf_put_u8(&b, FXP_EXTENDED);
    buf_put_u32(&b, next(1000));
    buf_put_str(&b, names[which]);
    if (which == 2)
        put_path(&b);
    else
        put_handle(&b);
    if (which > 0)
        buf_put_str(&b, hashes[next(countof(hashes))]);
    buf_put_u64(&b, next(3) ? next(1000) : UINT64_MAX - next(2));
    buf_put_u64(&b, next(3) ? next(100000) : UINT64_MAX - next(2));
    if (which == 0) {
        put_handle(&b);
        buf_put_u64(&b, next(100000));
    } else
        buf_put_u32(&b, next(3) ? 0 : next(1000));
    buf_put_bytes(out, buf_head(&b), buf_size(&b));
}

static void put_packet(struct buf *out)
{
    static const char *const extensions[] = { "posix-rename@openssh.com", "statvfs@openssh.com", "fstatvfs@openssh.com",
        "hardlink@openssh.com", "fsync@openssh.com", "lsetstat@openssh.com", "limits@openssh.com", "expand-path@openssh.com",
        "home-directory", "users-groups-by-id@openssh.com", "space-available", "copy-file", "none" };
    if (next(8) == 0) {
        put_long(out);
        return;
    }
    BUF_FREE struct buf b = BUF(1 << 20);
    static const uint8_t often[] = { FXP_OPEN, FXP_OPEN, FXP_WRITE, FXP_WRITE, FXP_READ, FXP_FSETSTAT, FXP_CLOSE };
    uint8_t type = next(2) ? often[next(countof(often))] : next(6) ? (uint8_t)(FXP_OPEN + next(FXP_SYMLINK - FXP_OPEN + 2))
                                                         : FXP_EXTENDED;
    bool handle = type == FXP_CLOSE || type == FXP_READ || type == FXP_WRITE || type == FXP_FSTAT || type == FXP_FSETSTAT ||
                  type == FXP_READDIR;
    buf_put_u8(&b, type);
    buf_put_u32(&b, next(1000));
    if (type == FXP_EXTENDED)
        buf_put_str(&b, extensions[next(countof(extensions))]);
    if (handle || (type == FXP_EXTENDED && next(2)))
        put_handle(&b);
    else
        put_path(&b);
    if (type == FXP_READ || type == FXP_WRITE) {
        uint32_t size = next(4) ? next(300) : next(70000);
        buf_put_u64(&b, next(3) ? next(100000) : UINT64_MAX - next(2));
        buf_put_u32(&b, size);
        if (type == FXP_WRITE && buf_room(&b, size)) {
            memset(b.p + b.len, 'w', size);
            buf_added(&b, size);
        }
    }
    if (type == FXP_OPEN)
        buf_put_u32(&b, next(64));
    if (type == FXP_RENAME || type == FXP_SYMLINK || type == FXP_EXTENDED)
        put_path(&b);
    put_attributes(&b);
    /* Often nothing stands behind a WRITE's payload. */
    if (type == FXP_WRITE && next(4))
        b.len -= b.len - (1 + 4 + 12 + 8 + 4 + ((uint32_t)b.p[25] << 24 | (uint32_t)b.p[26] << 16 | (uint32_t)b.p[27] << 8 | b.p[28]));
    buf_put_bytes(out, buf_head(&b), buf_size(&b));
}

static void made_input(struct buf *b)
{
    static const uint8_t init[] = { 0, 0, 0, 5, FXP_INIT, 0, 0, 0, 3 };
    buf_put_u8(b, (uint8_t)next(256));
    buf_put(b, init, sizeof init);
    for (uint32_t n = 1 + next(40); n > 0; n--)
        put_packet(b);
    /* Half stay as they are, so that the deep states are reached as well. */
    for (uint32_t n = next(2) ? 1 + next(4) : 0; n > 0; n--)
        b->p[next((uint32_t)b->len)] = (uint8_t)next(256);
}

int main(int argc, char **argv)
{
    log_init("fuzz-sftp", LOG_ERROR);
    unsigned long times = own_times(argc, argv, 3000);
    for (unsigned long i = 0; i < times; i++) {
        BUF_FREE struct buf b = BUF(16 << 20);
        made_input(&b);
        LLVMFuzzerTestOneInput(b.p, b.len);
    }
    return 0;
}
#endif
