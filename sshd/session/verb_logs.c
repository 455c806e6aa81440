/* The last lines of a server's log, found by reading its files backwards, and what follows from the shim. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "sshd/session/verbs.h"
#include "sshd/session/viewer.h"

enum { FILES_MOST = 8, PIECE = 64 * 1024, ASK_MS = 30000, STUCK_MS = 600000 };

struct logs {
    struct exec *x;
    int fds[FILES_MOST];         /* newest first */
    off_t from[FILES_MOST], to[FILES_MOST];
    int n, at;                   /* `at` counts down to 0; below: all is out */
    struct viewer *viewer;       /* made before the files are read, so that nothing falls between */
    char *not_followed;          /* why not; owned */
    int not_followed_code;
};

static void drop(struct exec *x)
{
    struct logs *l = x->state;
    for (int i = 0; i < l->n; i++)
        close(l->fds[i]);
    viewer_free(l->viewer);
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

static void find_all(struct logs *l, uint64_t lines)
{
    for (int i = 0; i < l->n; i++) {
        struct stat st;
        off_t size = fstat(l->fds[i], &st) == 0 ? st.st_size : 0;
        l->to[i] = size;
        l->from[i] = lines > 0 ? find_start(l->fds[i], size, &lines) : size;
    }
    l->at = l->n - 1;
}

static void follow(struct exec *x)
{
    struct logs *l = x->state;
    if (l->not_followed) {
        exec_fail(x, l->not_followed_code, "%s", l->not_followed);
    } else if (l->viewer) {
        exec_deadline(x, 0);
        viewer_pause(l->viewer, channel_room(x->channel) < CHANNEL_LOW);
    } else {
        exec_end(x, EXIT_DONE);
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
        exec_out(x, piece, (size_t)n);
        l->from[l->at] += n;
    }
    if (l->at < 0)
        follow(x);
    else
        exec_deadline(x, STUCK_MS);
}

static void output(void *data, const uint8_t *bytes, size_t size)
{
    struct logs *l = data;
    exec_out(l->x, bytes, size);
    if (channel_room(l->x->channel) < CHANNEL_LOW)
        viewer_pause(l->viewer, true);
}

static void notice(void *data, const char *text)
{
    struct logs *l = data;
    exec_note(l->x, "[%s]", text);
}

static void end(void *data, bool bye, unsigned code, unsigned signal)
{
    struct logs *l = data;
    (void)code;
    (void)signal;
    if (bye)
        exec_end(l->x, EXIT_DONE);
    else
        exec_fail(l->x, EXIT_UNAVAILABLE, "%s: the console was closed", l->x->server);
}

static const struct viewer_events events = { .output = output, .notice = notice, .end = end };

static void got_files(struct exec *x, int code, const char *text, struct msg *m)
{
    struct logs *l = x->state;
    if (!exec_ok(x, code, text))
        return;
    uint32_t n = msg_get_u32(m);
    for (uint32_t i = 0; i < n && i < FILES_MOST; i++)
        l->fds[l->n++] = msg_get_fd(m);
    msg_end(m);
    find_all(l, x->lines);
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
    l->x = x;
    x->state = l;
    x->drop = drop;
    exec_deadline(x, ASK_MS);
    if (x->options & OPTION_FOLLOW)
        exec_ask(x, OP_CONSOLE, x->server, 0, "ro", got_viewer);
    else
        exec_ask(x, OP_LOGS, x->server, 0, NULL, got_files);
}
