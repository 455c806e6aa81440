/* scp -f: we send.  One thing is at hand at a time; the client answers each line. */
#include "sshd/session/scp_source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/conf.h"
#include "base/mem.h"

enum { MODE_MASK = 07777, PIECE = 128 * 1024 };

static void source_free(struct scp *base)
{
    struct source *s = (struct source *)base;
    source_walk_free(s);
    conf_words_free(s->words);
    free(s->pattern);
    if (s->fd >= 0)
        close(s->fd);
    free(s);
}

/* Steps as long as they neither wait nor fill the queue: a million warnings are many turns of the loop. */
static void go_on(struct source *s)
{
    const struct exec *x = s->scp.x;
    while (!x->ended && s->state == SOURCE_NEXT && channel_room(x->channel) >= CHANNEL_LOW)
        source_walk(s);
}

/* In the midst of one of those it is enough that the state has changed. */
static void go(struct source *s)
{
    if (s->scp.inside)
        return;
    scp_enter(&s->scp);
    go_on(s);
    scp_leave(&s->scp);
}

void source_next(struct source *s)
{
    s->state = SOURCE_NEXT;
    go(s);
}

void source_skip(struct source *s, const char *why)
{
    scp_warn(&s->scp, s->path[0] ? s->path : "/", why);
    source_next(s);
}

/* ---- the client's answers ---- */

static void wait(struct source *s, source_then_fn *then)
{
    s->then = then;
    s->state = SOURCE_SAID;
    if (s->eof)
        exec_end(s->scp.x, EXIT_FAILED);
    else
        channel_resume(s->scp.x->channel);
}

static void said(struct source *s, enum scp_said what)
{
    s->scp.failed = s->scp.failed || what != SAID_OK;
    if (what == SAID_FATAL)
        exec_end(s->scp.x, EXIT_FAILED);
    else if (what != SAID_MORE)
        s->then(s, what == SAID_OK);
}

static size_t input(struct exec *x, const uint8_t *bytes, size_t size)
{
    struct source *s = x->state;
    size_t used = 0, n;
    scp_enter(&s->scp);
    while (used < size && !x->ended && s->state == SOURCE_SAID) {
        enum scp_said what = scp_listen(&s->peer, bytes + used, size - used, &n);
        used += n;
        if (what != SAID_MORE)
            said(s, what);
    }
    go_on(s);
    scp_leave(&s->scp);
    return x->ended ? size : used;
}

static void input_end(struct exec *x)
{
    struct source *s = x->state;
    s->eof = true;
    if (s->state == SOURCE_SAID)
        exec_end(x, EXIT_FAILED);
}

/* ---- lines ---- */

void source_line(struct source *s, struct buf *line, source_then_fn *then)
{
    channel_write(s->scp.x->channel, buf_head(line), buf_size(line));
    wait(s, then);
}

/* The whole of a server goes by its name.  A newline would end the line: such a name is written as OpenSSH does. */
static void put_name(const struct source *s, struct buf *b)
{
    const char *slash = strrchr(s->path, '/'), *name = slash && slash[1] ? slash + 1 : session_home(s->scp.x->session);
    bool odd = strchr(name, '\n') != NULL;
    for (; *name; name++) {
        if (*name == '\n')
            buf_put(b, "\\^J", 3);
        else if (odd && *name == '\\')
            buf_put(b, "\\\\", 2);
        else
            buf_put_u8(b, (uint8_t)*name);
    }
}

static void put_header(struct source *s)
{
    const struct header *h = &s->header;
    BUF_FREE struct buf b = BUF(SCP_LINE_MOST);
    buf_put_fmt(&b, "%c%04o %llu ", h->kind, s->attrs.mode & MODE_MASK, (unsigned long long)h->size);
    put_name(s, &b);
    buf_put_u8(&b, '\n');
    source_line(s, &b, h->then);
}

static void times_said(struct source *s, bool ok)
{
    if (ok)
        put_header(s);
    else
        s->header.then(s, false);
}

void source_header(struct source *s, char kind, uint64_t size, source_then_fn *then)
{
    BUF_FREE struct buf b = BUF(SCP_LINE_MOST);
    s->header = (struct header){ kind, size, then };
    if (!s->scp.times) {
        put_header(s);
        return;
    }
    buf_put_fmt(&b, "T%u 0 %u 0\n", s->attrs.mtime, s->attrs.atime);
    source_line(s, &b, times_said);
}

/* ---- files ---- */

static void close_file(struct source *s)
{
    close(s->fd);
    s->fd = -1;
}

static void data_said(struct source *s, bool ok UNUSED)
{
    source_next(s);
}

