#include "sshd/session/typed.h"

#include <stdlib.h>
#include <string.h>

#include "base/bucket.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/name.h"
#include "sshd/session/activity.h"
#include "sshd/session/conn.h"

/* LINE: bytes of a record.  BURST lines at once and RATE a second are records of their own, what is more is one each COUNT_MS. */
enum { WAITING_MOST = 64 * 1024, LINE_MOST = 1000, LINES_BURST = 100, LINES_RATE = 1, COUNT_MS = 10000, PATIENCE_MS = 3000 };

struct typed {
    struct session *session;
    char server[NAME_MOST + 1];
    struct buf waiting;          /* the shim has said nothing of yet */
    uint64_t beyond, ends;       /* bytes behind these that did not fit, and line ends among them */
    bool speaks;                 /* the shim gives its word */
    struct session_turn *patience;
    struct buf line;             /* not at its end yet */
    uint64_t size;               /* of that line, with what was not kept */
    uint32_t flags;
    bool returned;               /* the last byte was a carriage return: a newline behind it ends nothing */
    uint64_t lines;              /* counted, not recorded */
    struct session_turn *counting;
};

struct typed *typed_new(struct session *s, const char *server)
{
    struct typed *t = mem_new(sizeof *t);
    *t = (struct typed){ .session = s, .waiting = BUF(WAITING_MOST), .line = BUF(LINE_MOST) };
    memcpy(t->server, server, strnlen(server, NAME_MOST));
    if (s->typed_share.burst == 0)
        bucket_init(&s->typed_share, LINES_BURST, LINES_RATE, now_ms());
    return t;
}

static void counted(void *data)
{
    struct typed *t = data;
    t->counting = NULL;
    if (t->lines > 0)
        activity_note(t->session, ACTIVITY_INPUT, t->server, "", "", t->lines, ACTIVITY_MORE);
    t->lines = 0;
}

static void count(struct typed *t, uint64_t lines)
{
    t->lines += lines;
    if (t->counting == NULL)
        t->counting = session_turn_later(t->session, COUNT_MS, counted, t);
}

static void record(struct typed *t)
{
    if (!bucket_take(&t->session->typed_share, 1, now_ms())) {
        count(t, 1);
        return;
    }
    bool hidden = t->flags & ACTIVITY_HIDDEN;
    FREE_MEM char *text = mem_strn(buf_size(&t->line) ? (const char *)buf_head(&t->line) : "", buf_size(&t->line));
    activity_note(t->session, ACTIVITY_INPUT, t->server, hidden ? "(hidden)" : text, "", 0, t->flags);
}

static void line_ends(struct typed *t)
{
    record(t);
    buf_reset(&t->line);
    t->size = 0;
    t->flags = 0;
}

/* A byte 0 would end the record's text. */
static void keep(struct typed *t, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (buf_size(&t->line) == LINE_MOST) {
            t->flags |= ACTIVITY_UNFINISHED;
            return;
        }
        buf_put_u8(&t->line, bytes[i] ? bytes[i] : '?');
    }
}

static bool ends_line(uint8_t byte) { return byte == '\n' || byte == '\r'; }

/* Up to a line's end, which is not among them.  Of one line a part that is hidden hides all. */
static void take_piece(struct typed *t, const uint8_t *bytes, size_t size, bool hidden)
{
    t->size += size;
    if (hidden)
        t->flags |= ACTIVITY_HIDDEN;
    else
        keep(t, bytes, size);
}

static void take(struct typed *t, const uint8_t *bytes, size_t size, bool hidden)
{
    for (size_t at = 0; at < size;) {
        size_t n = at;
        while (n < size && !ends_line(bytes[n]))
            n++;
        bool again = n == at && t->returned && bytes[n] == '\n';
        t->returned = n < size && bytes[n] == '\r';
        if (!again)
            take_piece(t, bytes + at, n - at, hidden);
        if (n < size && !again)
            line_ends(t);
        at = n + 1;
    }
}

/* Bytes of which only the number is known. */
static void take_beyond(struct typed *t, uint64_t size)
{
    t->beyond -= size;
    if (t->size > 0) {
        t->flags |= ACTIVITY_UNFINISHED;
        line_ends(t);
        t->ends -= t->ends > 0;   /* its own */
    }
    if (t->beyond > 0)
        return;
    count(t, t->ends > 0 ? t->ends : 1);
    t->ends = 0;
}

static void judge_waiting(struct typed *t, size_t size, uint32_t what)
{
    size_t n = size < buf_size(&t->waiting) ? size : buf_size(&t->waiting);
    if (what != TAKEN_REFUSED && n > 0)
        take(t, buf_head(&t->waiting), n, what != TAKEN_SHOWN);
    buf_drop(&t->waiting, n);
}

void typed_judged(struct typed *t, uint64_t size, uint32_t what)
{
    t->speaks = true;
    size_t n = size < buf_size(&t->waiting) ? (size_t)size : buf_size(&t->waiting);
    judge_waiting(t, n, what);
    if (buf_size(&t->waiting) == 0)
        buf_wipe(&t->waiting);
    size -= n;
    if (size > 0 && t->beyond > 0)
        take_beyond(t, size < t->beyond ? size : t->beyond);
    if (!typed_waits(t)) {
        session_turn_free(t->patience);
        t->patience = NULL;
    }
}

static void judge_rest(struct typed *t)
{
    bool speaks = t->speaks;
    typed_judged(t, UINT64_MAX, TAKEN_HIDDEN);
    t->speaks = speaks;
}

static void out_of_patience(void *data)
{
    struct typed *t = data;
    t->patience = NULL;
    judge_rest(t);
}

void typed_sent(struct typed *t, const uint8_t *bytes, size_t size)
{
    size_t room = t->beyond > 0 ? 0 : WAITING_MOST - buf_size(&t->waiting), n = size < room ? size : room;
    buf_put(&t->waiting, bytes, n);
    t->beyond += size - n;
    for (size_t i = n; i < size; i++)
        t->ends += ends_line(bytes[i]);
    if (t->patience == NULL && !t->speaks)
        t->patience = session_turn_later(t->session, PATIENCE_MS, out_of_patience, t);
}

bool typed_waits(const struct typed *t)
{
    return buf_size(&t->waiting) > 0 || t->beyond > 0;
}

void typed_free(struct typed *t)
{
    if (t == NULL)
        return;
    judge_rest(t);
    if (t->size > 0 || t->flags) {
        t->flags |= ACTIVITY_UNFINISHED;
        line_ends(t);
    }
    session_turn_free(t->patience);
    session_turn_free(t->counting);
    t->counting = NULL;
    counted(t);
    buf_wipe(&t->waiting);
    buf_wipe(&t->line);
    free(t);
}
