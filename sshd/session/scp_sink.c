/* scp -t: the client sends, we write. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/die.h"
#include "base/mem.h"
#include "sshd/session/activity.h"
#include "sshd/session/outfile.h"
#include "sshd/session/scp.h"

enum { MODE_MASK = 07777, UMASK = 022, OWNER = 0700 };   /* UMASK: the worker's */

/* A directory that is being filled; what is to be set when it is done, as its mode may forbid to fill it. */
struct filling {
    size_t size;            /* of its path */
    struct attrs attrs;
};

enum sink_state { SINK_BUSY, SINK_LINE, SINK_DATA, SINK_SAID };

struct sink {
    struct scp scp;
    enum sink_state state;
    bool is_dir;            /* the target is one: names go below it */
    bool must_be_dir;       /* "x/" makes no file "x" */
    bool eof;
    struct buf line;
    struct scp_line at_hand;
    char path[SCP_PATH_SPACE];
    size_t target_size;     /* of the target's path, in front of all paths; 0 for "/" */
    struct filling dirs[SCP_DEPTH_MOST];
    unsigned ndirs;
    struct attrs times;     /* of a T line, for the next entry */
    struct attrs attrs;     /* of the entry at hand: what is to be set in the end */
    /* The file that is being written. */
    bool open;
    struct outfile file;
    uint64_t size, at;
    struct refusal refusal;
    struct scp_peer peer;
};

static void sink_free(struct scp *s)
{
    struct sink *k = (struct sink *)s;
    buf_free(&k->line);
    free(k);
}

static void note(struct sink *k, enum activity_action action, uint64_t number, uint32_t flags)
{
    SPOT_FREE struct sftp_spot spot;
    if (exec_place(k->scp.x, k->path, &spot) == NULL)
        activity_note(k->scp.x->session, action, spot.name, spot.rest, "", number, flags);
}

/* Here an upload ends, whole or not: k->path, k->at bytes of k->size. */
static void file_ended(struct sink *k)
{
    bool whole = k->at == k->size && k->refusal.status == FX_OK;
    k->open = false;
    note(k, ACTIVITY_WRITE, k->file.written, (k->file.made ? ACTIVITY_CREATED : ACTIVITY_EMPTIED) | (whole ? 0u : ACTIVITY_UNFINISHED));
    outfile_close(&k->file);
}

/* The worker may have gone, and its link with it; then only our descriptor is left. */
static void drop(struct exec *x)
{
    struct sink *k = x->state;
    if (k->open) {
        k->file.files = exec_files_link(x);
        file_ended(k);
    }
    scp_drop(x);
}

/* The client has said all it will say. */
static void no_more(struct sink *k)
{
    if (k->state == SINK_LINE && buf_size(&k->line) == 0 && k->ndirs == 0)
        exec_end(k->scp.x, k->scp.failed ? EXIT_FAILED : EXIT_DONE);
    else
        scp_fatal(&k->scp, "the input ended in the middle");
}

static void ready(struct sink *k, enum sink_state state)
{
    k->state = state;
    if (k->eof)
        no_more(k);
    else
        channel_resume(k->scp.x->channel);
}

/* An answer to a line, after which the next may come: NULL is yes. */
static void answer_line(struct sink *k, const char *why)
{
    if (why)
        scp_warn(&k->scp, k->path, why);
    else
        scp_ok(&k->scp);
    ready(k, SINK_LINE);
}

/* Who may not write may make files all the same: the worker tells them apart. */
static uint32_t relied(const struct sink *k, const char *server)
{
    const struct server_right *r = session_server(k->scp.x->session, server);
    return r && r->rights & RIGHT_FILES_WRITE ? RIGHT_FILES_WRITE : RIGHT_FILES_CREATE;
}

/* NULL, or why it was not asked; else FN is called later. */
static const char *ask(struct sink *k, const char *suffix, uint16_t type, uint32_t flags, const struct attrs *a, exec_files_fn *fn)
{
    struct msg m;
    SPOT_FREE struct sftp_spot spot;
    const char *why = scp_begin(&k->scp, k->path, suffix, type, &m, &spot);
    if (why)
        return why;
    if (flags)
        msg_put_u32(&m, flags);
    if (a)
        files_put_attrs(&m, a);
    k->state = SINK_BUSY;
    exec_files(k->scp.x, spot.name, relied(k, spot.name), &m, fn);
    return NULL;
}

