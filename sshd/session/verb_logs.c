/* The last lines of a server's log, found by reading its files backwards.  What follows is read from the files, too, so that it looks the same and
   nothing is shown twice: the shim writes to the log first and to its viewers then, and a viewer is what tells us to look again. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "sshd/session/display.h"
#include "sshd/session/since.h"
#include "base/json.h"
#include "sshd/session/verbs.h"
#include "sshd/session/viewer.h"

enum {
    FILES_MOST = 8, PIECE = 64 * 1024, ASK_MS = 30000, STUCK_MS = 600000, LOOK_MS = 1000,
    LINE_MOST = 128 * 1024,              /* the shim cuts lines far below */
    TIME_SIZE = 20,
    MOVED_LEAST = 4 * 1024 * 1024,       /* a log is moved on at 5 MiB, never before it has this size */
};

struct logs {
    struct exec *x;
    int fds[FILES_MOST];         /* newest first */
    off_t from[FILES_MOST], to[FILES_MOST];
    int n, at;                   /* `at` counts down to 0; below: all is out */
    struct buf line;             /* for JSON: the beginning of one */
    struct display display;
    struct viewer *viewer;       /* made before the files are read, so that nothing falls between */
    bool more;                   /* the server wrote since the newest file was last seen not to have grown */
    bool bye;
    struct timer *again;         /* the files were asked for a moment ago */
    char *not_followed;          /* why not; owned */
    int not_followed_code;
};

static void close_files(struct logs *l)
{
    for (int i = 0; i < l->n; i++)
        close(l->fds[i]);
    l->n = 0;
}

static void drop(struct exec *x)
{
    struct logs *l = x->state;
    close_files(l);
    viewer_free(l->viewer);
    timer_free(l->again);
    buf_free(&l->line);
    free(l->not_followed);
    free(l);
}

/* Where the last *LINES lines of the file begin; *LINES becomes what is still wanted from older files.  The newline that ends the file
   begins no line. */
static off_t find_start(int fd, off_t size, uint64_t *lines)
{
    FREE_MEM uint8_t *piece = mem_new(PIECE);
    off_t end = size;
    bool first = true;
    while (end > 0) {
        off_t start = end > PIECE ? end - PIECE : 0;
        ssize_t n = pread(fd, piece, (size_t)(end - start), start);
        if (n != end - start)
            return end;
        for (ssize_t i = n - 1; i >= 0; i--) {
            bool last_byte = first;
            first = false;
            if (piece[i] != '\n' || last_byte)
                continue;
            if (--*lines == 0)
                return start + i + 1;
        }
        end = start;
    }
    /* The file's first line has no newline before it. */
    if (size > 0)
        --*lines;
    return 0;
}

static off_t size_of(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 ? st.st_size : 0;
}

static void find_lines(struct logs *l, uint64_t lines)
{
    for (int i = 0; i < l->n; i++)
        l->from[i] = lines > 0 ? find_start(l->fds[i], l->to[i], &lines) : l->to[i];
}

/* A file that was last written before has nothing of it, and so have those that are older than one in which it begins. */
static void find_time(struct logs *l, int64_t since)
{
    char text[TIME_SIZE + 1];
    wall_text(since, text, sizeof text);
    bool past = false;
    for (int i = 0; i < l->n; i++) {
        struct stat st;
        past = past || (fstat(l->fds[i], &st) == 0 && st.st_mtim.tv_sec < since / 1000);
        off_t from = past ? l->to[i] : since_find(l->fds[i], l->to[i], text);
        l->from[i] = from > l->from[i] ? from : l->from[i];
        past = past || from > 0;
    }
}

static void find_all(struct logs *l)
{
    const struct exec *x = l->x;
    bool since = x->options & OPTION_SINCE;
    for (int i = 0; i < l->n; i++)
        l->to[i] = size_of(l->fds[i]);
    if (!since || (x->options & OPTION_LINES))
        find_lines(l, x->lines);
    if (since)
        find_time(l, x->since);
    l->at = l->n - 1;
}