static void data_sent(struct source *s)
{
    close_file(s);
    if (s->broken)
        scp_warn(&s->scp, s->path, s->broken);
    else
        scp_ok(&s->scp);
    wait(s, data_said);
}

/* What was announced is sent, come what may: the client counts. */
static void put_some(struct source *s, size_t most)
{
    uint64_t left = s->size - s->at;
    size_t want = left < most ? (size_t)left : most;
    uint8_t *p = channel_reserve(s->scp.x->channel, want);
    ssize_t n = 0;
    while (!s->broken && (n = pread(s->fd, p, want, (off_t)s->at)) < 0 && errno == EINTR)
        continue;
    if (n <= 0) {
        s->broken = s->broken ? s->broken : n == 0 ? "has become shorter while it was sent" : "input/output error on the disk";
        memset(p, 0, want);
        n = (ssize_t)want;
    }
    channel_wrote(s->scp.x->channel, (size_t)n);
    s->at += (size_t)n;
}

static void put_data(struct source *s)
{
    while (s->at < s->size && channel_room(s->scp.x->channel) >= CHANNEL_LOW)
        put_some(s, PIECE);
    if (s->at == s->size)
        data_sent(s);
}

static void room(struct exec *x)
{
    struct source *s = x->state;
    if (s->state == SOURCE_DATA)
        put_data(s);
    else
        go(s);
}

static void header_said(struct source *s, bool ok)
{
    if (!ok) {
        close_file(s);
        source_next(s);
        return;
    }
    s->state = SOURCE_DATA;
    put_data(s);
}

static void opened(struct exec *x, uint32_t status, const char *text, struct msg *answer)
{
    struct source *s = x->state;
    struct stat st;
    if (status != FX_OK) {
        source_skip(s, text);
        return;
    }
    scp_enter(&s->scp);
    s->fd = exec_files_take(x, answer);
    scp_leave(&s->scp);
    if (x->ended)
        return;
    if (fstat(s->fd, &st) < 0) {
        close_file(s);
        source_skip(s, strerror(errno));
        return;
    }
    attrs_of_stat(&s->attrs, &st);
    s->at = 0;
    s->size = (uint64_t)st.st_size;
    s->broken = NULL;
    source_header(s, 'C', s->size, header_said);
}

/* ---- what is at hand ---- */

const char *source_ask(struct source *s, uint16_t type, exec_files_fn *fn)
{
    static const uint8_t no_attrs[4];
    struct msg m;
    SPOT_FREE struct sftp_spot spot;
    const char *why = scp_begin(&s->scp, s->path[0] ? s->path : "/", "", type, &m, &spot);
    if (why)
        return why;
    if (type == FILES_OPEN) {
        msg_put_u32(&m, FXF_READ);
        msg_put_bytes(&m, no_attrs, sizeof no_attrs);
    }
    s->state = SOURCE_BUSY;
    exec_files(s->scp.x, spot.name, RIGHT_FILES_READ, &m, fn);
    return NULL;
}

static void send_file(struct source *s)
{
    const char *why = source_ask(s, FILES_OPEN, opened);
    if (why)
        source_skip(s, why);
}

void source_item(struct source *s)
{
    switch (s->attrs.mode & S_IFMT) {
    case S_IFREG:
        send_file(s);
        return;
    case S_IFDIR:
        source_dir(s);
        return;
    case S_IFLNK: case 0:
        source_look(s);
        return;
    default:
        source_skip(s, "not a regular file");
    }
}

/* Not there where only a pattern might have found it: no word of it. */
static void miss(struct source *s, const char *why)
{
    if (s->quiet)
        source_next(s);
    else
        source_skip(s, why);
}

static void looked(struct exec *x, uint32_t status, const char *text, struct msg *answer)
{
    struct source *s = x->state;
    if (status != FX_OK) {
        miss(s, text);
        return;
    }
    s->matched = true;
    scp_get_attrs(answer, &s->attrs);
    source_item(s);
}

void source_look(struct source *s)
{
    const char *why = source_ask(s, FILES_STAT, looked);
    if (why)
        miss(s, why);
}

/* ---- the beginning ---- */

static void begun(struct source *s, bool ok)
{
    if (ok)
        source_next(s);
    else
        exec_end(s->scp.x, EXIT_FAILED);
}

void scp_source(struct exec *x, const struct scp *options, char **words, size_t at)
{
    struct source *s = mem_new(sizeof *s);
    s->scp = *options;
    s->scp.free = source_free;
    s->words = words;
    s->word = at;
    s->fd = -1;
    x->state = s;
    x->drop = scp_drop;
    x->input = input;
    x->input_end = input_end;
    x->room = room;
    wait(s, begun);
}