static void try(struct sink *k, const char *suffix, uint16_t type, uint32_t flags, const struct attrs *a, exec_files_fn *fn)
{
    const char *why = ask(k, suffix, type, flags, a, fn);
    if (why)
        answer_line(k, why);
}

/* Asked in a way that needs no right to read: only of a directory there is a ".". */
static const char *ask_whether_dir(struct sink *k, exec_files_fn *fn)
{
    return ask(k, "/.", FILES_STATVFS, 0, NULL, fn);
}

static void skip_statvfs(struct msg *answer)
{
    enum { FIELDS = 11 };
    for (int i = 0; i < FIELDS; i++)
        msg_get_u64(answer);
}

/* ---- directories ---- */

static void fill(struct sink *k)
{
    k->dirs[k->ndirs++] = (struct filling){ strlen(k->path), k->attrs };
    answer_line(k, NULL);
}

static void made(struct exec *x, uint32_t status, const char *text, struct msg *answer UNUSED)
{
    struct sink *k = x->state;
    if (status != FX_OK) {
        answer_line(k, text);
        return;
    }
    note(k, ACTIVITY_MKDIR, 0, 0);
    if ((k->attrs.mode & OWNER) != OWNER)
        k->attrs.flags |= ATTRS_MODE;
    fill(k);
}

static void dir_looked_at(struct exec *x, uint32_t status, const char *text, struct msg *answer)
{
    struct sink *k = x->state;
    if (status == FX_OK) {
        skip_statvfs(answer);
        fill(k);
    } else if (status == FX_NO_SUCH_FILE) {
        const struct attrs a = { .flags = ATTRS_MODE, .mode = k->at_hand.mode | OWNER };
        try(k, "", FILES_MKDIR, 0, &a, made);
    } else {
        answer_line(k, text);
    }
}

static void begin_dir(struct sink *k)
{
    const char *why = NULL;
    if (!k->scp.recursive)
        scp_fatal(&k->scp, "protocol error: received directory without -r");
    else if (k->ndirs == countof(k->dirs))
        answer_line(k, "too deep (at most 64 directories in each other)");
    else if ((why = ask_whether_dir(k, dir_looked_at)) != NULL)
        answer_line(k, why);
}

static void dir_set(struct exec *x, uint32_t status, const char *text, struct msg *answer UNUSED)
{
    answer_line(x->state, status == FX_OK ? NULL : text);
}

static void end_dir(struct sink *k)
{
    if (k->ndirs == 0) {
        scp_fatal(&k->scp, "protocol error: 'E' where no directory began");
        return;
    }
    const struct filling *d = &k->dirs[--k->ndirs];
    k->path[d->size] = '\0';
    if (d->attrs.flags)
        try(k, "", FILES_SETSTAT, 0, &d->attrs, dir_set);
    else
        answer_line(k, NULL);
}

/* ---- files ---- */

static void finish_file(struct sink *k)
{
    scp_enter(&k->scp);
    file_ended(k);
    if (!k->scp.over)
        answer_line(k, k->refusal.status ? k->refusal.text : NULL);
    scp_leave(&k->scp);
}

static void file_set(struct exec *x, uint32_t status, const char *text, struct msg *answer UNUSED)
{
    struct sink *k = x->state;
    if (status != FX_OK)
        refuse(&k->refusal, status, text);
    finish_file(k);
}

/* All bytes are here, and the client has said what it thinks of them. */
static void set_file(struct sink *k)
{
    struct msg m;
    if (k->attrs.flags == 0 || k->refusal.status) {
        finish_file(k);
        return;
    }
    files_begin(&m, FILES_FSETSTAT);
    msg_put_u32(&m, k->file.number);
    files_put_attrs(&m, &k->attrs);
    k->state = SINK_BUSY;
    exec_files(k->scp.x, k->scp.x->server, relied(k, k->scp.x->server), &m, file_set);
}