/* ---- output ---- */

/* "TIME MARK TAB TEXT", the mark of standard output being none; any other line is text without a time. */
static void put_json(struct logs *l)
{
    const char *p = (const char *)buf_head(&l->line), *tab = memchr(p, '\t', buf_size(&l->line));
    size_t head = tab ? (size_t)(tab - p) : 0, size = buf_size(&l->line);
    char mark = head == TIME_SIZE + 1 ? p[TIME_SIZE] : '\0';
    bool whole = (head == TIME_SIZE || mark == '!' || mark == '#') && p[TIME_SIZE - 1] == 'Z';
    BUF_FREE struct buf b = BUF(LINE_MOST * 7);
    json_begin(&b, NULL);
    if (whole)
        json_bytes(&b, "time", p, TIME_SIZE);
    else
        json_null(&b, "time");
    json_str(&b, "stream", !whole || mark == '\0' ? "stdout" : mark == '!' ? "stderr" : "holdfast");
    json_bytes(&b, "text", whole ? tab + 1 : p, whole ? size - head - 1 : size);
    json_end(&b);
    json_line(&b);
    exec_flush(l->x, &b);
    buf_reset(&l->line);
}

static void put_lines(struct logs *l, const uint8_t *p, size_t size)
{
    while (size > 0) {
        const uint8_t *end = memchr(p, '\n', size);
        size_t n = end ? (size_t)(end - p) : size, fits = LINE_MOST - buf_size(&l->line);
        buf_put(&l->line, p, n < fits ? n : fits);
        if (end)
            put_json(l);
        n += end != NULL;
        p += n;
        size -= n;
    }
}

static void put(struct logs *l, const uint8_t *p, size_t size)
{
    struct exec *x = l->x;
    if (exec_json(x)) {
        put_lines(l, p, size);
    } else if (exec_terminal(x) && !(x->options & OPTION_RAW)) {
        FREE_MEM uint8_t *shown = mem_new(size + DISPLAY_HELD);
        exec_out(x, shown, display(&l->display, p, size, shown));
    } else {
        exec_out(x, p, size);
    }
}

/* Nothing of the log follows. */
static void end_text(struct logs *l)
{
    uint8_t plain[DISPLAY_HELD];
    if (buf_size(&l->line) > 0)
        put_json(l);
    exec_out(l->x, plain, display_end(&l->display, plain));
}

static void finish(struct logs *l)
{
    end_text(l);
    exec_end(l->x, EXIT_DONE);
}

/* ---- following ---- */

static void look(struct logs *l);

static void look_later(void *data)
{
    struct exec *x = data;
    struct logs *l = x->state;
    l->again = NULL;
    look(l);
}

/* The file we have been reading may have become an older one: go on in it, and then in those behind. */
static void got_newer(struct exec *x, int code, const char *text, struct msg *m)
{
    struct logs *l = x->state;
    int old = -1;
    struct stat have, st;
    if (!exec_ok(x, code, text))
        return;
    off_t from = l->from[0];
    bool known = fstat(l->fds[0], &have) == 0;
    close_files(l);
    uint32_t n = msg_get_u32(m);
    for (uint32_t i = 0; i < n && i < FILES_MOST; i++) {
        int fd = msg_get_fd(m);
        if (known && old < 0 && fstat(fd, &st) == 0 && st.st_dev == have.st_dev && st.st_ino == have.st_ino)
            old = l->n;
        l->from[l->n] = 0;
        l->to[l->n] = size_of(fd);
        l->fds[l->n++] = fd;
    }
    msg_end(m);
    l->at = old >= 0 ? old : l->n - 1;
    if (old >= 0)
        l->from[old] = from;
    l->more = old != 0;
    if (l->n > 0 && l->to[0] < MOVED_LEAST)
        l->more = false;
    l->again = exec_timer(x, LOOK_MS, look_later);
    x->room(x);
}

