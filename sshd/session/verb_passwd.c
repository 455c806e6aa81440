/* passwd: the old password and the new one twice, asked for on a terminal (what is typed is echoed by nobody: we are the terminal), or as three lines
   of input. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "sshd/session/verbs.h"

enum { LINE_MOST = 1024, INPUT_MS = 120000, ANSWER_MS = 60000, LINES = 3 };
enum { KEY_INTERRUPT = 3, KEY_END = 4, KEY_BACK = 8, KEY_KILL = 21, KEY_DELETE = 127 };

static const char *const prompts[LINES] = { "Old password: ", "New password: ", "New password again: " };

struct asking {
    struct buf lines[LINES];
    unsigned at;
    bool cr;             /* the last byte was one: the newline behind it is the same key */
};

static void drop(struct exec *x)
{
    struct asking *g = x->state;
    for (unsigned i = 0; i < LINES; i++)
        buf_wipe(&g->lines[i]);
    free(g);
}

static void changed(struct exec *x, int code, const char *text, struct msg *m)
{
    if (!exec_ok(x, code, text))
        return;
    msg_end(m);
    exec_note(x, "the password was changed; other connections that came in with the old one are closed");
    exec_end(x, EXIT_DONE);
}

static bool same(const struct buf *a, const struct buf *b)
{
    return buf_size(a) == buf_size(b) && (buf_size(a) == 0 || memcmp(buf_head(a), buf_head(b), buf_size(a)) == 0);
}

static void send(struct exec *x)
{
    struct asking *g = x->state;
    struct buf both = BUF(2 * LINE_MOST);
    if (!same(&g->lines[1], &g->lines[2])) {
        exec_fail(x, EXIT_USAGE, "the two new passwords are not the same; nothing was changed");
        return;
    }
    buf_room(&both, 2 * LINE_MOST);
    for (unsigned i = 0; i < 2; i++)
        buf_put(&both, buf_head(&g->lines[i]), buf_size(&g->lines[i]));
    exec_deadline(x, ANSWER_MS);
    exec_ask_bytes(x, OP_PASSWD, buf_size(&g->lines[0]), buf_head(&both), buf_size(&both), changed);
    buf_wipe(&both);
}

/* A line is whole.  False: no more is wanted. */
static bool next(struct exec *x)
{
    struct asking *g = x->state;
    if (exec_terminal(x))
        exec_print(x, "\n");
    if (++g->at == LINES) {
        send(x);
        return false;
    }
    if (exec_terminal(x))
        exec_print(x, "%s", prompts[g->at]);
    return true;
}

/* Takes a whole character of UTF-8 off. */
static void erase(struct buf *line)
{
    while (buf_size(line) > 0) {
        uint8_t last = line->p[--line->len];
        line->p[line->len] = 0;
        if ((last & 0xc0) != 0x80)
            return;
    }
}

static bool put(struct exec *x, uint8_t byte)
{
    struct buf *line = &((struct asking *)x->state)->lines[((struct asking *)x->state)->at];
    buf_put_u8(line, byte);
    if (!line->bad)
        return true;
    exec_fail(x, EXIT_USAGE, "a line is too long; allowed: %d bytes", LINE_MOST);
    return false;
}

/* False: nothing more is wanted, the command may have ended. */
static bool key(struct exec *x, uint8_t byte)
{
    struct asking *g = x->state;
    struct buf *line = &g->lines[g->at];
    bool second = g->cr && byte == '\n';
    g->cr = byte == '\r';
    if (second)
        return true;
    if (byte == '\r' || byte == '\n')
        return next(x);
    if (byte == KEY_BACK || byte == KEY_DELETE) {
        erase(line);
    } else if (byte == KEY_KILL) {
        while (buf_size(line) > 0)
            erase(line);
    } else if (byte == KEY_INTERRUPT || (byte == KEY_END && buf_size(line) == 0)) {
        exec_print(x, "\n");
        exec_fail(x, EXIT_FAILED, "nothing was changed");
        return false;
    } else {
        return put(x, byte);
    }
    return true;
}

static bool plain(struct exec *x, uint8_t byte)
{
    struct buf *line = &((struct asking *)x->state)->lines[((struct asking *)x->state)->at];
    if (byte != '\n')
        return put(x, byte);
    if (buf_size(line) > 0 && line->p[line->len - 1] == '\r')
        line->len--;
    return next(x);
}

static size_t input(struct exec *x, const uint8_t *bytes, size_t size)
{
    struct asking *g = x->state;
    bool more = g->at < LINES, terminal = exec_terminal(x);
    for (size_t i = 0; i < size && more; i++)
        more = terminal ? key(x, bytes[i]) : plain(x, bytes[i]);
    return size;
}

static void input_end(struct exec *x)
{
    struct asking *g = x->state;
    /* The last line may have no end. */
    if (g->at == LINES - 1 && buf_size(&g->lines[g->at]) > 0)
        next(x);
    else if (g->at < LINES)
        exec_fail(x, EXIT_USAGE, "three lines of input are wanted: the old password, the new one, the new one again; nothing was changed");
}

void verb_passwd(struct exec *x)
{
    struct asking *g = mem_new(sizeof *g);
    *g = (struct asking){ .lines = { BUF(LINE_MOST), BUF(LINE_MOST), BUF(LINE_MOST) } };
    /* Room at once: a buffer that grows leaves what it held behind. */
    for (unsigned i = 0; i < LINES; i++)
        buf_room(&g->lines[i], LINE_MOST);
    x->state = g;
    x->drop = drop;
    x->input = input;
    x->input_end = input_end;
    exec_deadline(x, INPUT_MS);
    if (exec_terminal(x))
        exec_print(x, "%s", prompts[0]);
}