static void opened(struct exec *x, uint32_t status, const char *text, struct msg *answer)
{
    struct sink *k = x->state;
    if (status != FX_OK) {
        answer_line(k, text);
        return;
    }
    outfile_opened(&k->file, exec_files_link(x), answer);
    k->open = true;
    k->size = k->at_hand.size;
    k->at = 0;
    k->refusal.status = FX_OK;
    scp_ok(&k->scp);
    ready(k, k->size > 0 ? SINK_DATA : SINK_SAID);
}

static void begin_file(struct sink *k)
{
    const struct attrs a = { .flags = ATTRS_MODE, .mode = k->at_hand.mode };
    if (k->must_be_dir && !k->is_dir && k->ndirs == 0)
        answer_line(k, "not a directory");
    else
        try(k, "", FILES_OPEN, FXF_WRITE | FXF_CREAT | FXF_TRUNC, &a, opened);
}

/* Straight from the channel's memory.  Of a refused file the rest is taken and dropped: the next line stands behind it. */
static size_t take_data(struct sink *k, const uint8_t *bytes, size_t size)
{
    size = size < k->size - k->at ? size : (size_t)(k->size - k->at);
    uint32_t fits = 0, part = size < INT32_MAX ? (uint32_t)size : INT32_MAX;
    if (k->refusal.status == FX_OK && k->at > INT64_MAX - (uint64_t)UINT32_MAX)
        refuse(&k->refusal, FX_FAILURE, "file too large");
    if (k->refusal.status == FX_OK)
        fits = outfile_charge(&k->file, k->at, part, &k->refusal);
    fits = fits < part ? fits : part;
    if (k->refusal.status == FX_OK && outfile_write(&k->file, bytes, fits, k->at, &k->refusal) && fits < part)
        outfile_full(&k->file, &k->refusal);
    k->at += part;
    if (k->at == k->size && !k->scp.over)
        k->state = SINK_SAID;
    return part;
}

static size_t take_said(struct sink *k, const uint8_t *bytes, size_t size)
{
    size_t used;
    enum scp_said said = scp_listen(&k->peer, bytes, size, &used);
    if (said == SAID_FATAL)
        scp_fatal(&k->scp, "ended by the client");
    else if (said != SAID_MORE) {
        k->scp.failed = k->scp.failed || said == SAID_WARNING;
        set_file(k);
    }
    return used;
}

/* ---- lines ---- */

/* Inside the directory at hand; at its name, or the target itself when that is no directory. */
static void set_path(struct sink *k)
{
    size_t size = k->ndirs > 0 ? k->dirs[k->ndirs - 1].size : k->target_size;
    if (k->ndirs > 0 || k->is_dir) {
        k->path[size++] = '/';
        memcpy(k->path + size, k->at_hand.name, k->at_hand.name_size);
        size += k->at_hand.name_size;
    }
    k->path[size] = '\0';
}

/* Without -p the mode is no more than a wish, and one that is there keeps its own. */
static void set_attrs(struct sink *k)
{
    k->attrs = k->times;
    k->times.flags = 0;
    k->attrs.mode = k->at_hand.mode & (k->scp.times ? MODE_MASK : MODE_MASK & ~UMASK);
    k->attrs.flags |= k->scp.times ? ATTRS_MODE : 0;
}

static void set_times(struct sink *k)
{
    const struct scp_line *l = &k->at_hand;
    bool fits = l->mtime <= UINT32_MAX && l->atime <= UINT32_MAX;
    k->times = (struct attrs){ .flags = fits ? ATTRS_TIMES : 0, .mtime = (uint32_t)l->mtime, .atime = (uint32_t)l->atime };
    answer_line(k, NULL);
}

static void begin_entry(struct sink *k)
{
    const char *why = scp_name_why(k->at_hand.name, k->at_hand.name_size);
    size_t size = k->ndirs > 0 ? k->dirs[k->ndirs - 1].size : k->target_size;
    if (why == NULL && size > SFTP_PATH_MOST)
        why = "path too long (at most 4096 bytes)";
    if (why) {
        k->path[size] = '\0';
        answer_line(k, why);
        return;
    }
    set_path(k);
    set_attrs(k);
    if (k->at_hand.kind == 'D')
        begin_dir(k);
    else
        begin_file(k);
}

/* \1 and \2 of the client: it could not read something, and goes on or gives up. */
static void told(struct sink *k, uint8_t kind)
{
    k->scp.failed = true;
    if (kind == 2)
        exec_end(k->scp.x, EXIT_FAILED);
}