/* Whatever has been written since. */
static void look(struct logs *l)
{
    struct exec *x = l->x;
    if (l->at >= 0 || x->asked || x->room == NULL)
        return;
    off_t size = l->n > 0 ? size_of(l->fds[0]) : 0;
    bool moved = l->more && (l->n == 0 || size >= MOVED_LEAST);
    if (l->n > 0 && size > l->from[0]) {
        l->to[0] = size;
        l->at = 0;
        x->room(x);
    } else if (moved && l->again == NULL) {
        exec_ask(x, OP_LOGS, x->server, 0, NULL, got_newer);
    } else if (!moved && l->bye) {
        finish(l);
    }
}

/* All that was there is out. */
static void caught_up(struct exec *x)
{
    struct logs *l = x->state;
    if (l->not_followed) {
        end_text(l);
        exec_fail(x, l->not_followed_code, "%s", l->not_followed);
    } else if (l->viewer == NULL) {
        finish(l);
    } else {
        exec_deadline(x, 0);
        viewer_pause(l->viewer, l->bye);
        if (l->more || l->bye)
            look(l);
    }
}

static void room(struct exec *x)
{
    struct logs *l = x->state;
    FREE_MEM uint8_t *piece = mem_new(PIECE);
    while (l->at >= 0 && channel_room(x->channel) >= 2 * PIECE) {
        off_t left = l->to[l->at] - l->from[l->at];
        ssize_t n = left > 0 ? pread(l->fds[l->at], piece, left < PIECE ? (size_t)left : PIECE, l->from[l->at]) : 0;
        if (n <= 0) {
            l->at--;
            continue;
        }
        l->from[l->at] += n;
        put(l, piece, (size_t)n);
    }
    if (l->at < 0)
        caught_up(x);
    else
        exec_deadline(x, STUCK_MS);
}

static void output(void *data, const uint8_t *bytes, size_t size)
{
    struct logs *l = data;
    /* An unfinished line is not in the log. */
    if (memchr(bytes, '\n', size) == NULL)
        return;
    l->more = true;
    look(l);
}

/* That output was left out for viewers is of no matter here. */
static void notice(void *data, const char *text)
{
    (void)text;
    output(data, (const uint8_t *)"\n", 1);
}

static void end(void *data, bool bye, unsigned code, unsigned signal)
{
    struct logs *l = data;
    (void)code;
    (void)signal;
    if (!bye) {
        exec_fail(l->x, EXIT_UNAVAILABLE, "%s: the console was closed", l->x->server);
        return;
    }
    l->bye = l->more = true;
    viewer_pause(l->viewer, true);
    look(l);
}

static const struct viewer_events events = { .output = output, .notice = notice, .end = end };

/* ---- the beginning ---- */

static void got_files(struct exec *x, int code, const char *text, struct msg *m)
{
    struct logs *l = x->state;
    if (!exec_ok(x, code, text))
        return;
    uint32_t n = msg_get_u32(m);
    for (uint32_t i = 0; i < n && i < FILES_MOST; i++)
        l->fds[l->n++] = msg_get_fd(m);
    msg_end(m);
    find_all(l);
    x->room = room;
    room(x);
}

static void got_viewer(struct exec *x, int code, const char *text, struct msg *m)
{
    struct logs *l = x->state;
    if (code == EXIT_DONE) {
        l->viewer = viewer_new(x->session, msg_get_fd(m), &events, l);
        msg_end(m);
        viewer_pause(l->viewer, true);
    } else {
        l->not_followed = mem_str(*text ? text : "cannot follow");
        l->not_followed_code = code;
    }
    exec_ask(x, OP_LOGS, x->server, 0, NULL, got_files);
}

void verb_logs(struct exec *x)
{
    struct logs *l = mem_new(sizeof *l);
    *l = (struct logs){ .x = x, .at = -1, .line = BUF(LINE_MOST) };
    x->state = l;
    x->drop = drop;
    exec_deadline(x, ASK_MS);
    if (x->options & OPTION_FOLLOW)
        exec_ask(x, OP_CONSOLE, x->server, 0, "ro", got_viewer);
    else
        exec_ask(x, OP_LOGS, x->server, 0, NULL, got_files);
}