static void take(struct sink *k, const uint8_t *line, size_t size)
{
    if (size > 0 && (line[0] == 1 || line[0] == 2)) {
        told(k, line[0]);
        return;
    }
    const char *why = scp_line(line, size, &k->at_hand);
    if (why) {
        FREE_MEM char *text = mem_fmt("protocol error: %s", why);
        scp_fatal(&k->scp, text);
    } else if (k->at_hand.kind == 'T') {
        set_times(k);
    } else if (k->at_hand.kind == 'E') {
        end_dir(k);
    } else {
        begin_entry(k);
    }
}

static size_t take_line(struct sink *k, const uint8_t *bytes, size_t size)
{
    const uint8_t *newline = memchr(bytes, '\n', size);
    size_t n = newline ? (size_t)(newline - bytes) : size;
    buf_put(&k->line, bytes, n);
    if (k->line.bad) {
        scp_fatal(&k->scp, "protocol error: line too long");
        return size;
    }
    if (newline == NULL)
        return n;
    take(k, buf_head(&k->line), buf_size(&k->line));
    /* Nothing of it is used later: names were copied. */
    buf_reset(&k->line);
    return n + 1;
}

typedef size_t take_fn(struct sink *k, const uint8_t *bytes, size_t size);
static take_fn *const takers[] = { [SINK_LINE] = take_line, [SINK_DATA] = take_data, [SINK_SAID] = take_said };

static size_t input(struct exec *x, const uint8_t *bytes, size_t size)
{
    struct sink *k = x->state;
    size_t used = 0;
    scp_enter(&k->scp);
    /* A client that sends lines and reads no answers waits. */
    while (used < size && !x->ended && k->state != SINK_BUSY && channel_room(x->channel) >= CHANNEL_LOW)
        used += takers[k->state](k, bytes + used, size - used);
    scp_leave(&k->scp);
    return x->ended ? size : used;
}

static void input_end(struct exec *x)
{
    struct sink *k = x->state;
    k->eof = true;
    if (k->state != SINK_BUSY)
        no_more(k);
}

static void room(struct exec *x)
{
    channel_resume(x->channel);
}

/* ---- the beginning ---- */

static void begin(struct sink *k)
{
    scp_ok(&k->scp);
    ready(k, SINK_LINE);
}

static void give_up(struct sink *k, const char *why)
{
    scp_warn(&k->scp, k->target_size > 0 ? k->path : "/", why);
    exec_end(k->scp.x, EXIT_FAILED);
}

static void target_looked_at(struct exec *x, uint32_t status, const char *text, struct msg *answer)
{
    struct sink *k = x->state;
    k->is_dir = status == FX_OK;
    if (k->is_dir)
        skip_statvfs(answer);
    if (status != FX_OK && status != FX_NO_SUCH_FILE)
        give_up(k, text);
    else if (!k->is_dir && k->scp.directory)
        give_up(k, "not a directory");
    else
        begin(k);
}

static bool ends_as_dir(const char *target)
{
    const char *slash = strrchr(target, '/'), *last = slash ? slash + 1 : target;
    return last[0] == '\0' || strcmp(last, ".") == 0 || strcmp(last, "..") == 0;
}

void scp_sink(struct exec *x, const struct scp *options, const char *target)
{
    struct sink *k = mem_new(sizeof *k);
    SPOT_FREE struct sftp_spot spot;
    k->scp = *options;
    k->scp.free = sink_free;
    k->line = (struct buf)BUF(SCP_LINE_MOST);
    k->must_be_dir = ends_as_dir(target);
    x->state = k;
    x->drop = drop;
    x->input = input;
    x->input_end = input_end;
    x->room = room;
    const char *why = exec_place(x, target, &spot);
    if (why) {
        scp_warn(&k->scp, target, why);
        exec_end(x, EXIT_FAILED);
        return;
    }
    k->target_size = strlen(spot.path) > 1 ? strlen(spot.path) : 0;
    memcpy(k->path, spot.path, strlen(spot.path) + 1);
    if (sftp_is_top(&spot)) {
        k->is_dir = true;
        begin(k);
    } else if ((why = ask_whether_dir(k, target_looked_at)) != NULL) {
        give_up(k, why);
    }
}
